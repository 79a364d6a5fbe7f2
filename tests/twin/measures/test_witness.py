import pytest

from tests.messages import good_rows, record, without
from twin.measures import unwitnessed
from twin.record import row

KILL = {"at": 2.0, "kind": "kill", "node": 1}


def test_a_kill_is_witnessed_by_what_happens_to_its_node_and_by_nothing_else():
    fault = row(2.0, "fault", node=1, detail="kill")
    silent = ["kill at 2 s had no witnessed effect"]
    assert unwitnessed(record(good_rows(), faults=[KILL])) == silent
    assert unwitnessed(record([*good_rows(), fault], faults=[KILL])) == silent
    assert unwitnessed(record([*good_rows(), fault, row(2.1, "disconnected", 1, 2)], faults=[KILL])) == silent
    assert unwitnessed(record([*good_rows(), row(2.1, "node_stopped", node=1)], faults=[KILL])) == silent
    assert unwitnessed(record([*good_rows(), fault, row(2.1, "node_stopped", node=1)], faults=[KILL])) == []


def test_a_reload_is_its_own_witness():
    reload = {"at": 2.0, "kind": "reload"}
    assert unwitnessed(record([*good_rows(), row(2.0, "fault", detail="reload")], faults=[reload])) == []


@pytest.mark.parametrize(("kind", "node"), [("bus_down", -1), ("bus_cut", 2)])
def test_a_fault_of_the_bus_is_witnessed_by_a_node_that_lost_it_or_joined_it_again(kind, node):
    fault = {"at": 2.0, "kind": kind} | ({"node": node} if node > 0 else {})
    rows = [*good_rows(), row(2.0, "fault", node=node, detail=kind), row(2.9, "healed", node=node, detail=kind)]
    assert unwitnessed(record(rows, faults=[fault])) == [f"{kind} at 2 s had no witnessed effect"]
    assert unwitnessed(record([*rows, row(2.1, "bus_joined", node=2)], faults=[fault])) == []
    other = unwitnessed(record([*rows, row(2.1, "bus_lost", node=3)], faults=[fault]))
    assert other == ([] if kind == "bus_down" else ["bus_cut at 2 s had no witnessed effect"])


def test_a_stall_is_witnessed_by_silence_while_messages_are_published():
    fault = {"at": 1.5, "kind": "stall", "client": 3, "duration": 2.0}
    rows = [*good_rows(), row(1.5, "fault", 3, detail="stall"), row(3.5, "healed", 3, detail="stall")]
    assert unwitnessed(record(rows, faults=[fault])) == ["stall at 1.5 s had no witnessed effect"]
    quiet = without(without(rows, "delivered", client=3, version=2), "delivered", client=3, version=3)
    assert unwitnessed(record(quiet, faults=[fault])) == []
    nothing_sent = [one for one in quiet if one[1] != "published"]
    assert unwitnessed(record(nothing_sent, faults=[fault])) != []


def test_a_partition_is_witnessed_by_a_node_that_receives_nothing():
    fault = {"at": 1.5, "kind": "partition", "node": 3, "duration": 1.0}
    rows = [*good_rows(), row(1.5, "fault", node=3, detail="partition"), row(2.5, "healed", node=3, detail="partition")]
    assert unwitnessed(record(rows, faults=[fault])) == ["partition at 1.5 s had no witnessed effect"]
    assert unwitnessed(record(without(rows, "received", node=3, version=2), faults=[fault])) == []


def test_a_delay_is_witnessed_by_a_message_that_took_as_long():
    fault = {"at": 1.5, "kind": "delay", "node": 3, "delay": 0.05, "duration": 1.0}
    rows = [*good_rows(), row(1.5, "fault", node=3, detail="delay")]
    assert unwitnessed(record(rows, faults=[fault])) == ["delay at 1.5 s had no witnessed effect"]
    late = without(rows, "received", node=3, version=2)
    late.append(row(2.06, "received", node=3, version=2, detail="1 2"))
    assert unwitnessed(record(late, faults=[fault])) == []
