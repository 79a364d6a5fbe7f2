from collections import Counter

import pytest

from sim.broadcast.fanout import Fanout
from sim.machine.timers import TIMER_SLACK
from sim.world import World
from tests.costs import cost_of
from tests.strategies import BUS_START, small, small_profile
from twin.costs.curve import PartCosts
from twin.draws import Purpose
from twin.rules.consistency import SIGNS_A_LEASE
from twin.rules.delivery import Message, Stamp

MS = 0.001
WORD = cost_of("node_ack", "bus_command", "bus_publish", "publisher_ack", "node_answer")
"""Seconds that a node's word to the publisher costs all who have to do with it."""
RESEND = cost_of("publisher_send", "bus_command") + 3 * (cost_of("bus_publish", "node_receive") + WORD)
"""Seconds of a message that is sent again to three nodes, which have it already."""


def world(**changes):
    """Ten messages a second from 1 s on, at most five, to six clients of three nodes."""
    publisher = {"rate": 10.0, "start": 1.0, "messages": 5}
    data = {"clients": {"count": 6}, "bus": {"kind": "stream"}, "publisher": publisher}
    return World(small(**data).vary(**changes), 0, small_profile())


def rows(world, event):
    return [dict(zip(("t", "event", "client", "node", "attempt", "version", "detail"), row, strict=True))
            for row in world.rows if row[1] == event]  # fmt: skip


def times(world, event, **values):
    return [row["t"] for row in rows(world, event) if all(row[name] == value for name, value in values.items())]


def finished(world):
    world.run()
    return world


def deaf(monkeypatch, *nodes):
    """Let some nodes never acknowledge."""
    real = Fanout.acknowledge

    def acknowledge(self, epoch, version):
        if self.node.number not in nodes:
            real(self, epoch, version)

    monkeypatch.setattr(Fanout, "acknowledge", acknowledge)


def assert_resent(world, often, key=1):
    """A message was sent again so often, each time when the timeout after the last time was over."""
    (at,) = times(world, "published", version=key)
    timeout = world.scenario.publisher.ack_timeout
    late = cost_of("publisher_send", "bus_stamp", "publisher_answer") + MS + TIMER_SLACK * timeout
    late += cost_of("bus_publish", "node_receive", "node_fanout", "node_ack")  # who is woken may have the core before
    found = times(world, "resent", version=key)
    assert len(found) == often
    for place, t in enumerate(found, 1):
        assert timeout * place <= t - at < (timeout + late) * place


def test_each_message_is_published_when_it_is_due_and_says_what_is_known_of_it():
    found = rows(finished(world()), "published")
    assert [row["t"] for row in found] == pytest.approx([1.0, 1.1, 1.2, 1.3, 1.4], abs=2 * MS)
    assert [row["detail"] for row in found] == [f"1 {k} acknowledged 3" for k in range(1, 6)]
    assert [(row["version"], row["attempt"]) for row in found] == [(k, 1) for k in range(1, 6)]


def test_the_time_of_a_publication_is_when_it_began_to_be_sent():
    one = world(publisher={"messages": 1}, nodes={"count": 1}, host={"cores": 8, "placement": "free"})
    one.run()
    (at,) = times(one, "published")
    # the bus answers the reader, and the node takes the answer apart
    way = cost_of("publisher_send", "bus_stamp", "bus_publish", "node_poll", "node_receive")
    assert times(one, "received", client=-1) == pytest.approx([at + way], abs=1e-9)


def test_a_publisher_that_finds_no_bus_blocks_and_catches_up_in_a_burst():
    fault = [{"at": 1.05, "kind": "bus_down", "duration": 0.5}]
    retry = {"base": 0.01, "cap": 0.02, "retries": 1000}
    found = rows(finished(world(faults=fault, bus={"retry": retry, "persist": True})), "published")
    assert [row["t"] for row in found[:2]] == pytest.approx([1.0, 1.1], abs=2 * MS)
    assert found[1]["attempt"] > 20
    assert [row["attempt"] for row in found[2:]] == [1, 1, 1]
    back = 1.05 + 0.5 + BUS_START
    nodes = 3 * (cost_of("bus_publish", "node_poll", "node_receive") + WORD)
    clients = 6 * cost_of("node_fanout", "balancer_delivery")
    most = cost_of("publisher_send", "bus_stamp", "publisher_answer") + nodes + clients  # all share a core
    for place, row in enumerate(found[2:], 1):
        assert back < row["t"] < back + retry["cap"] + place * most
    assert [row["detail"] for row in found] == [f"1 {k} acknowledged 3" for k in range(1, 6)]


