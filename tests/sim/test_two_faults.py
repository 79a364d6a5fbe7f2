"""Two faults on one node, every pair of them: what is noted, when which effect is over, and that all clients return."""

from collections import Counter
from itertools import pairwise

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from sim import simulate
from sim.engines import uncovered
from sim.world import World
from tests.stories import connected, healed, told
from tests.strategies import BUS_START, NODE_START, small, small_profile
from twin.invariants import audit
from twin.measures.witness import unwitnessed
from twin.scenario.scenario import Scenario

CPU = 0.05
BEAT = {"interval": 0.5, "timeout": 0.4}
FAULTS = {
    "kill": {},
    "kill+": {"kind": "kill", "duration": 2.0},
    "hang": {"duration": 2.0},
    "blackhole": {"duration": 2.0},
    "restart": {},
    "drain": {"lead": 0.5, "pace": 5.0},
}
UP = 2.0 + NODE_START
"""Seconds from a `kill+` until the new process listens."""
SECOND = {"restart": 0.1}
"""Seconds from the first fault to the second, 0.7 if it is not here: a restart is in the middle of its start then."""

STORIES = {
    ("kill", "kill"): "kill stopped no:kill",
    ("kill", "kill+"): "kill stopped no:kill",
    ("kill", "hang"): "kill stopped no:hang",
    ("kill", "blackhole"): "kill stopped blackhole ok:blackhole@2.7",
    ("kill", "restart"): f"kill stopped restart started ok:restart@{0.7 + NODE_START}",
    ("kill", "drain"): "kill stopped no:drain",
    ("kill+", "kill"): f"kill stopped no:kill started ok:kill@{UP}",
    ("kill+", "kill+"): f"kill stopped no:kill started ok:kill@{UP}",
    ("kill+", "hang"): f"kill stopped no:hang started ok:kill@{UP}",
    ("kill+", "blackhole"): f"kill stopped blackhole started ok:kill@{UP} ok:blackhole@2.7",
    ("kill+", "restart"): f"kill stopped restart started ok:restart@{0.7 + NODE_START}",
    ("kill+", "drain"): f"kill stopped no:drain started ok:kill@{UP}",
    ("hang", "kill"): "hang kill stopped",
    ("hang", "kill+"): f"hang kill stopped started ok:kill@{0.7 + UP}",
    ("hang", "hang"): "hang hang ok:hang@2.7",
    ("hang", "blackhole"): "hang blackhole ok:hang@2 ok:blackhole@2.7",
    ("hang", "restart"): f"hang restart ok:hang@2 stopped started ok:restart@{2 + NODE_START}",
    ("hang", "drain"): "hang drain ok:hang@2 drained stopped started ok:drain",
    ("blackhole", "kill"): "blackhole kill stopped ok:blackhole@2",
    ("blackhole", "kill+"): f"blackhole kill stopped ok:blackhole@2 started ok:kill@{0.7 + UP}",
    ("blackhole", "hang"): "blackhole hang ok:blackhole@2 ok:hang@2.7",
    ("blackhole", "blackhole"): "blackhole blackhole ok:blackhole@2.7",
    ("blackhole", "restart"): f"blackhole restart ok:blackhole@2 stopped started ok:restart@{2 + NODE_START}",
    ("blackhole", "drain"): "blackhole drain ok:blackhole@2 drained stopped started ok:drain",
    ("restart", "kill"): "restart stopped kill stopped",
    ("restart", "kill+"): f"restart stopped kill stopped started ok:kill@{0.1 + UP}",
    ("restart", "hang"): "restart stopped hang ok:hang@2.1 started ok:restart",
    ("restart", "blackhole"): f"restart stopped blackhole started ok:restart@{NODE_START} ok:blackhole@2.1",
    ("restart", "restart"): f"restart stopped restart stopped started ok:restart@{0.1 + NODE_START}",
    ("restart", "drain"): f"restart stopped drain started ok:restart@{NODE_START} drained stopped started ok:drain",
    ("drain", "kill"): "drain kill stopped",
    ("drain", "kill+"): f"drain kill stopped started ok:kill@{0.7 + UP}",
    ("drain", "hang"): "drain hang ok:hang@2.7 drained stopped started ok:drain",
    ("drain", "blackhole"): "drain blackhole ok:blackhole@2.7 drained stopped started ok:drain",
    ("drain", "restart"): f"drain restart stopped started ok:restart@{0.7 + NODE_START}",
    ("drain", "drain"): f"drain no:drain drained stopped started ok:drain@{0.5 + 9 / 5 + NODE_START}",
}
"""What is noted of the node, in order: `no:` stands for no effect, `ok:` for healed, and how long after the first fault
that was, where timers decide it.
"""


