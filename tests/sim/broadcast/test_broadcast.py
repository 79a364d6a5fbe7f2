from collections import Counter

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from sim import predict, simulate
from sim.broadcast.fanout import Fanout
from sim.connection import Frame
from sim.machine.lane import CHUNK
from sim.world import World
from tests.broadcasts import broadcasts
from tests.costs import cost_of
from tests.strategies import small, small_profile
from twin.costs.broadcast import BROADCAST_PARTS
from twin.costs.profile import HostProfile
from twin.errors import ScenarioError
from twin.invariants import audit
from twin.measures import measure_record
from twin.rules.delivery import Message

KINDS = ("pubsub", "stream", "kafka")


def broadcast(kind="stream", **changes):
    """Ten messages a second for six of eight seconds, to twelve clients of three nodes."""
    data = {"clients": {"count": 12}, "bus": {"kind": kind}, "publisher": {"rate": 10.0, "stop": 6.0}}
    return small(**data).vary(**changes)


def run(scenario, profile=None):
    record = simulate(scenario, 0, profile or small_profile())
    found = audit(record)
    assert found.as_dict()["broken"] == {}
    return record


def keys(rows):
    return rows["key"].tolist()


def of_nodes(record):
    rows = record.select("received")
    return rows[rows["client"] < 0]


def of_clients(record, word):
    rows = record.select("received")
    return rows[(rows["client"] >= 0) & rows["how"].eq(word)]


@pytest.mark.parametrize("kind", KINDS)
def test_without_faults_everybody_gets_every_message_once_in_order(kind):
    record = run(broadcast(kind))
    assert len(record.select("published")) == 60
    assert Counter(record.select("delivered")["client"]) == dict.fromkeys(range(12), 60)
    assert len(of_nodes(record)) == 180 == len(record.select("acked"))
    assert len(record.select("consistent")) == 60
    assert not len(record.select("resent", "gap", "recovered"))


def test_a_lone_delivery_takes_the_sum_of_its_parts():
    scenario = broadcast("pubsub", clients={"count": 1}, nodes={"count": 1}, host={"cores": 4})
    record = run(scenario)
    way = cost_of("publisher_send", "bus_stamp", "bus_publish", "node_receive", "node_fanout", "balancer_delivery")
    assert measure_record(record)["latency_p50"] == pytest.approx(way + cost_of("client_delivery"), abs=1e-9)


def test_a_fan_out_follows_its_read_and_its_last_delivery_follows_all_work():
    record = run(broadcast("pubsub", clients={"count": 100}, publisher={"rate": 1.0}, nodes={"count": 1}))
    first = record.select("published")["t"].iloc[0]
    times = record.select("delivered")["t"].iloc[:100] - first
    # the node has the core that it shares until its time slice of 3 ms is over and the clock has ticked
    shared = cost_of("publisher_send", "bus_stamp", "bus_publish", "publisher_answer", "node_receive")
    shared += 4 * CHUNK * cost_of("node_fanout") + CHUNK * cost_of("balancer_delivery")
    # the clients have their own core and are never idle from then on
    expected = [shared + (place + 1) * cost_of("client_delivery") for place in range(100)]
    assert times.tolist() == pytest.approx(expected, abs=1e-9)


def test_messages_that_wait_together_cost_less_than_one_by_one():
    parts = small_profile().by_name()
    as_dear = {name: parts[name.removesuffix("_more")] for name in parts if name.endswith("_more")}
    scenario = broadcast("pubsub", clients={"count": 100}, publisher={"rate": 100.0, "stop": 2.0})
    dear, less = (
        measure_record(run(scenario, small_profile(parts=parts | some)))["latency_p50"] for some in (as_dear, {})
    )
    assert less < dear / 2


def test_a_client_that_reads_again_applies_what_gathered_one_by_one():
    fault = [{"at": 2.0, "kind": "stall", "client": 5, "duration": 1.0}]
    record = run(broadcast("pubsub", publisher={"rate": 50.0}, faults=fault))
    got = record.select("delivered")
    held = got[(got["client"] == 5) & (got["t"] >= 3.0)]["t"].to_numpy()[:50]
    # fifty a second, read together
    each = (cost_of("client_delivery") + 49 * cost_of("client_delivery_more")) / 50
    assert held == pytest.approx(3.0 + np.arange(1, 51) * each, abs=1e-9)


