"""Any set of mechanisms at once: no invariant breaks, and what mechanisms do to each other is what one works out by
hand.
"""

from itertools import pairwise

import pytest
from hypothesis import HealthCheck, given, settings

from sim import simulate
from sim.world import World
from tests.costs import MICROSECONDS
from tests.mixtures import mixtures
from tests.strategies import small, small_profile
from twin.costs.profile import HostProfile
from twin.invariants import audit
from twin.measures import measure_record
from twin.rules.consistency import SIGNS_A_LEASE
from twin.scenario.scenario import Scenario
from twin.scenario.sessions import HASH_UNIT

RUNS = 300
TALK = {"bus": {"kind": "stream"}, "publisher": {"rate": 10.0}}
SCALING = {
    "target": 10,
    "maximum": 5,
    "sync_period": 1.0,
    "up": {"window": 0.0, "policies": [{"kind": "pods", "value": 2, "period": 1.0}]},
}


def run(scenario, profile=None):
    """Return the record of a run that breaks no invariant."""
    record = simulate(scenario, 0, profile or small_profile())
    assert audit(record).as_dict()["broken"] == {}
    return record


@settings(max_examples=RUNS, deadline=None, suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large])
@given(scenario=mixtures())
def test_no_set_of_mechanisms_and_faults_breaks_an_invariant(scenario):
    record = run(scenario)
    assert all(number == number for number in measure_record(record).values())


@pytest.mark.parametrize("name", ["whole", "whole-pubsub"])
def test_a_whole_cluster_breaks_no_invariant_and_shows_all_of_its_faults(name):
    profile = HostProfile.load("reference")
    found = audit(simulate(Scenario.load(f"scenarios/{name}.toml").vary(host={"profile": "reference"}), 0, profile))
    assert (found.verdict, found.as_dict()["broken"], found.reasons) == ("pass", {}, [])
    skipped = set(found.as_dict()["skipped"])
    assert skipped == {"balancer_count"} | ({"reached"} if name == "whole-pubsub" else set())


def of(record, event, **columns):
    """Return the events of a name with some values in some columns."""
    rows = record.select(event)
    for name, value in columns.items():
        rows = rows[rows[name] == value]
    return rows


def keys(rows):
    return [int(key) for key in rows["key"]]


# Sessions and a broadcast


def test_a_login_storm_delays_a_broadcast_by_the_time_of_its_hashes():
    """Ten clients of the dead node come back to the other one at once, where each costs a hash; a message that comes
    meanwhile waits for the hash at hand, and for those of the clients who were accepted before it came.
    """
    iterations, logins = 10_000_000, 10
    one = MICROSECONDS["node_hash"] / 1e6 * iterations / HASH_UNIT
    scenario = small(
        **TALK,
        clients={"count": 2 * logins, "reconnect": {"policy": "fixed", "base": 0.05, "jitter": "none"}},
        balancer={"check": {"timeout": 5.0}},
        nodes={"count": 2},
        sessions={"store": "memory", "login_iterations": iterations},
        faults=[{"at": 2.0, "kind": "kill", "node": 1}],
    )

    def longest(record):
        """Return the longest that a message took to a client that was connected all the time."""
        gone = set(of(record, "disconnected")["client"])
        stayed = next(client for client in range(2 * logins) if client not in gone)
        sent = dict(zip(keys(of(record, "published")), of(record, "published")["t"], strict=True))
        mine = of(record, "delivered", client=stayed)
        return max(t - sent[key] for t, key in zip(mine["t"], keys(mine), strict=True))

    assert one == pytest.approx(0.211)
    assert longest(run(scenario.vary(sessions={"login_iterations": 1}))) < 0.05
    record = run(scenario)
    assert (of(record, "session_started")["t"] > 2.0).sum() == logins
    took = of(record, "session_started")["t"].max() - 2.0
    assert 2 * one < longest(record) < logins * one < took


