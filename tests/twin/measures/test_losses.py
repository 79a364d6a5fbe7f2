from math import inf

import numpy as np
import pytest

import sim
from tests.strategies import small
from tests.twin.measures.test_connection import KILL, killed, record
from twin.measures import CONNECTION, LOSSES, measure_record, measure_with_bounds
from twin.measures.connection import course
from twin.measures.losses import new_lifetimes
from twin.record.record import row


def test_what_a_kill_costs_the_clients_is_what_a_hand_computes():
    found = measure_record(killed())
    wanted = {
        "losses_per_client": 2 / 4,
        "away_total": (3.2 - 2.1) + (10.0 - 2.3),  # client 2 gave up
        "away_per_client": (1.1 + 7.7) / 4,
        "away_per_loss": (1.1 + 7.7) / 2,
        "away_at_end": 1.0,
        "half_open": 0.0,
        "peak_reconnects": 1.0,
        "lifetime_p50": inf,  # the one new connection is still there
        "failed_503": 3.0,
        **{f"failed_{answer}": 0.0 for answer in ("502", "504", "429", "401", "refused", "reset", "timeout", "other")},
    }
    assert {name: found[name] for name in LOSSES} == pytest.approx(wanted)
    assert measure_with_bounds(killed())["lifetime_p50.not_within"] == pytest.approx(6.8)


def test_each_answer_counts_for_itself_and_unknown_ones_together():
    answers = ["502", "timeout", "refused", "refused", "418", "500", "reset"]
    rows = [row(3.5 + i / 100, "connect_failed", 0, attempt=9, detail=answer) for i, answer in enumerate(answers)]
    early = row(1.0, "connect_failed", 0, attempt=1, detail="502")
    found = measure_record(killed(early, *rows))
    assert (found["failed_502"], found["failed_timeout"], found["failed_refused"]) == (1, 1, 2)
    assert (found["failed_other"], found["failed_reset"], found["failed_503"]) == (2, 1, 3)


def test_connections_that_are_cut_again_and_again_have_short_lifetimes():
    """Client 1 comes back four times and is cut after a second each time but the last, which lasts."""
    rows = [row(2.0, "fault", node=1, detail="kill")]
    for i in range(4):
        rows += [row(2.5 + i * 1.5, "disconnected", 1, 2), row(3.0 + i * 1.5, "connected", 1, 2, i + 2)]
    read = course(record(rows, faults=[KILL]))
    lasted = new_lifetimes(read)
    assert np.sort(lasted.seconds) == pytest.approx([1.0, 1.0, 1.0, 2.5])
    assert lasted.ended.sum() == 3
    found = measure_record(record(rows, faults=[KILL]))
    assert found["lifetime_p50"] == pytest.approx(1.0)
    assert found["losses_per_client"] == 1.0
    assert found["peak_reconnects"] == 1.0


def test_without_a_fault_there_is_nothing_to_tell():
    assert not set(measure_record(record([]))) & set(LOSSES)


@pytest.mark.parametrize("placement", ["pinned", "separate"])
@pytest.mark.parametrize(
    ("kind", "answer"), [("kill", "503"), ("hang", "timeout"), ("outage", "refused"), ("reload", None)]
)
def test_both_engines_count_the_same_losses_and_failures(profile, kind, answer, placement):
    more = {"kill": {"node": 1}, "hang": {"node": 1}, "outage": {"duration": 1.0}, "reload": {}}[kind]
    scenario = small(
        clients={
            "count": 30,
            "reconnect": {"policy": "exponential", "base": 0.1, "cap": 0.5},
            "heartbeat": {"interval": 0.5, "timeout": 0.5},
            "open_timeout": 0.4,
        },
        balancer={"retries": 0, "hard_stop_after": 0.5, "check": {"inter": 2.0}},
        faults=[{"at": 1.0, "kind": kind, **more}],
        host={"placement": placement},
        duration=6.0,
    )
    one, other = (sim.predict(scenario, 4, profile, jobs=1, engine=engine) for engine in ("simpy", "compiled"))
    assert one.measures.equals(other.measures[one.measures.columns])
    assert one.bounds.equals(other.bounds)
    assert (one.measures["losses_per_client"] > 0).all()
    if answer is not None:
        assert (one.measures[f"failed_{answer}"] > 0).all()
    assert set(one.measures) >= set(CONNECTION) - {"mark_down_delay"}