def test_pubsub_loses_what_is_published_while_a_node_is_away_and_a_stream_does_not():
    fault = [{"at": 2.0, "kind": "bus_cut", "node": 1}]
    retry = {"base": 0.6, "cap": 1.0}
    changes = {"faults": fault, "bus": {"retry": retry}, "publisher": {"rate": 50.0, "max_resends": 0}}
    for kind in ("pubsub", "stream"):
        record = run(broadcast(kind, **changes))
        lost, joined = (float(record.select(name)["t"].iloc[0]) for name in ("bus_lost", "bus_joined"))
        assert 2.0 < lost < joined < 3.3
        published = record.select("published")
        missed = set(keys(published[published["t"].between(lost, joined - 0.01)]))
        got = of_nodes(record)
        received = set(keys(got[got["node"] == 1]))
        assert missed
        assert (missed & received == set()) if kind == "pubsub" else (missed <= received)
        assert measure_record(record)["lost_share"] == 0.0  # clients ask for what a gap shows
    without = broadcast("pubsub", **changes).vary(clients={"recovery": {"recover": False}})
    assert measure_record(run(without))["lost_share"] > 0.01


def test_what_a_node_missed_is_sent_again_until_it_is_consistent():
    retry = {"base": 0.6, "cap": 1.0}
    publisher = {"rate": 50.0, "ack_timeout": 0.5}
    fault = [{"at": 2.0, "kind": "bus_cut", "node": 1}]
    record = run(broadcast("pubsub", faults=fault, bus={"retry": retry}, publisher=publisher))
    assert len(record.select("resent"))
    assert len(record.select("consistent")) == len(record.select("published"))


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("persist", [True, False])
def test_a_bus_that_loses_its_data_begins_an_epoch(kind, persist):
    fault = [{"at": 2.0, "kind": "bus_down", "duration": 1.0}]
    record = run(broadcast(kind, bus={"persist": persist}, faults=fault))
    epochs = {text.split()[0] for text in record.select("published")["detail"]}
    assert epochs == ({"1"} if persist else {"1", "2"})
    assert record.select("healed")["t"].iloc[0] == pytest.approx(3.03)
    assert record.select("published")["attempt"].max() > 1
    assert set(record.select("bus_lost")["node"]) == {1, 2, 3}


@pytest.mark.parametrize("kind", KINDS)
def test_a_partition_holds_back_and_a_delay_shifts_what_one_node_gets(kind):
    fault = [{"at": 2.0, "kind": "partition", "node": 2, "duration": 1.0}]
    got = of_nodes(run(broadcast(kind, faults=fault)))
    there = got[got["node"] == 2]["t"]
    assert not there.between(2.01, 2.99).any()
    assert len(there) >= 60
    fault = [{"at": 2.0, "kind": "delay", "node": 2, "delay": 0.05, "duration": 1.0}]
    record = run(broadcast(kind, faults=fault))
    got = of_nodes(record)
    late = got[(got["node"] == 2) & got["t"].between(2.2, 2.9)]
    published = dict(zip(keys(record.select("published")), record.select("published")["t"], strict=True))
    assert all(t - published[key] > 0.05 for t, key in zip(late["t"], keys(late), strict=True))


def test_a_stream_reader_that_hears_nothing_in_time_connects_anew():
    fault = [{"at": 2.0, "kind": "partition", "node": 2, "duration": 2.0}]
    lost = run(broadcast(bus={"retry": {"timeout": 0.5}}, faults=fault)).select("bus_lost")
    assert lost[["node", "detail"]].to_numpy().tolist() == [[2, "timeout"]]
    assert not len(run(broadcast("pubsub", bus={"retry": {"timeout": 0.5}}, faults=fault)).select("bus_lost"))


