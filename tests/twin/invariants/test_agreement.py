"""Acknowledgements, and what is declared consistent because of them."""

import pytest

from tests.audits import broken, events, the
from tests.messages import good_rows, record, without
from twin.invariants import audit
from twin.record.record import row


def test_an_acknowledgement_of_what_the_node_had_not_received():
    rows = without(good_rows(), "received", node=2, version=2)
    violation = the("acked_received", rows)
    assert (violation.node, violation.version) == (2, 2)
    assert events(violation) == [("acked", 2.2)]
    late = [*rows, row(2.3, "received", node=2, version=2, detail="1 2")]
    assert "acked_received" in broken(late)
    killed = audit(record(rows, faults=[{"at": 5.0, "kind": "kill", "node": 2}]))
    assert killed.findings["acked_received"].count == 0  # its own notes are gone


def test_nodes_beyond_the_thirty_second_are_told_apart():
    wide = {"nodes": {"count": 40}}
    alien = [*good_rows(), row(4.0, "acked", node=33, version=2, detail="1 2")]
    assert the("acked_received", alien, **wide).node == 33
    early = [*without(good_rows(), "acked", node=3, version=2), row(2.25, "acked", node=35, version=1, detail="1 1")]
    assert "consistent_acked" in broken(early, **wide)


@pytest.mark.parametrize(("threshold", "enough"), [("all", False), ("majority", True), (2, True), (3, False)])
def test_a_message_declared_consistent_too_early(threshold, enough):
    rows = without(good_rows(), "acked", node=3, version=2)
    found = broken(rows, publisher={"rate": 1.0, "threshold": threshold})
    assert found == (set() if enough else {"consistent_acked"})


@pytest.mark.parametrize("kind", ["kill", "hang", "partition", "bus_cut", "delay"])
def test_with_a_fault_all_still_waits_for_each_node_that_no_fault_has_touched(kind):
    fault = {"at": 1.5, "kind": kind, "node": 3} | ({"delay": 0.1} if kind == "delay" else {})
    of_touched = without(good_rows(), "acked", node=3, version=2)
    assert "consistent_acked" not in broken(of_touched, faults=[fault])
    of_another = without(good_rows(), "acked", node=2, version=2)
    violation = the("consistent_acked", of_another, faults=[fault])
    assert violation.text == "version 2 was declared consistent with 2 acknowledgements of 1, without node 2"
    assert events(violation) == [("consistent", 2.3)]
    before = the("consistent_acked", without(good_rows(), "acked", node=3, version=1), faults=[fault])
    assert before.text.endswith("without node 3"), "the fault was still to come"
    assert "consistent_acked" not in broken(of_another, faults=[{"at": 1.5, "kind": "bus_down", "duration": 0.2}])
    assert "consistent_acked" in broken(of_another, faults=[{"at": 1.5, "kind": "stall", "client": 1}])


def test_a_message_declared_consistent_twice_or_before_its_acknowledgements():
    violation = the("consistent_acked", [*good_rows(), row(4.0, "consistent", version=2, detail="1 2")])
    assert "version 2 was declared consistent with 3 acknowledgements of 3, a second time" in violation.text
    early = [*without(good_rows(), "consistent", version=2), row(2.15, "consistent", version=2, detail="1 2")]
    assert "with 1 acknowledgements of 3" in the("consistent_acked", early).text


@pytest.mark.parametrize(("registered", "acks", "good"), [(2, 1, False), (2, 2, True), (3, 1, False), (3, 2, True)])
def test_a_majority_is_more_than_half(registered, acks, good):
    rows = [one for one in good_rows() if one[1] not in ("acked", "published")]
    rows += [row(k, "published", attempt=1, version=k, detail=f"1 {k} acknowledged {registered}") for k in (1, 2, 3)]
    rows += [row(k + 0.1, "acked", node=n, version=k, detail=f"1 {k}") for k in (1, 2, 3) for n in range(1, acks + 1)]
    assert ("consistent_acked" not in broken(rows, publisher={"rate": 1.0, "threshold": "majority"})) == good


def test_an_acknowledgement_counts_once_and_only_before_the_declaration():
    rows = without(good_rows(), "acked", node=3, version=2)
    assert "consistent_acked" in broken([*rows, row(2.25, "acked", node=2, version=2, detail="1 2")])
    assert "consistent_acked" in broken([*rows, row(2.31, "acked", node=3, version=2, detail="1 2")])
    assert "consistent_acked" not in broken([*rows, row(2.29, "acked", node=3, version=2, detail="1 2")])


def test_with_fewer_nodes_registered_than_there_are_nobody_knows_which():
    fault = {"at": 1.5, "kind": "kill", "node": 3}
    rows = without(without(good_rows(), "acked", node=2, version=2), "published", version=2)
    fewer = row(2, "published", attempt=1, version=2, detail="1 2 acknowledged 2")
    all_ = row(2, "published", attempt=1, version=2, detail="1 2 acknowledged 3")
    assert "consistent_acked" not in broken([*rows, fewer], faults=[fault])
    assert "consistent_acked" in broken([*rows, all_], faults=[fault])


def test_a_node_acknowledges_at_the_earliest_when_it_receives():
    rows = without(good_rows(), "received", node=2, version=2)
    assert "acked_received" not in broken([*rows, row(2.2, "received", node=2, version=2, detail="1 2")])
    assert "acked_received" in broken([*rows, row(2.201, "received", node=2, version=2, detail="1 2")])
    assert "acked_received" in broken([*rows, row(2.1, "received", 0, 2, version=2, detail="1 2")])  # a client did


def test_a_node_that_the_autoscaler_has_ended_is_not_waited_for_and_each_other_is():
    scaling = {"registry": {}, "autoscaling": {"target": 10, "minimum": 1, "maximum": 5}}
    ended = row(1.9, "drained", node=3)
    of_ended = [*without(good_rows(), "acked", node=3, version=2), ended]
    assert "consistent_acked" not in broken(of_ended, **scaling)
    assert "consistent_acked" in broken(of_ended)
    of_another = [*without(good_rows(), "acked", node=2, version=2), ended]
    violation = the("consistent_acked", of_another, **scaling)
    assert violation.text.endswith("without node 2")


def test_a_node_that_checks_passwords_may_not_be_registered_any_more():
    rows = without(good_rows(), "acked", node=3, version=2)
    assert "consistent_acked" in broken(rows)
    assert "consistent_acked" not in broken(rows, sessions={"store": "memory"})
    for node in (1, 2):
        rows = without(rows, "acked", node=node, version=2)
    assert "consistent_acked" in broken(rows, sessions={"store": "memory"})  # by nobody at all