def test_messages_close_together_cost_the_publisher_less_than_rare_ones():
    alone, together = 8e-4, 1e-4
    part = PartCosts(levels=[1, 16], values=[[alone], [(alone + 15 * together) / 16]])
    profile = small_profile(parts={**small_profile().by_name(), "publisher_send": part, "publisher_answer": part})
    fault = [{"at": 1.05, "kind": "bus_down", "duration": 0.45}]
    bus = {"kind": "stream", "persist": True, "retry": {"base": 0.01, "cap": 0.02, "retries": 1000}}
    bus["lease"] = 100.0
    publisher = {"rate": 10.0, "start": 1.0, "messages": 8, "ack_timeout": 60.0}
    cores = {"cores": 8, "placement": "free"}
    one = World(small(clients={"count": 6}, bus=bus, publisher=publisher, faults=fault, host=cores), 0, profile)
    process, spent = one.broadcast.publisher.process, []
    for until in (0.95, 1.04, 1.59, 1.65):
        one.env.run(until=until)
        spent.append(process.used)
    before, first, caught_up, seventh = spent
    in_time = [first - before, seventh - caught_up]
    assert in_time == pytest.approx([2 * alone + 3 * cost_of("publisher_ack")] * 2)  # and three words of nodes
    late = [row["t"] for row in rows(one, "published") if 1.5 < row["t"] < 1.59]
    assert len(late) == 4
    assert late[-1] - late[-2] < 1.5 * alone


def test_a_given_up_publication_has_an_unknown_outcome_and_the_next_one_follows():
    fault = [{"at": 1.05, "kind": "bus_down", "duration": 0.2}]
    retry = {"base": 0.01, "cap": 0.01, "retries": 2}
    found = rows(finished(world(faults=fault, bus={"retry": retry, "persist": True})), "published")
    outcomes = [row["detail"].split()[2] for row in found]
    assert outcomes == ["acknowledged", "unknown", "unknown", "acknowledged", "acknowledged"]
    assert [(row["version"], row["attempt"]) for row in found] == [(1, 1), (-1, 3), (-1, 3), (2, 1), (3, 1)]
    assert found[1]["detail"] == "0 2 unknown 3"


def test_an_unacknowledged_message_is_resent_after_each_timeout_and_then_given_up(monkeypatch):
    deaf(monkeypatch, 1, 2, 3)
    settings = {"messages": 1, "ack_timeout": 0.4, "max_resends": 3}
    one = finished(world(publisher=settings, bus={"lease": 100.0}))
    assert_resent(one, 3)
    assert [row["attempt"] for row in rows(one, "resent")] == [1, 2, 3]
    duplicates = [row for row in rows(one, "received") if row["detail"].endswith("duplicate")]
    assert Counter(row["node"] for row in duplicates) == {1: 3, 2: 3, 3: 3}
    assert times(one, "consistent") == []


def test_a_message_is_sent_again_only_until_it_is_consistent(monkeypatch):
    deaf(monkeypatch, 2)
    settings = {"messages": 1, "ack_timeout": 0.4}
    one = world(publisher=settings, bus={"lease": 100.0})
    one.env.run(until=1.6)
    monkeypatch.undo()
    one.run()
    assert_resent(one, 2)
    (at,) = times(one, "consistent")
    assert times(one, "resent")[1] < at < times(one, "resent")[1] + RESEND
    assert [row["node"] for row in rows(one, "acked")] == [1, 3, 2]  # each is counted once


@pytest.mark.parametrize(("threshold", "consistent"), [("all", 0), ("majority", 5), (2, 5), (1, 5)])
def test_the_threshold_decides_whether_a_silent_node_is_waited_for(monkeypatch, threshold, consistent):
    deaf(monkeypatch, 2)
    one = finished(world(publisher={"threshold": threshold}, bus={"lease": 100.0}))
    assert len(times(one, "consistent")) == consistent
    assert len(times(one, "resent")) == (0 if consistent else 15)