def test_a_subscriber_that_does_not_read_is_cut_by_the_bus():
    fault = [{"at": 2.0, "kind": "hang", "node": 2, "duration": 2.0}]
    buffer = {"hard_bytes": 4096, "soft_bytes": 0}
    changes = {"faults": fault, "publisher": {"rate": 50.0, "payload_bytes": 1000}}
    lost = run(broadcast("pubsub", bus={"output_buffer": buffer}, **changes)).select("bus_lost")
    assert lost[["node", "detail"]].to_numpy().tolist() == [[2, "buffer"]]
    assert lost["t"].iloc[0] > 4.0
    assert not len(run(broadcast("pubsub", **changes)).select("bus_lost"))


@pytest.mark.parametrize("policy", ["drop", "coalesce", "close"])
def test_a_client_that_stops_reading_meets_the_policy_and_delays_nobody(policy):
    fault = [{"at": 2.0, "kind": "stall", "client": 5, "duration": 2.0}]
    slow = {"policy": policy, "limit_bytes": 4096}
    scenario = broadcast(publisher={"rate": 50.0, "payload_bytes": 1000}, slow_consumer=slow)
    record = run(scenario.vary(faults=fault))
    delivered = record.select("delivered")
    assert not delivered[delivered["client"] == 5]["t"].between(2.01, 3.99).any()
    assert (len(record.select("disconnected")) == 1) == (policy == "close")
    snapshots = record.select("recovered")["how"].eq("snapshot")
    assert snapshots.any() or policy != "coalesce"
    assert (len(record.select("gap")) > 0) == (policy == "drop")
    waits = [one[one["client"] != 5].merge(record.select("published"), on="version") for one in (delivered,)]
    calm = run(scenario).select("delivered").merge(run(scenario).select("published"), on="version")
    assert (waits[0]["t_x"] - waits[0]["t_y"]).quantile(0.99) < 1.5 * (calm["t_x"] - calm["t_y"]).quantile(0.99)


def test_a_node_killed_in_the_middle_of_a_fan_out_leaves_the_rest_to_recovery():
    scenario = broadcast(clients={"count": 60}, publisher={"rate": 10.0, "start": 1.0})
    record = run(scenario.vary(faults=[{"at": 1.0015, "kind": "kill", "node": 1}]))
    mine = record.select("connected").drop_duplicates("client").set_index("client")["node"] == 1
    delivered = record.select("delivered")
    first = delivered[delivered["version"] == 1].set_index("client")["t"]
    late = first[mine] > 1.1
    assert late.any()
    assert measure_record(record)["lost_share"] == 0.0


def test_a_partition_log_reads_again_what_was_not_committed_and_a_stream_does_not():
    fault = [{"at": 3.0, "kind": "restart", "node": 1}]
    changes = {"faults": fault, "bus": {"commit_interval": 2.0}, "nodes": {"count": 1}}
    changes["publisher"] = {"max_resends": 0}
    for kind in ("kafka", "stream"):
        record = run(broadcast(kind, **changes))
        assert Counter(keys(of_nodes(record))).most_common(1)[0][1] == (2 if kind == "kafka" else 1)
        assert measure_record(record)["lost_share"] == 0.0


def test_which_node_is_first_changes_and_the_balancer_comes_before_the_last_of_them():
    changes = {"duration": 2.0, "clients": {"count": 90}, "publisher": {"rate": 20.0}}
    record = run(broadcast("pubsub", **changes), HostProfile.load("reference"))  # all of the cluster is on one core
    reads = of_nodes(record).groupby("version")
    assert reads["node"].first().value_counts().between(4, 30).tolist() == [True] * 3  # of 40 messages
    first_delivered = record.select("delivered").groupby("version")["t"].first()
    assert (first_delivered < reads["t"].last()).mean() > 0.2


def test_with_client_scope_a_node_waits_for_its_clients():
    by_node, by_client = (run(broadcast(publisher={"scope": scope})) for scope in ("node", "client"))
    for record in (by_node, by_client):
        assert len(record.select("consistent")) == 60
    delivered = by_client.select("delivered").groupby("version")["t"].max()
    assert (by_client.select("consistent").set_index("version")["t"] > delivered).all()
    fault = [{"at": 2.0, "kind": "stall", "client": 5, "duration": 1.0}]
    waits = run(broadcast(publisher={"scope": "client", "ack_timeout": 5.0}, faults=fault)).select("consistent")
    assert not waits["t"].between(2.02, 2.99).any()


