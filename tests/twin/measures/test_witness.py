import pytest

from tests.messages import good_rows, record, without
from twin.measures import unwitnessed
from twin.record.record import row

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


@pytest.mark.parametrize("event", ["bus_lost", "fenced", "marked_down"])
def test_a_partition_without_messages_is_witnessed_by_sessions_or_registry(event):
    fault = {"at": 4.5, "kind": "partition", "node": 3, "duration": 1.0}
    rows = [*good_rows(), row(4.5, "fault", node=3, detail="partition")]
    effect = row(5.0, event, node=3, detail="1" if event == "fenced" else "")
    assert unwitnessed(record(rows, faults=[fault])) == ["partition at 4.5 s had no witnessed effect"]
    assert unwitnessed(record([*rows, effect], faults=[fault])) == []
    elsewhere = row(5.0, event, node=2, detail="1" if event == "fenced" else "")
    assert unwitnessed(record([*rows, elsewhere], faults=[fault])) != []


def test_a_delay_is_witnessed_by_a_message_that_took_as_long():
    fault = {"at": 1.5, "kind": "delay", "node": 3, "delay": 0.05, "duration": 1.0}
    rows = [*good_rows(), row(1.5, "fault", node=3, detail="delay")]
    assert unwitnessed(record(rows, faults=[fault])) == ["delay at 1.5 s had no witnessed effect"]
    late = without(rows, "received", node=3, version=2)
    late.append(row(2.06, "received", node=3, version=2, detail="1 2"))
    assert unwitnessed(record(late, faults=[fault])) == []


@pytest.mark.parametrize(("began", "seen"), [(2.999, True), (3.0, False), (1.001, True), (1.0, False)])
def test_a_fault_counts_as_begun_within_a_second_of_its_schedule(began, seen):
    rows = [*good_rows(), row(began, "fault", node=1, detail="kill"), row(3.5, "node_stopped", node=1)]
    assert (unwitnessed(record(rows, faults=[KILL])) == []) == seen


def test_an_effect_counts_from_the_moment_of_the_fault_on():
    rows = [*good_rows(), row(2.1, "fault", node=1, detail="kill")]
    assert unwitnessed(record([*rows, row(2.1, "node_stopped", node=1)], faults=[KILL])) == []
    assert unwitnessed(record([*rows, row(2.099, "node_stopped", node=1)], faults=[KILL])) != []


def test_what_was_under_way_may_still_arrive_a_quarter_second_after_the_fault():
    def silent(at, until=1.9):
        fault = {"at": at, "kind": "stall", "client": 3, "duration": until - at}
        rows = [*good_rows(), row(at, "fault", 3, detail="stall"), row(until, "healed", 3, detail="stall")]
        return unwitnessed(record(without(rows, "delivered", client=3, version=1), faults=[fault])) == []

    assert silent(0.75)  # the message of 1 s is published as the quarter is over
    assert not silent(0.76)
    assert not silent(0.5, until=1.0)  # nor is one that is published as it ends
    assert silent(0.5, until=1.001)


def test_only_an_arrival_after_the_quarter_second_breaks_the_silence():
    def silent(arrives):
        fault = {"at": 0.7, "kind": "stall", "client": 3, "duration": 1.2}
        rows = without(good_rows(), "delivered", client=3, version=1)
        rows += [row(0.7, "fault", 3, detail="stall"), row(1.9, "healed", 3, detail="stall")]
        rows.append(row(arrives, "delivered", 3, 3, version=1, detail="1 1"))
        return unwitnessed(record(rows, faults=[fault])) == []

    assert [silent(t) for t in (0.9, 0.95, 1.85, 1.9)] == [True, False, False, True]


def test_another_clients_or_nodes_end_of_the_same_fault_does_not_end_it():
    fault = {"at": 0.5, "kind": "stall", "client": 3, "duration": 1.0}
    rows = without(good_rows(), "delivered", client=3, version=1)
    rows += [row(0.5, "fault", 3, detail="stall"), row(0.9, "healed", 2, detail="stall")]
    assert unwitnessed(record([*rows, row(1.5, "healed", 3, detail="stall")], faults=[fault])) == []
    other = [*good_rows(), row(0.5, "fault", 2, detail="stall"), row(1.5, "healed", 2, detail="stall")]
    assert unwitnessed(record(other, faults=[fault])) != []  # it befell somebody else


def test_a_delay_shows_in_messages_published_during_it_that_took_as_long():
    def seen(published=2.0, took=0.05, node=3, client=-1):
        fault = {"at": 1.0, "kind": "delay", "node": 3, "delay": 0.05, "duration": 1.0}
        rows = [*good_rows()[:8], row(1.0, "fault", node=3, detail="delay"), row(2.0, "healed", node=3, detail="delay")]
        rows.append(row(published, "published", attempt=1, version=1, detail="1 1 acknowledged 3"))
        rows.append(row(published + took, "received", client, node, version=1, detail="1 1"))
        return unwitnessed(record(rows, faults=[fault])) == []

    assert seen(took=0.0625)
    assert seen(published=1.0, took=0.0625)
    assert not seen(took=0.0469)
    assert not seen(published=2.001, took=0.0625)
    assert not seen(published=0.999, took=0.0625)
    assert not seen(took=0.0625, node=2)
    assert not seen(took=0.0625, client=1)