def at(t, name, **more):
    return {"kind": name, "at": t, "node": 1} | FAULTS.get(name, {}) | more


def pair(first, second, apart=None, **more):
    apart = SECOND.get(first, 0.7) if apart is None else apart
    more = {"duration": 20.0, "clients": {"heartbeat": BEAT}} | more
    return small(faults=[at(1.0, first), at(1.0 + apart, second)], **more)


def assert_story(record, story):
    """Compare what is noted with what is told, times to within the CPU's part of them."""
    expected = [word.split("@") for word in story.split()]
    assert told(record) == [word for word, *_ in expected]
    times = [float(rest[0]) if rest else None for word, *rest in expected if word.startswith("ok:")]
    for found, time in zip(healed(record), times, strict=True):
        assert time is None or found - 1.0 == pytest.approx(time, abs=CPU)


def test_there_is_a_story_of_every_pair():
    assert set(STORIES) == {(first, second) for first in FAULTS for second in FAULTS}


@pytest.mark.parametrize(("first", "second"), list(STORIES))
def test_what_two_faults_on_one_node_do_to_it_and_that_every_client_returns(first, second, profile):
    record = simulate(pair(first, second), 0, profile)
    assert_story(record, STORIES[first, second])
    assert connected(record) == list(range(30))
    assert not unwitnessed(record)
    assert audit(record).verdict == "pass"


@pytest.mark.parametrize(
    ("second", "story"),
    [
        ("kill", "kill stopped kill stopped"),
        ("kill+", f"kill stopped kill stopped started ok:kill@{2.1 + UP}"),
        ("hang", "kill stopped hang ok:hang@4.1 started ok:kill"),
        ("restart", f"kill stopped restart stopped started ok:restart@{2.1 + NODE_START}"),
        ("drain", f"kill stopped drain started ok:kill@{UP} drained stopped started ok:drain"),
    ],
)
def test_a_fault_finds_a_process_that_does_not_listen_yet(second, story, profile):
    record = simulate(pair("kill+", second, 2.1), 0, profile)
    assert_story(record, story)
    assert connected(record) == list(range(30))
    assert audit(record).verdict == "pass"


@pytest.mark.parametrize(
    ("kind", "t", "story"),
    [
        ("kill+", 0.5, "kill stopped started"),  # power and process come back with the outage, not with the kill
        ("hang", 0.5, "hang stopped started"),
        ("drain", 0.5, "drain stopped started"),
        ("kill", 1.7, "stopped no:kill started"),
        ("restart", 1.7, "stopped no:restart started"),
        ("blackhole", 1.7, "stopped blackhole started ok:blackhole@2.7"),
        ("kill+", 3.1, f"stopped kill stopped started ok:kill@{2.1 + UP}"),
        ("hang", 3.1, "stopped hang ok:hang@4.1 started"),
    ],
)
def test_an_outage_over_another_fault_and_another_fault_in_an_outage(kind, t, story, profile):
    outage = {"kind": "outage", "at": 1.0, "duration": 2.0}
    scenario = small(duration=20.0, clients={"heartbeat": BEAT}, faults=[outage, at(t, kind)])
    record = simulate(scenario, 0, profile)
    assert_story(record, story)
    assert connected(record) == list(range(30))
    back = [detail for detail in record.select("healed")["detail"] if detail == "outage"]
    assert len(back) == (kind != "kill+" or t < 3.0)  # a node that is killed as it starts is not back


