"""Measures of requests, on records written by hand."""

import numpy as np
import pytest

from tests.strategies import small
from twin.measures import measure_record
from twin.measures.handler import answer_times, measure_handler
from twin.record.handler_events import Answered, LoopLate, Requested
from twin.record.record import Record, row


def record(rows, tasks=("short", "long"), **changes):
    tasks = [{"name": name, "rate": 1.0} for name in tasks]
    scenario = small(duration=10.0, nodes={"handler": {"tasks": tasks}}, **changes)
    return Record.of(rows, {"world": "simulated", "scenario": scenario.model_dump(exclude_none=True)})


def asked(t, client, n, task="short"):
    return row(t, "requested", client, 1, version=n, detail=Requested.pack(task))


def answered(t, client, n, task="short"):
    return row(t, "answered", client, 1, version=n, detail=Answered.pack(task))


def late(t, node, microseconds):
    return row(t, "loop_late", node=node, detail=LoopLate.pack(microseconds))


def test_an_answer_belongs_to_the_request_of_its_client_task_and_number():
    rows = [asked(1.0, 0, 0), asked(1.1, 1, 0), asked(1.2, 0, 0, "long"), asked(1.3, 0, 1)]
    rows += [answered(1.4, 1, 0), answered(1.5, 0, 0, "long"), answered(1.6, 0, 0)]
    times, took = answer_times(record(rows), "short")
    assert times == pytest.approx([1.0, 1.1, 1.3])
    assert took == pytest.approx([0.6, 0.3, np.nan], nan_ok=True)
    assert answer_times(record(rows), "long")[1] == pytest.approx([0.3])


def test_percentiles_are_of_each_task_and_a_late_request_may_lack_its_answer():
    rows = [asked(n * 0.1, 0, n) for n in range(5)] + [answered(n * 0.1 + n, 0, n) for n in range(4)]
    rows += [asked(9.5, 1, 0, "long")]
    found = measure_handler(record(rows))
    assert found["short_answer_p50"] == pytest.approx(1.5)
    assert found["short_answer_p90"] == pytest.approx(2.7)
    assert "long_answer_p50" not in found
    assert found["unanswered_share"] == pytest.approx(1 / 5)


def test_lateness_is_that_of_the_nodes_that_never_stopped_within_the_run():
    rows = [late(-0.5, 1, 900_000), late(1.0, 1, 1000), late(2.0, 1, 3000), late(1.0, 2, 800_000)]
    rows += [row(3.0, "node_stopped", node=2)]
    found = measure_handler(record(rows))
    assert found["loop_late_p50"] == pytest.approx(0.002)
    assert found["loop_late_p99"] == pytest.approx(0.00298)


def test_a_scenario_without_a_handler_has_none_of_this():
    plain = Record.of([], {"world": "simulated", "scenario": small().model_dump(exclude_none=True)})
    assert measure_handler(plain) == {}
    assert not {name for name in measure_record(plain) if "answer" in name or "late" in name}
