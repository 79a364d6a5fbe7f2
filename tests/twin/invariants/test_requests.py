"""What must hold for requests, on records written by hand."""

import pytest

from tests.strategies import small
from twin.invariants import audit
from twin.record.handler_events import Answered, Requested
from twin.record.record import Record, row


def findings(*rows):
    scenario = small(nodes={"handler": {}})
    record = Record.of(rows, {"world": "simulated", "scenario": scenario.model_dump(exclude_none=True)})
    return audit(record).findings["answered_once"]


def asked(t, client=0, node=1, n=0, task="short"):
    return row(t, "requested", client, node, version=n, detail=Requested.pack(task))


def answered(t, client=0, node=1, n=0, task="short"):
    return row(t, "answered", client, node, version=n, detail=Answered.pack(task))


def test_requests_of_several_tasks_clients_and_numbers_are_answered_each_once():
    rows = [asked(1.0), asked(1.1, task="long"), asked(1.2, n=1), asked(1.3, client=1, node=2)]
    rows += [answered(2.0, client=1, node=2), answered(2.1, n=1), answered(2.2), answered(2.3, task="long")]
    assert findings(*rows).count == 0


@pytest.mark.parametrize(
    ("rows", "words"),
    [
        ([asked(1.0), answered(2.0), answered(3.0)], "is answered once more"),
        ([answered(2.0)], "is answered without a request"),
        ([answered(0.5), asked(1.0)], "is answered without a request"),
        ([asked(1.0), answered(2.0, node=2)], "is answered by node 2, and node 1 was asked"),
    ],
)
def test_an_answer_that_nobody_waits_for_breaks_it(rows, words):
    found = findings(*rows)
    assert found.count == 1
    assert found.violations[0].text.endswith(words)