def test_sessions_and_messages_share_one_server_and_both_feel_that_it_is_down():
    scenario = small(
        **TALK,
        sessions={"store": "redis", "when_down": "refuse"},
        faults=[{"at": 2.0, "kind": "bus_down", "duration": 2.0}, {"at": 2.2, "kind": "kill", "node": 1}],
    )
    world = World(scenario, 0, small_profile())
    assert len(world.servers.all) == 1
    assert world.broadcast.bus is world.sessions.bus
    record = run(scenario)
    lost = record.select("bus_lost")
    assert sorted(lost["node"]) == [1, 1, 2, 2, 3, 3]  # each node's subscription and its connection for sessions
    assert (record.select("connect_failed")["reason"] == "503").any()
    back = record.select("session_started", "session_resumed")
    assert back[back["t"] > 2.0]["t"].min() > 4.0  # nobody while the server is away
    silent = record.select("delivered")["t"]
    assert not ((silent > 2.1) & (silent < 4.0)).any()


def test_a_partition_cuts_a_node_off_from_messages_and_from_sessions():
    cut = {"at": 2.0, "kind": "partition", "node": 1, "duration": 3.0}
    scenario = small(
        **TALK | {"bus": {"kind": "pubsub", "retry": {"timeout": 0.4}}},
        nodes={"count": 2},
        sessions={"store": "redis"},
        faults=[cut, {"at": 2.1, "kind": "kill", "node": 2}],
    )
    record = run(scenario)
    back = record.select("session_resumed")
    assert back["t"].min() > 5.0  # the only node that is left cannot ask
    heard = record.select("received")
    heard = heard[(heard["client"] < 0) & (heard["node"] == 1)]["t"]
    assert not ((heard > 2.1) & (heard < 5.0)).any()
    assert (heard > 5.0).any()


# Sends


def test_what_was_kept_is_sent_after_session_and_question():
    scenario = small(
        **TALK,
        clients={"sends": {"rate": 5.0}},
        sessions={"store": "redis"},
        faults=[{"at": 2.0, "kind": "kill", "node": 1}],
    )
    record = run(scenario)
    for client in set(record.select("session_resumed")["client"]):
        mine = record.events[record.events["client"] == client]
        mine = mine[mine["t"] > 2.0]
        resumed = float(mine[mine["event"] == "session_resumed"]["t"].iloc[0])
        flushed = of(record, "sent", client=client, flushed=True)
        assert len(flushed) == (mine["event"] == "kept").sum() > 0
        assert (flushed["t"] == resumed).all()
        arrived = mine[(mine["event"] == "arrived") & mine["version"].isin(flushed["version"])]
        assert len(arrived) == len(flushed)
        assert resumed < arrived["t"].min()
        assert resumed < float(mine[mine["event"] == "recovered"]["t"].iloc[0])


def test_a_question_and_a_flush_on_one_connection_are_relayed_in_their_order():
    scenario = small(**TALK, clients={"count": 1, "sends": {"rate": 1.0}}, nodes={"count": 1}, duration=2.0)
    world = World(scenario, 0, small_profile())
    relayed = []
    lane = world.broadcast.uplink.balancer
    usual, lane.then = lane.then, lambda taken, *span: (relayed.append(taken), usual(taken, *span))
    world.env.run(until=1.0)
    relayed.clear()
    world.clients[0].parts[0].ask()
    world.clients[0].parts[1].connected(world.clients[0].tunnel, None)
    world.clients[0].parts[1]._send(world.clients[0].tunnel, [77], "")
    world.env.run(until=1.01)
    frames = [frame for taken in relayed for _, some in taken for frame in some]
    assert [frame.mechanism for frame in frames] == ["broadcast", "sends"]
    rows = [row for row in world.rows if row[1] == "arrived" and row[5] == 77]
    assert len(rows) == 1


# Nodes that come and go


def test_a_node_that_joins_gets_messages_from_then_on_and_counts():
    join = {"at": 2.0, "kind": "join", "node": 4}
    record = run(small(**TALK, registry={}, faults=[join]))
    started = float(record.select("node_started")["t"].iloc[0])
    heard = record.select("received")
    heard = heard[heard["node"] == 4]
    published = record.select("published")
    before = published[published["t"] < started]
    assert min(keys(heard)) == len(before) + 1
    assert keys(heard) == list(range(len(before) + 1, len(published) + 1))
    registered = published["registered"].tolist()
    assert registered == sorted(registered)
    since = published[[count == 4 for count in registered]]["t"].min()
    lease = small().bus.lease
    assert started < since < started + lease / SIGNS_A_LEASE + 0.2
    acked = record.select("acked")
    assert (acked["node"] == 4).sum() == len(heard)


