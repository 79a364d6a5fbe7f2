"""What consumers of a stream promise, broken on purpose."""

import pytest

from tests.strategies import small
from twin.invariants import audit
from twin.record.events import Published, Received, Resent
from twin.record.record import Record, row

NAMES = ("at_least_once", "again_after_wait")


def findings(rows, faults=(), **bus):
    settings = {"kind": "jetstream", "persist": True, "jetstream": {"ack_wait": 1.0}, **bus}
    scenario = small(duration=20.0, nodes={"count": 2}, bus=settings, publisher={"rate": 1.0}, faults=list(faults))
    record = Record.of(sorted(rows), {"world": "sim", "scenario": scenario.model_dump(exclude_none=True)})
    found = audit(record).findings
    return {name: [one.text for one in found[name].violations] or found[name].skipped for name in NAMES}


def published(t, version):
    detail = Published.pack(1, version, "acknowledged", 2)
    return row(t, "published", attempt=1, version=version, detail=detail)


def received(t, version, node, how=""):
    return row(t, "received", node=node, version=version, detail=Received.pack(1, version, how))


GOOD = [published(1.0, 1), received(1.1, 1, 1), received(1.1, 1, 2)]
NOTHING = {"at_least_once": "", "again_after_wait": ""}


def test_each_message_once_at_each_node_breaks_nothing():
    assert findings(GOOD) == NOTHING


def test_a_node_that_never_gets_a_message_is_a_violation():
    said = ["version 1 was acknowledged by the stream and never came to node 2"]
    assert findings(GOOD[:2])["at_least_once"] == said
    assert findings([published(19.5, 1)])["at_least_once"] == ""  # it may be on its way


def test_a_message_that_comes_again_too_early_is_a_violation():
    early = [*GOOD, received(1.9, 1, 2, "duplicate")]
    assert findings(early)["again_after_wait"] == ["version 1 came to node 2 more than 1 times"]
    assert findings([*GOOD, received(2.1, 1, 2, "duplicate")]) == NOTHING
    assert findings([*GOOD, received(2.1, 1, 2), received(2.2, 1, 2)])["again_after_wait"] == [
        "version 1 came to node 2 more than 2 times"
    ]


@pytest.mark.parametrize(
    "why",
    [
        [row(1.5, "resent", attempt=1, version=1, detail=Resent.pack(1, 1))],
        [row(1.5, "node_started", node=2)],
    ],
)
def test_a_resend_or_a_new_process_lets_it_come_again(why):
    assert findings([*GOOD, *why, received(1.9, 1, 2)]) == NOTHING


def test_a_killed_server_may_deliver_once_more_but_not_twice():
    down = [{"at": 1.5, "kind": "bus_down", "duration": 0.2}]
    assert findings([*GOOD, received(1.8, 1, 2)], down)["again_after_wait"] == ""
    twice = [*GOOD, received(1.8, 1, 2), received(1.9, 1, 2)]
    assert findings(twice, down)["again_after_wait"] == ["version 1 came to node 2 more than 2 times"]


def test_without_acknowledgements_it_comes_at_most_once_however_late():
    none = {"jetstream": {"ack_policy": "none"}}
    assert findings([*GOOD, received(9.0, 1, 2)], **none)["again_after_wait"] == [
        "version 1 came to node 2 more than 1 times"
    ]
    assert findings(GOOD[:2], **none)["at_least_once"] == "with ack_policy 'none' a message comes at most once"


def test_nothing_is_promised_of_a_stream_that_was_lost_or_of_another_bus():
    down = [{"at": 1.5, "kind": "bus_down", "duration": 0.2}]
    assert "in memory" in findings(GOOD[:2], down, persist=False)["at_least_once"]
    assert findings(GOOD[:2], kind="stream", jetstream={}) == NOTHING
