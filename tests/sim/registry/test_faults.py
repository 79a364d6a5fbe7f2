"""Every fault beside a registry and an autoscaler, against times computed by hand."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from sim import simulate
from sim.registry.connection import ANSWER_WITHIN
from tests.strategies import BUS_START, NODE_REGISTERS, NODE_START, small, small_profile
from twin.draws import Purpose, stratified, uniform
from twin.invariants import audit
from twin.measures.witness import unwitnessed

TTL, BEAT, SYNC = 1.0, 0.4, 0.3
REGISTRY = {"ttl": TTL, "heartbeat": BEAT, "sync": SYNC}
CPU = 0.02
"""Seconds that others may have the core of a node that starts."""
QUIET = ("attempt_connect", "connected", "disconnected", "connect_failed", "server_connections")


def cluster(*faults, **more):
    data = {"registry": REGISTRY, "balancer": {"retries": 3, "redispatch": 1}, "faults": list(faults)}
    return small(**(data | more))


def first_beat(scenario, node):
    return BEAT * uniform(scenario.seed, 0, node, Purpose.MEMBER_PHASE, 0)


def beats(scenario, node, low, high):
    """Return when a node gives a sign of life in a time."""
    first = first_beat(scenario, node)
    return [t for k in range(100) if low <= (t := first + k * BEAT) < high]


def look(scenario, after):
    """Return the first look of the registrar at or after a time."""
    first = SYNC * stratified(scenario.seed, 0, 0, Purpose.SYNC_PHASE)
    return next(t for k in range(200) if (t := first + k * SYNC) >= after - 1e-9)


def story(record, node=None):
    """Return what happens, without what clients do: (event, node) in order, of one node or of all."""
    events = record.events[~record.events["event"].isin(QUIET)]
    if node is not None:
        events = events[events["node"] == node]
    return list(zip(events["event"], events["node"], strict=True))


def times(record, event, node=None):
    found = record.select(event)
    return (found if node is None else found[found["node"] == node])["t"].tolist()


SCALED = {"autoscaling": {"target": 10, "minimum": 2, "maximum": 6, "sync_period": 2.0}}


def test_a_node_that_ends_for_good_is_replaced_at_once_in_its_slot(profile):
    record = simulate(cluster({"at": 1.0, "kind": "kill", "node": 2}, **SCALED), 0, profile)
    (gone,) = times(record, "node_stopped")
    assert times(record, "node_starting", 2) == [gone]
    assert times(record, "node_started", 2) == [pytest.approx(gone + NODE_START, abs=CPU)]
    assert record.select("registered")["detail"].tolist() == ["2"]
    assert not len(record.select("scaled"))
    assert not unwitnessed(record)
    assert not audit(record).violations


def test_a_node_that_its_kill_starts_again_is_no_new_one(profile):
    record = simulate(cluster({"at": 1.0, "kind": "kill", "node": 2, "duration": 1.0}, **SCALED), 0, profile)
    assert not len(record.select("node_starting"))
    assert times(record, "node_started") == [pytest.approx(2.0 + NODE_START, abs=1e-9)]
    assert record.select("healed")["detail"].tolist() == ["kill"]


@pytest.mark.parametrize("kind", ["kill", "hang", "restart", "drain", "blackhole", "partition"])
def test_a_fault_on_a_node_that_is_not_there_has_no_effect(kind, profile):
    record = simulate(cluster({"at": 1.0, "kind": kind, "node": 5}, **SCALED), 0, profile)
    assert story(record, 5) == [("no_effect", 5)]


@pytest.mark.parametrize(
    ("fault", "told"),
    [
        ({"kind": "drain"}, "marked_down no_effect drained node_stopped"),
        ({"kind": "restart"}, "marked_down fault node_stopped"),
        ({"kind": "kill", "duration": 0.5}, "marked_down fault node_stopped"),
    ],
)
def test_a_node_that_the_controller_ends_does_not_come_back(fault, told, profile):
    down = {"window": 0.0, "policies": [{"kind": "pods", "value": 1, "period": 30.0}]}
    scaling = {"target": 10, "minimum": 2, "maximum": 6, "sync_period": 2.0, "down": down, "lead": 1.0}
    faults = {"at": 2.8, "node": 4, **fault}
    record = simulate(cluster(faults, nodes={"count": 4}, autoscaling=scaling), 0, profile)
    assert [event for event, _ in story(record, 4)] == told.split()
    assert record.select("scaled")["detail"].tolist() == ["4 to 3: DesiredWithinRange"]


def test_a_restart_gives_the_slot_up_and_takes_it_anew(profile):
    scenario = cluster({"at": 1.0, "kind": "restart", "node": 2})
    record = simulate(scenario, 0, profile)
    (gone,) = times(record, "node_stopped")
    (registers,) = times(record, "registered")
    assert registers == pytest.approx(gone + NODE_START + NODE_REGISTERS, abs=CPU)
    down, up = look(scenario, 1.0), look(scenario, registers)
    assert times(record, "marked_down") == ([pytest.approx(down, abs=1e-9)] if down < registers else [])
    assert times(record, "marked_up") == ([pytest.approx(up, abs=1e-9)] if down < registers else [])
    assert record.select("healed")["detail"].tolist() == ["restart"]


@pytest.mark.parametrize("kind", ["haproxy", "nginx"])
def test_a_balancer_that_reloads_knows_whom_it_was_told(kind, profile):
    """Node 2 is dead and out, node 4 has joined: nothing of that is forgotten."""
    faults = [
        {"at": 0.5, "kind": "kill", "node": 2},
        {"at": 0.5, "kind": "join", "node": 4},
        {"at": 4.0, "kind": "reload"},
        {"at": 5.0, "kind": "kill", "node": 1},
    ]
    scenario = small(registry=REGISTRY, balancer={"kind": kind}, faults=faults, duration=12.0)
    record = simulate(scenario, 0, profile)
    after = record.select("connected").query("t > 5.0")
    assert set(after["node"]) == {3, 4}
    assert (record.select("marked_up", "marked_down").query("t > 2.5 and node != 1")).empty


def test_a_dead_link_to_the_balancer_is_nothing_that_the_registry_sees(profile):
    scenario = cluster({"at": 1.0, "kind": "blackhole", "node": 2, "duration": 3.0})
    record = simulate(scenario, 0, profile)
    assert story(record) == [("fault", 2), ("healed", 2)]


def test_after_an_outage_each_balancer_learns_its_servers_in_its_own_way(profile):
    outage = {"at": 1.0, "kind": "outage", "duration": 2.0}
    scenario = cluster(outage, duration=10.0)
    record = simulate(scenario, 0, profile)
    back = times(record, "registered")
    assert len(back) == 3
    assert times(record, "marked_up") == [pytest.approx(look(scenario, t), abs=1e-9) for t in sorted(back)]
    assert not len(record.select("marked_down"))
    kept = small(registry={**REGISTRY, "ttl": 5.0}, balancer={"kind": "nginx"}, faults=[outage], duration=10.0)
    assert not len(simulate(kept, 0, profile).select("marked_up", "marked_down").query("detail == 'registry'"))


def test_a_registry_without_its_data_loses_everyone_until_the_next_sign_of_life(profile):
    scenario = cluster({"at": 3.0, "kind": "bus_down", "duration": 0.5})
    record = simulate(scenario, 0, profile)
    back = 3.5 + BUS_START
    assert times(record, "healed") == [pytest.approx(back, abs=1e-9)]
    for node in (1, 2, 3):
        sign = beats(scenario, node, back, back + BEAT)
        assert times(record, "fenced", node) == [pytest.approx(t, abs=1e-3) for t in sign]
        assert times(record, "registered", node) == times(record, "fenced", node)
    assert set(record.select("registered")["detail"]) == {"2"}
    first = look(scenario, back)
    unknown = [node for node in (1, 2, 3) if beats(scenario, node, back, back + BEAT)[0] > first]
    assert record.select("marked_down")["node"].tolist() == unknown
    assert not unwitnessed(record)


def test_a_registry_with_its_data_is_as_before_when_no_lease_has_ended_meanwhile(profile):
    scenario = cluster({"at": 3.0, "kind": "bus_down", "duration": 0.2}, bus={"persist": True})
    assert set(story(simulate(scenario, 0, profile))) <= {
        *(("fault", -1), ("healed", -1), ("bus_lost", -1), ("bus_joined", -1)),
    }


def test_a_registry_that_does_not_answer_says_nothing_about_the_nodes(profile):
    """For longer than a lease: the balancer keeps everybody, and what the load asks for waits."""
    scaling = {"target": 5, "minimum": 2, "maximum": 6, "sync_period": 2.0}
    scenario = cluster({"at": 1.0, "kind": "bus_down", "duration": 4.0}, duration=9.0, autoscaling=scaling)
    record = simulate(scenario, 0, profile)
    assert not len(record.select("marked_down").query("t < 5"))
    assert times(record, "scaled") == [6.0]


def test_a_partition_of_a_node_ends_its_lease_and_then_it_registers_anew(profile):
    scenario = cluster({"at": 2.0, "kind": "partition", "node": 2, "duration": 3.0}, duration=9.0)
    record = simulate(scenario, 0, profile)
    last = beats(scenario, 2, 0.0, 2.0)[-1]
    assert times(record, "marked_down") == [pytest.approx(look(scenario, last + TTL), abs=1e-3)]
    asked = beats(scenario, 2, 2.0, 5.0)[:1]
    while more := beats(scenario, 2, asked[-1] + ANSWER_WITHIN, 5.0):  # it waits for an answer, then for its next sign
        asked.append(more[0])
    assert times(record, "fenced") == [pytest.approx(5.0, abs=1e-9)] * len(asked)
    assert len(times(record, "registered")) == 1
    assert times(record, "marked_up") == [pytest.approx(look(scenario, times(record, "registered")[0]), abs=1e-3)]
    assert {node for _, node in story(record)} == {2}


def test_a_slow_link_makes_a_sign_of_life_late(profile):
    delay = {"at": 1.0, "kind": "delay", "node": 2, "delay": 0.15}
    scenario = cluster(delay, {"at": 4.0, "kind": "kill", "node": 2})
    last = beats(scenario, 2, 0.0, 4.0)[-1]
    down = look(scenario, last + 0.15 + TTL)
    assert down > look(scenario, last + TTL)  # else this says nothing
    assert times(simulate(scenario, 0, profile), "marked_down") == [pytest.approx(down, abs=1e-3)]


def test_only_the_server_that_a_fault_names_is_killed_where_each_use_has_its_own(profile):
    several = {"bus": {"servers": "several"}, "sessions": {"store": "redis"}, "duration": 6.0}
    stories = {
        use: simulate(cluster({"at": 2.0, "kind": "bus_down", "duration": 1.0, "server": use}, **several), 0, profile)
        for use in ("sessions", "registry")
    }
    lost = {use: record.select("bus_lost")["node"].tolist() for use, record in stories.items()}
    assert sorted(lost["sessions"]) == [1, 2, 3]  # each node's connection
    assert lost["registry"] == [-1]  # the registrar's
    assert not len(stories["sessions"].select("fenced"))
    one = cluster({"at": 2.0, "kind": "bus_down", "duration": 1.0}, **several | {"bus": {"servers": "one"}})
    record = simulate(one, 0, profile)
    assert sorted(record.select("bus_lost")["node"]) == [-1, 1, 2, 3]
    assert len(record.select("fenced")) == 3


def test_a_hundred_nodes_register_and_are_scaled(profile):
    scaling = {"target": 2, "minimum": 70, "maximum": 100, "sync_period": 2.0}
    scenario = cluster(nodes={"count": 90}, clients={"count": 200}, autoscaling=scaling)
    record = simulate(scenario, 0, profile)
    assert record.select("scaled")["detail"].tolist() == ["90 to 100: DesiredWithinRange"]
    assert set(record.select("registered")["node"]) == set(range(91, 101))


@st.composite
def many(draw):
    """Up to five faults of all kinds on nodes 1 to 5, of which 4 and 5 are there only sometimes."""
    found = []
    kinds = ["kill", "hang", "blackhole", "restart", "drain", "partition", "delay", "reload", "bus_down", "outage"]
    for _ in range(draw(st.integers(1, 5))):
        kind = draw(st.sampled_from(kinds))
        if kind == "outage":
            kinds.remove(kind)
        fault = {"kind": kind, "at": draw(st.integers(200, 6000)) / 1000}
        if kind not in ("reload", "bus_down", "outage"):
            fault["node"] = draw(st.integers(1, 5))
        if kind == "delay":
            fault["delay"] = draw(st.sampled_from([0.01, 0.3]))
        if kind == "drain":
            fault |= {"lead": 0.3, "pace": 20.0}
        if kind in ("hang", "blackhole", "partition", "delay", "bus_down", "outage") or (
            kind == "kill" and draw(st.booleans())
        ):
            fault["duration"] = draw(st.integers(50, 2500)) / 1000
        found.append(fault)
    return found


@settings(max_examples=60, deadline=None)
@given(faults=many(), persist=st.booleans(), down=st.booleans())
def test_whatever_happens_in_the_end_the_wanted_nodes_are_there_and_in_rotation(faults, persist, down):
    policies = [{"kind": "pods", "value": 1, "period": 3.0}]
    scaling = {"target": 8 if down else 5, "minimum": 3 if down else 2, "maximum": 5, "sync_period": 1.5}
    scaling |= {"lead": 0.3, "pace": 50.0, "down": {"window": 0.0, "policies": policies}}
    clients = {"count": 12, "heartbeat": {"interval": 0.5, "timeout": 0.4}, "open_timeout": 1.0}
    data = {"bus": {"persist": persist}, "autoscaling": scaling, "clients": clients, "duration": 30.0}
    record = simulate(cluster(*faults, nodes={"count": 5 if down else 3}, **data), 0, small_profile())
    lives = record.select("node_stopped", "node_started")
    running = {
        node
        for node in range(1, 6)
        if ["node_started" if node <= (5 if down else 3) else "node_stopped", *lives[lives["node"] == node]["event"]][
            -1
        ]
        == "node_started"
    }
    scaled = [int(text.split(":")[0].split()[-1]) for text in record.select("scaled")["detail"]]
    wanted = scaled[-1] if scaled else (5 if down else 3)
    assert running == set(range(1, wanted + 1))
    assert not audit(record).violations