def test_a_dead_node_is_waited_for_until_its_lease_runs_out():
    fault = [{"at": 0.95, "kind": "kill", "node": 2}]
    settings = {"messages": 1, "ack_timeout": 5.0}
    lease = 0.9
    one = finished(world(faults=fault, publisher=settings, bus={"lease": lease}))
    first, every = lease / SIGNS_A_LEASE * one.draw(2, Purpose.LEASE_PHASE, 0), lease / SIGNS_A_LEASE
    last = first + every * ((0.95 - first) // every)
    assert times(one, "consistent") == pytest.approx([last + lease], abs=2 * MS)
    assert len(times(one, "acked")) == 2


def test_a_node_that_says_goodbye_is_not_waited_for():
    fault = [{"at": 1.0, "kind": "restart", "node": 2}]
    one = finished(
        world(faults=fault, publisher={"ack_timeout": 5.0, "start": 1.02, "messages": 1}, bus={"lease": 100.0})
    )
    (row,) = rows(one, "published")
    assert row["detail"].endswith("acknowledged 2")
    (at,) = times(one, "consistent")
    assert at < times(one, "node_started")[0]  # its core is busy with the new process


def test_words_that_come_before_the_broker_s_own_answer_are_counted_with_it():
    one = world()
    publisher = one.broadcast.publisher
    publisher.under_way = (0.0, 7, [1], frozenset({1, 2, 3}))
    publisher.heard("ack", 2, 1, 9)
    assert times(one, "acked") == []
    publisher.note_published(Stamp(Message(1, 9, 7), True))
    assert [(row["node"], row["version"]) for row in rows(one, "acked")] == [(2, 9)]
    assert publisher.unclaimed == []


def test_words_about_what_is_not_waited_for_are_not_kept():
    publisher = world().broadcast.publisher
    publisher.heard("ack", 2, 1, 9)
    assert publisher.unclaimed == []


def test_what_nodes_say_while_the_publisher_s_subscription_is_broken_is_lost():
    retry = {"base": 0.5, "cap": 0.5}
    settings = {"messages": 1, "ack_timeout": 0.8}
    one = world(publisher=settings, bus={"retry": retry, "lease": 100.0})
    one.env.run(until=0.99)
    one.broadcast.bus.leave(0, "closed")
    one.env.run(until=1.7)
    assert 0 in one.broadcast.bus.subscriptions
    assert times(one, "acked") == []
    one.run()
    assert_resent(one, 1)
    (again,) = times(one, "resent")
    assert again < min(times(one, "acked"))
    assert max(times(one, "acked")) == pytest.approx(again + RESEND, abs=1e-9)  # one core does it all
    assert len(times(one, "consistent")) == 1


def test_a_fresh_message_waits_for_a_resend_under_way_on_the_same_connection(monkeypatch):
    deaf(monkeypatch, 2)
    settings = {"messages": 2, "rate": 2.0, "ack_timeout": 0.45, "max_resends": 1}
    one = world(publisher=settings, bus={"lease": 100.0})
    one.env.run(until=1.4)
    one.broadcast.publisher.link.delay = 0.2
    one.run()
    (again, _) = times(one, "resent")
    assert_resent(one, 1, key=1)
    second = [row["t"] for row in rows(one, "received") if row["version"] == 2 and "duplicate" not in row["detail"]]
    assert min(second) == pytest.approx(again + 0.4 + 0.2, abs=4 * MS)  # there and back, and there


def test_what_is_under_way_at_the_end_has_an_unknown_outcome():
    fault = [{"at": 1.05, "kind": "bus_down"}]
    found = rows(finished(world(faults=fault, bus={"retry": {"retries": 1000}})), "published")
    assert [row["detail"] for row in found] == ["1 1 acknowledged 3", "0 2 unknown 3"]
    assert found[1]["t"] == pytest.approx(1.1, abs=2 * MS)
    assert found[1]["attempt"] > 1


def test_the_publisher_pays_for_sending_for_the_answer_and_for_each_word():
    one = world(publisher={"messages": 1}, bus={"lease": 100.0})
    one.env.run(until=0.99)
    process = one.broadcast.publisher.process
    before = process.used
    one.env.run(until=2.0)
    words = len(times(one, "acked"))
    assert words == 3
    costs = cost_of("publisher_send", "publisher_answer") + words * cost_of("publisher_ack")
    assert process.used - before == pytest.approx(costs)