def test_a_word_of_a_client_reaches_the_publisher_after_the_sum_of_its_parts():
    alone = {"clients": {"count": 1}, "nodes": {"count": 1}, "host": {"cores": 16, "placement": "free"}}
    read = cost_of("publisher_send", "bus_stamp", "bus_publish", "node_receive")
    down = cost_of("node_fanout", "balancer_delivery", "client_delivery")
    up = cost_of("client_send", "balancer_delivery", "node_read")
    word = cost_of("node_ack", "bus_command", "bus_publish", "publisher_ack")
    for scope, way in (("node", cost_of("node_fanout")), ("client", down + up)):
        record = run(broadcast("pubsub", publisher={"scope": scope}, **alone))
        assert measure_record(record)["consistent_p50"] == pytest.approx(read + way + word, abs=1e-9)


def test_a_profile_without_the_parts_of_a_broadcast_says_so():
    old = {name: part for name, part in small_profile().by_name().items() if name not in BROADCAST_PARTS}
    with pytest.raises(ScenarioError, match="calibrated without a broadcast"):
        predict(broadcast(), 1, small_profile(parts=old))
    assert len(simulate(small(), 0, small_profile(parts=old)).events)


def test_a_prediction_holds_the_distribution_of_latencies():
    found = predict(broadcast(), 3, small_profile(), jobs=1)
    assert found.latencies.shape == (3, 99)
    assert (found.latencies > 0).all()
    assert found.latencies[:, 49] == pytest.approx(found.measures["latency_p50"], rel=0.02)


def test_the_same_replication_gives_the_same_record():
    fault = [{"at": 2.0, "kind": "bus_down", "duration": 1.0}, {"at": 4.0, "kind": "restart", "node": 2}]
    one, other = (simulate(broadcast(faults=fault), 3, small_profile()).digest() for _ in range(2))
    assert one == other


PROFILE = small_profile()


@settings(max_examples=150)
@given(scenario=broadcasts(), replication=st.integers(0, 1000))
def test_the_invariants_hold_in_every_broadcast(scenario, replication):
    found = audit(simulate(scenario, replication, PROFILE))
    assert found.as_dict()["broken"] == {}, found.violations[:3]


def test_a_node_that_drops_messages_is_found_out(monkeypatch):
    real = Fanout.fan_out

    def forgetful(self, message, detail):
        if message.version % 7:
            real(self, message, detail)

    monkeypatch.setattr(Fanout, "fan_out", forgetful)
    scenario = broadcast(clients={"recovery": {"timeout": 100.0}}, publisher={"stop": 0.65})
    found = audit(simulate(scenario.vary(publisher={"messages": 7}), 0, PROFILE))
    assert set(found.as_dict()["broken"]) == {"reached", "at_head"}


def test_a_client_that_stops_reading_amid_a_batch_keeps_nothing_from_the_others(profile):
    """All clients share one process, which reads what came for a node's clients in one go."""
    scenario = small(
        clients={"count": 12}, nodes={"count": 1}, bus={"kind": "pubsub"}, publisher={"rate": 1.0, "messages": 1}
    )
    first = run(scenario, profile).select("delivered")
    began, who = first["t"].iloc[0], int(first["client"].iloc[0])
    stall = {"at": began - 1e-5, "kind": "stall", "client": who, "duration": 1.0}
    found = run(scenario.vary(faults=[stall]), profile).select("delivered")
    others = found[found["client"] != who]
    assert sorted(others["client"]) == [client for client in range(12) if client != who]
    assert others["t"].max() < began + 0.1
    assert found[found["client"] == who]["t"].iloc[0] >= began + 1.0 - 1e-5


def test_what_comes_for_a_connection_that_is_gone_keeps_nothing_from_the_others(profile):
    world = World(broadcast("pubsub", publisher={"start": 3.0}), 0, profile)
    world.env.run(until=1.0)
    tunnels = [client.tunnel for client in world.clients[:2]]
    frame = Frame(Message(1, 1, 1, b""), 10, "1 1", 2)
    world.broadcast.subscribers[0].tunnel = None
    world.broadcast.arrived([(tunnel, [frame]) for tunnel in tunnels], 1.0, 1.1)
    assert [row[2] for row in world.rows if row[1] == "delivered"] == [1]