def test_a_hang_within_a_longer_one_changes_nothing(profile):
    def hangs(*times):
        faults = [{"kind": "hang", "node": 1, "at": t, "duration": lasts} for t, lasts in times]
        return simulate(small(duration=12.0, clients={"heartbeat": BEAT}, faults=faults), 0, profile)

    one, two = hangs((1.0, 3.0)), hangs((1.0, 3.0), (2.0, 0.5))
    assert_story(two, "hang hang ok:hang@3")
    for name in ("disconnected", "connected", "marked_down", "marked_up", "healed"):
        rows = [record.select(name).reset_index(drop=True) for record in (one, two)]
        assert rows[0].equals(rows[1]), name


def test_clients_of_a_node_that_is_killed_behind_a_dead_link_hear_nothing_of_it(profile):
    record = simulate(pair("blackhole", "kill", 0.1), 0, profile)
    lost = record.select("disconnected")
    assert set(lost["detail"]) == {"heartbeat"}
    no_beat = pair("blackhole", "kill", 0.1, clients={"heartbeat": {"interval": 0.0}})
    lost = simulate(no_beat, 0, profile).select("disconnected")
    assert len(lost) == 10
    assert lost["t"].between(3.0, 3.0 + CPU).all()  # when the link is back
    assert set(lost["detail"]) == {"1006"}


def test_a_node_whose_close_frames_are_not_answered_ends_after_its_close_timeout(profile):
    long = {"duration": 15.0}
    clients = {"heartbeat": {"interval": 0.0}}
    scenario = small(duration=25.0, clients=clients, faults=[at(1.0, "blackhole", **long), at(2.0, "restart")])
    record = simulate(scenario, 0, profile)
    assert_story(record, f"blackhole restart stopped started ok:restart@{11 + NODE_START} ok:blackhole@15")
    lost = record.select("disconnected")
    assert set(lost["detail"]) == {"1001"}
    assert lost["t"].between(16.0, 16.0 + CPU).all()
    assert connected(record) == list(range(30))


def test_the_balancer_gets_no_answer_from_a_dead_node_behind_a_dead_link(profile):
    def down(*happens):
        check = {"inter": 1.0, "fall": 1, "timeout": 0.4}
        balancer = {"check": check, "connect_timeout": 0.8}
        record = simulate(small(balancer=balancer, faults=list(happens)), 0, profile)
        return record.select("marked_down")["t"].iloc[0]

    dead = down(at(1.0, "kill"))
    assert down(at(0.99, "blackhole"), at(1.0, "kill")) == pytest.approx(dead + 0.8, abs=CPU)


MESSAGES = {
    "kill": {"node": 1},
    "kill+": {"kind": "kill", "node": 1, "duration": 2.0},
    "hang": {"node": 1, "duration": 2.0},
    "restart": {"node": 1},
    "drain": {"node": 1, "lead": 1.0},
    "partition": {"node": 1, "duration": 2.0},
    "delay": {"node": 1, "delay": 0.05, "duration": 2.0},
    "bus_cut": {"node": 1},
    "bus_down": {"duration": 2.0},
    "stall": {"client": 0, "duration": 2.0},
}
OF_BUS = ("partition", "delay", "bus_cut", "bus_down", "stall")
NO_EFFECT = {("kill", "bus_cut"), ("kill+", "bus_cut"), ("bus_down", "bus_cut"), ("bus_down", "bus_down")}
ONE_END = {("partition", "partition"), ("stall", "stall")}
"""Pairs of which the second holds on to what the first began."""
UNSEEN = {("kill", "delay"), ("hang", "partition"), *(("bus_down", name) for name in ("partition", "delay", "stall"))}
"""Pairs whose second shows in no message, because the first lets none through: nobody can say that it was there."""