def test_a_node_of_the_autoscaler_leaves_the_publisher_when_it_is_drained():
    scaling = SCALING | {
        "target": 100,
        "minimum": 1,
        "down": {"window": 0.0, "policies": [{"kind": "pods", "value": 1, "period": 1.0}]},
        "lead": 0.2,
    }
    record = run(small(**TALK, registry={}, autoscaling=scaling))
    drained = record.select("drained")
    assert sorted(drained["node"]) == [2, 3]
    published = record.select("published")
    for t, registered in zip(drained["t"], (2, 1), strict=True):
        counts = published[published["t"] > t + 0.05]["registered"].tolist()
        assert counts[0] == registered
    for node, t in zip(drained["node"], drained["t"], strict=True):
        assert of(record, "acked", node=node)["t"].max() < t + 0.05
    assert len(record.select("consistent")) == len(published)


def test_lifetimes_close_clients_that_then_recover_what_they_missed():
    record = run(
        small(**TALK, nodes={"lifetime": {"mean": 2.0}}, clients={"reconnect": {"base": 0.5, "jitter": "none"}})
    )
    closed = record.select("disconnected")
    assert set(closed["reason"]) == {"1012"}
    assert len(closed) >= 60  # thirty clients for 8 s
    assert len(record.select("recovered")) == len(record.select("connected").query("t > 0"))
    replayed = record.select("recovered")["replayed"]
    assert replayed.median() >= 4  # away for half a second, at ten messages a second
    for client in range(30):
        mine = keys(of(record, "delivered", client=client))
        assert all(later == one + 1 for one, later in pairwise(mine))


# Behind a dead link, and without power


@pytest.mark.parametrize("kind", ["haproxy", "nginx"])  # which forgets a client that has left, and tells nobody
def test_behind_a_dead_link_messages_wait_and_clients_that_have_left_are_waited_for(kind):
    scenario = small(
        **TALK,
        balancer={"kind": kind},
        clients={"heartbeat": {"interval": 1.0, "timeout": 0.5}},
        faults=[{"at": 2.0, "kind": "blackhole", "node": 1, "duration": 3.0}],
    ).vary(publisher={"scope": "client", "ack_timeout": 5.0})
    record = run(scenario)
    delivered = record.select("delivered").query("node == 1")["t"]
    assert not ((delivered > 2.05) & (delivered < 5.0)).any()
    left = record.select("disconnected")
    assert (left["reason"] == "heartbeat").all()
    assert left["t"].max() < 4.0
    acked = record.select("acked").query("node == 1")["t"]
    heard = record.select("received").query("node == 1 and client < 0")["t"]
    assert ((heard > 2.1) & (heard < 4.9)).sum() >= 25  # its link to the bus is another one
    assert not ((acked > 2.1) & (acked < 5.0)).any()  # but it does not know that its clients have left
    assert ((acked >= 5.0) & (acked < 5.2)).sum() >= 25
    assert len(record.select("delivered")) == 30 * 80


def test_an_outage_ends_nodes_for_the_publisher_too_and_clients_recover_after_it():
    record = run(small(**TALK, sessions={"store": "redis"}, faults=[{"at": 2.0, "kind": "outage", "duration": 1.0}]))
    published = record.select("published")
    registered = dict(zip(published["t"], published["registered"], strict=True))
    assert registered[max(t for t in registered if t < 2.0)] == 3
    assert registered[max(registered)] == 3
    heard = record.select("received").query("client < 0")["t"]
    assert not ((heard > 2.0) & (heard < 3.0)).any()
    assert all(len(of(record, "delivered", client=client)) == 80 for client in range(30))
    assert len(record.select("session_resumed")) == 30
    assert not len(record.select("session_lost"))  # the server of the sessions kept its power


@pytest.mark.parametrize("kind", ["restart", "kill"])
def test_sessions_in_memory_end_with_their_node_and_messages_do_not(kind):
    fault = {"at": 2.0, "kind": kind, "node": 1} | ({"duration": 1.0} if kind == "kill" else {})
    record = run(small(**TALK, sessions={"store": "memory", "login_iterations": 10_000}, faults=[fault]))
    lost = set(record.select("disconnected")["client"])
    assert set(record.select("session_lost")["client"]) == lost
    assert all(len(of(record, "delivered", client=client)) == 80 for client in lost)