@pytest.mark.parametrize(
    ("first", "second"), [(one, two) for one in MESSAGES for two in MESSAGES if one in OF_BUS or two in OF_BUS]
)
def test_a_fault_of_the_bus_and_another_one_of_the_same_node(first, second, profile):
    kinds = [MESSAGES[name].get("kind", name) for name in (first, second)]
    faults = [
        {"kind": kind, "at": t} | MESSAGES[name] for kind, t, name in zip(kinds, (1, 1.7), (first, second), strict=True)
    ]
    talk = {"bus": {"kind": "stream"}, "publisher": {"rate": 10.0, "stop": 7.0}, "clients": {"heartbeat": BEAT}}
    scenario = small(duration=20.0, faults=faults, **talk)
    record = simulate(scenario, 0, profile, engine="simpy")
    assert record.select("fault", "no_effect")["event"].tolist() == [
        "fault",
        "no_effect" if (first, second) in NO_EFFECT else "fault",
    ]
    held = [name for name in (first, second) if name not in ("kill", "bus_cut")]
    ended = [MESSAGES[name].get("kind", name) for name in held][: 1 if (first, second) in NO_EFFECT | ONE_END else 2]
    if (first, second) == ("kill", "bus_cut"):
        ended = []
    assert sorted(record.select("healed")["detail"]) == sorted(ended)
    if (first, second) in ONE_END:
        assert record.select("healed")["t"].tolist() == [3.7]
    assert connected(record) == list(range(30))
    assert audit(record).verdict == ("unknown" if (first, second) in UNSEEN else "pass")


def test_a_join_is_for_a_node_without_a_process_only(profile):
    again = {"kind": "kill", "at": 2.0, "node": 1, "duration": 0.5}
    faults = [{"kind": "kill", "at": 1.0, "node": 1}, again, {"kind": "join", "at": 3.0, "node": 1}]
    record = simulate(small(duration=12.0, registry={}, faults=faults), 0, profile)
    rows = record.select("fault", "no_effect", "node_starting", "node_started")
    assert rows["event"].tolist() == ["fault", "no_effect", "node_starting", "node_started"]
    assert connected(record) == list(range(30))


@pytest.mark.parametrize("second", ["kill", "hang", "restart", "drain"])
def test_the_compiled_engine_does_the_pairs_that_it_covers_as_simpy_does(second, profile):
    """A second fault after a hang that is over is covered, one within it is not: then SimPy runs."""
    for apart, covered in ((0.7, False), (2.3, True)):
        scenario = pair("hang", second, apart)
        assert (uncovered(scenario) == "") == covered
        rows = World(scenario, 1, profile).run()
        record = simulate(scenario, 1, profile, engine="auto")
        assert record.provenance["engine"] == ("compiled" if covered else "simpy")
        expected = [row[1:] for row in sorted(rows, key=lambda row: row[0])]
        names = ["event", "client", "node", "attempt", "version", "detail"]
        assert list(record.events[names].itertuples(index=False, name=None)) == expected


def test_a_scenario_file_may_ask_for_any_pair():
    for first, second in STORIES:
        scenario = pair(first, second)
        assert Scenario.parse(scenario.model_dump(exclude_none=True)) == scenario


@pytest.mark.parametrize("ends", ["restart", "drain"])
def test_a_client_that_does_not_read_holds_an_ending_node_for_close_timeout_only(ends, profile):
    """It stalls from 1 to 20 s; the node's close frame of 2 s has no answer, and the client reads it at 20 s."""
    faults = [{"kind": "stall", "at": 1.0, "client": 0, "duration": 19.0}, {"kind": ends, "at": 2.0, "node": 1}]
    talk = {"bus": {"kind": "stream"}, "publisher": {"rate": 5.0}, "clients": {"heartbeat": {"interval": 0.0}}}
    scenario = small(duration=25.0, faults=faults, **talk)
    record = simulate(scenario, 0, profile)
    assert record.select("node_started")["t"].tolist() == pytest.approx([12.0 + NODE_START], abs=CPU)
    seen = record.select("disconnected").query("client == 0")["t"].tolist()
    assert seen == pytest.approx([20.0], abs=CPU)
    assert connected(record) == list(range(30))
    assert uncovered(scenario)


def test_a_connect_to_a_dead_node_behind_a_dead_link_is_not_refused_but_times_out(profile):
    balancer = {"check": {"inter": 60.0}, "connect_timeout": 0.4}
    found = World(small(balancer=balancer, faults=[at(0.9, "blackhole"), at(1.0, "kill")]), 0, profile)
    found.env.run(until=2.0)
    for server in (1, 2):
        found.balancer.rule.connections[server] += 50
    attempt = found.clients[0].new_attempt()
    found.env.process(found.balancer.serve(attempt))
    found.env.run(until=2.35)
    assert not attempt.answer.triggered
    found.env.run(until=2.4 + CPU)
    assert attempt.answer.value == "503"


def test_a_client_has_read_the_close_frame_of_a_node_that_was_killed_after_it(profile):
    faults = [at(1.0, "blackhole"), at(1.2, "restart"), at(1.7, "kill")]
    lost = simulate(small(duration=9.0, clients={"heartbeat": {"interval": 0.0}}, faults=faults), 0, profile).select(
        "disconnected"
    )
    assert len(lost) == 10
    assert set(lost["detail"]) == {"1001"}
    assert lost["t"].between(3.0, 3.0 + CPU).all()


@pytest.mark.parametrize("engine", ["simpy", "compiled"])
def test_a_bus_that_is_killed_while_it_starts_comes_back_with_the_second_kill_only(engine, profile):
    faults = [{"kind": "bus_down", "at": t, "duration": 1.0} for t in (1.0, 2.0 + BUS_START / 2)]
    talk = {"bus": {"kind": "stream"}, "publisher": {"rate": 5.0}, "clients": {"heartbeat": {"interval": 0.0}}}
    record = simulate(small(duration=6.0, faults=faults, **talk), 0, profile, engine=engine)
    assert len(record.select("fault")) == 2
    assert record.select("healed")["t"].tolist() == pytest.approx([3.0 + 1.5 * BUS_START], abs=0.001)
    assert record.select("bus_joined")["t"].min() > 3.0 + 1.5 * BUS_START


@st.composite
def many_faults(draw):
    """Up to six faults of all kinds on two of three nodes within three seconds, most of them over within two."""
    happens = []
    for _ in range(draw(st.integers(2, 6))):
        kind = draw(st.sampled_from(["kill", "hang", "blackhole", "restart", "drain"]))
        fault = {"kind": kind, "node": draw(st.integers(1, 2)), "at": draw(st.integers(500, 3500)) / 1000}
        if kind == "drain":
            fault |= {"lead": draw(st.sampled_from([0.0, 0.4])), "pace": draw(st.sampled_from([3.0, 50.0]))}
        if kind in ("hang", "blackhole") or (kind == "kill" and draw(st.booleans())):
            fault["duration"] = draw(st.integers(50, 2000)) / 1000
        happens.append(fault)
    if draw(st.integers(0, 3)) == 0:
        happens.append({"kind": "outage", "at": draw(st.integers(500, 3500)) / 1000, "duration": 1.0})
    return happens


@settings(max_examples=40, deadline=None)
@given(happens=many_faults(), pings=st.sampled_from([0.0, 0.5]), beat=st.sampled_from([0.0, 0.5]))
def test_however_many_faults_meet_no_node_has_two_processes_and_everyone_is_back(happens, pings, beat):
    clients = {"count": 12, "heartbeat": {"interval": beat, "timeout": 0.4}, "open_timeout": 2.0}
    nodes = {"ping_interval": pings, "ping_timeout": 0.4}
    record = simulate(small(duration=30.0, clients=clients, nodes=nodes, faults=happens), 0, small_profile())
    lives = record.select("node_stopped", "node_started")
    for node in (1, 2, 3):  # a process that starts may be ended before it listens, so it may stop twice
        mine = ["node_started", *lives["event"][lives["node"] == node]]
        assert ("node_started", "node_started") not in pairwise(mine)
    begun, over = (
        Counter(zip(rows["node"], rows["detail"], strict=True)) for rows in map(record.select, ("fault", "healed"))
    )
    assert over <= begun
    assert len(record.select("fault", "no_effect")) == len(happens)
    assert connected(record) == list(range(12))
    assert audit(record).verdict != "fail"
