"""Real nodes that register, join, are fenced, are scaled: what the registrar tells a real balancer."""

import contextlib
import json
import time
from collections.abc import Callable, Iterator
from itertools import pairwise
from types import SimpleNamespace
from typing import Any

import pytest
from websockets.exceptions import InvalidStatus
from websockets.sync.client import connect

import sim
from live import measure
from live.balancer.balancer import start_balancer
from live.balancer.base import Balancer
from live.broadcast.bus import Bus, client_of
from live.control.messages import Done, Finish, Listening
from live.control.process import Stage
from live.machine import placement
from live.node.messages import StartDrain
from live.registry.autoscaler import Elastic
from live.registry.scripts import SCRIPTS, Slots, alive
from tests.sound import assert_sound
from twin.config.haproxy import HAPROXY
from twin.config.nginx import peers_file
from twin.measures import measure_record
from twin.rules.registry import tries_next
from twin.scenario.scenario import Scenario

pytestmark = pytest.mark.live

REGISTRY = {"ttl": 0.6, "heartbeat": 0.2, "sync": 0.1}


@pytest.fixture
def registry(stage: Stage) -> Iterator[SimpleNamespace]:
    """A Valkey, and nodes that register in it."""
    bus = Bus(stage, placement.free_ports(1)[0], [])
    bus.wait_ready(10)
    slots = Slots("t:", 3, 0.6)
    client = client_of(bus.address)
    for text in SCRIPTS.values():
        client.script_load(text)

    def node(number: int, port: int) -> Any:
        member = {
            **{"address": vars(bus.address), "slots": vars(slots), "own": f"127.0.0.1:{port}"},
            **{"version": "v1", "heartbeat": 0.2, "rebalance": None},
        }
        config = {"number": number, "port": port, "backlog": 100, "registry": member}
        part = stage.python(f"node {number} {port}", "live.node.node", config)
        part.hear(Listening)
        return part

    def members() -> Any:
        return alive(client.execute_command(*slots.members()), time.monotonic())

    yield SimpleNamespace(bus=bus, slots=slots, client=client, node=node, members=members)
    client.close()


def test_a_node_whose_slot_is_taken_is_fenced_and_ends(registry: SimpleNamespace, until: Callable[..., None]) -> None:
    old_port, new_port = placement.free_ports(2)
    old = registry.node(1, old_port)
    until(lambda: len(registry.client.keys("t:slot:1")) == 1, 5, "not registered")
    with connect(f"ws://127.0.0.1:{old_port}/", compression=None, proxy=None) as link:
        new = registry.node(1, new_port)
        until(lambda: registry.client.hget("t:generations", "1") == b"2", 5, "not replaced")
        with pytest.raises(Exception, match="1012"):
            link.recv(timeout=5)
    assert old.wait(5)
    until(lambda: registry.members()[1].address == f"127.0.0.1:{new_port}", 5, "the new one is not there")
    time.sleep(0.7)  # longer than a lease: the new one goes on renewing it
    assert registry.members()[1].generation == 2
    assert new.running


def test_a_node_that_drains_leaves_the_registry_at_once(registry: SimpleNamespace, until: Callable[..., None]) -> None:
    part = registry.node(2, placement.free_ports(1)[0])
    until(lambda: 2 in registry.members(), 5, "not registered")
    part.tell(StartDrain(0.3, 0.0))
    until(lambda: 2 not in registry.members(), 0.25, "still registered")
    assert part.wait(5)


def _elastic(stage: Stage, scenario: Scenario, registry: SimpleNamespace) -> tuple[int, list[int], Balancer, Elastic]:
    """Return where clients come in, where nodes may listen, the balancer and the registrar's side of a cluster."""
    port, *ports = placement.free_ports(3)
    balancer = start_balancer(stage, scenario, port, ports, [], lambda *note: None)
    cluster: Any = SimpleNamespace(scenario=scenario, stage=stage, node_ports=ports, balancer=balancer)
    cluster.place, cluster.port_of = SimpleNamespace(cluster=[]), lambda number: ports[number - 1]
    elastic = Elastic(cluster, registry.bus)
    registry.slots = elastic.slots
    return port, ports, balancer, elastic


@pytest.mark.parametrize("kind", ["haproxy", "nginx"])
def test_the_registrar_brings_a_balancer_in_step(
    kind: str,
    registry: SimpleNamespace,
    stage: Stage,
    small: Callable[..., Scenario],
    until: Callable[..., None],
    balancer_installed: Callable[[str], None],
) -> None:
    balancer_installed(kind)
    scenario = small(nodes={"count": 2}, registry=REGISTRY, balancer={"kind": kind})
    port, ports, balancer, elastic = _elastic(stage, scenario, registry)
    try:
        balancer.wait_ready(10)
        nodes = [_member(stage, elastic, n, one) for n, one in enumerate(ports, 1)]
        elastic.wait_ready()

        def reached() -> str:
            with contextlib.suppress(InvalidStatus), connect(f"ws://127.0.0.1:{port}/", compression=None) as link:
                assert link.response is not None
                return link.response.headers["X-Node"]
            return "nobody"

        until(lambda: {reached() for _ in range(4)} == {"1", "2"}, 5, "not both in rotation")
        stage.end(nodes[0])
        until(lambda: set(elastic.members()) == {2}, 5, "the lease did not end")
        until(lambda: {reached() for _ in range(4)} == {"2"}, 5, "node 1 is still in rotation")
        if kind == "nginx":  # which stops trying a dead peer by itself, so that the list may come later
            until(
                lambda: f":{ports[0]} max_fails=1 fail_timeout=10s down" in peers_file(stage.folder).read_text(),
                5,
                "not told",
            )
        assert elastic.registrar is not None
        path = stage.folder / "events.json"
        elastic.registrar.tell(Finish(str(path)))
        elastic.registrar.hear(Done)
        events = [(event, node) for _, event, _, node, *_ in json.loads(path.read_text())]
        for node in (1, 2):  # on a loaded machine the lease of node 2 may end for a moment
            mine = [event for event, one in events if one == node]
            assert mine[0] == "marked_up"
            assert mine[-1] == ("marked_down" if node == 1 else "marked_up")
    finally:
        elastic.close()
        balancer.close()


def test_the_registrar_takes_a_node_into_the_backend_of_its_version(
    registry: SimpleNamespace, stage: Stage, small: Callable[..., Scenario], until: Callable[..., None]
) -> None:
    """The scenario says that node 2 is the next version; what the nodes have registered says that it is node 1."""
    canary = {"nodes": [2], "share": 0.5}
    scenario = small(registry={**REGISTRY, "canary": canary}, balancer={"kind": "haproxy", "algorithm": "leastconn"})
    port, ports, balancer, elastic = _elastic(stage, scenario, registry)

    def reached(client: int) -> str:
        headers = {"X-Client-Id": str(client)}
        with (
            contextlib.suppress(InvalidStatus),
            connect(f"ws://127.0.0.1:{port}/", compression=None, proxy=None, additional_headers=headers) as link,
        ):
            assert link.response is not None
            return link.response.headers["X-Node"]
        return "nobody"

    def shares(next_node: str, present_node: str) -> bool:
        return all(reached(n) == (next_node if tries_next(n, 500) else present_node) for n in range(8))

    assert {tries_next(n, 500) for n in range(8)} == {True, False}
    try:
        balancer.wait_ready(10)
        nodes = [_member(stage, elastic, n, ports[n - 1], version=v) for n, v in ((1, "v2"), (2, "v1"))]
        elastic.wait_ready()
        until(lambda: shares("1", "2"), 5, "not by version")
        stage.end(nodes[0])
        until(lambda: reached(_next_client()) == "2", 5, "the share does not fall back")
        _member(stage, elastic, 1, ports[0], version="v1")
        until(lambda: 1 in elastic.members(), 5, "not registered")
        until(lambda: {reached(_next_client()) for _ in range(4)} == {"1", "2"}, 5, "not in the backend of v1")
    finally:
        elastic.close()
        balancer.close()


def _next_client() -> int:
    return next(n for n in range(100) if tries_next(n, 500))


def _member(stage: Stage, elastic: Any, number: int, port: int, **other: str) -> Any:
    config = {"number": number, "port": port, "backlog": 100, "registry": {**elastic.for_node(number), **other}}
    part = stage.python(f"node {number}", "live.node.node", config)
    part.hear(Listening)
    return part


def test_haproxy_hashes_the_clients_id_as_the_rule_does(stage: Stage, small: Callable[..., Scenario]) -> None:
    canary = {"nodes": [2], "share": 0.3}
    scenario = small(registry={"canary": canary}, balancer={"kind": "haproxy", "algorithm": "leastconn"})
    port, *ports = placement.free_ports(3)
    for number, one in enumerate(ports, 1):
        config = {"number": number, "port": one, "backlog": 100}
        stage.python(f"node {number}", "live.node.node", config).hear(Listening)
    text = HAPROXY.of_run(scenario, port, ports, stage.folder)
    assert text.count(" disabled") == 4
    balancer = start_balancer(stage, scenario, port, ports, [], lambda *note: None)
    try:
        balancer.wait_ready(10)
        for name in ("cluster/n1", "next/n2"):
            balancer.ask(f"set server {name} state ready")
        for client in range(60):
            headers = {"X-Client-Id": str(client)}
            with connect(f"ws://127.0.0.1:{port}/", compression=None, proxy=None, additional_headers=headers) as link:
                assert link.response is not None
                assert link.response.headers["X-Node"] == ("2" if tries_next(client, 300) else "1"), client
    finally:
        balancer.close()


def test_a_death_is_known_when_the_lease_has_ended(small: Callable[..., Scenario]) -> None:
    scenario = small(
        duration=3.0,
        registry=REGISTRY,
        balancer={"retries": 3, "redispatch": 1},
        faults=[{"at": 1.0, "kind": "kill", "node": 1}],
    )
    record = measure(scenario, 1)[0]
    delay = measure_record(record)["mark_down_delay"]
    assert 0.4 - 0.02 <= delay <= 0.7 + 0.1
    assert record.select("marked_down")["node"].tolist() == [1]
    assert_sound(record)


def test_a_gray_release_goes_from_the_scenario_through_the_registry_to_the_clients() -> None:
    """The scenario of the gray release, shortened: who belongs to node 4 gets there when a connection ends."""
    scenario = Scenario.load("scenarios/registry-canary.toml").vary(
        duration=4.0,
        clients={"count": 40, "reconnect": {"base": 0.1, "cap": 0.5}},
        nodes={"lifetime": {"mean": 1.0}},
        registry=REGISTRY,
        faults=[{"at": 0.5, "kind": "join", "node": 4}],
    )
    record = measure(scenario, 1)[0]
    came = record.select("marked_up").query("node == 4")["t"]
    assert len(came) == 1
    connected = record.select("connected")
    later = connected[connected["t"] > came.iloc[0] + 0.05]
    mine = {client for client in range(40) if tries_next(client, 250)}
    assert 0 < len(mine) < 40
    assert set(later.query("node == 4")["client"]) == mine
    assert set(later.query("node != 4")["client"]) == set(range(40)) - mine
    assert measure_record(record)["next_share"] == pytest.approx(len(mine) / 40, abs=0.15)  # some are on their way
    assert_sound(record)


def test_a_hung_node_is_refused_and_comes_back_with_a_new_generation(small: Callable[..., Scenario]) -> None:
    hang = {"at": 0.8, "kind": "hang", "node": 1, "duration": 1.6}
    record = measure(small(duration=3.5, registry=REGISTRY, faults=[hang]), 1)[0]
    assert record.select("fenced")["detail"].tolist() == ["1"]
    assert record.select("registered")["detail"].tolist() == ["2"]
    assert record.select("marked_down", "marked_up")["event"].tolist() == ["marked_down", "marked_up"]
    assert 0.0 <= measure_record(record)["resume_to_rotation"] <= 0.1 + 0.1


def test_the_autoscaler_starts_nodes_that_stay_empty_until_others_give_away(small: Callable[..., Scenario]) -> None:
    scaling = {"target": 5, "minimum": 2, "maximum": 4, "sync_period": 0.5}
    empty = small(duration=2.5, registry=REGISTRY, autoscaling=scaling)
    record = measure(empty, 1)[0]
    found = measure_record(record)
    assert record.select("scaled")["detail"].tolist() == ["2 to 4: DesiredWithinRange"]
    assert found["nodes_end"] == 4
    assert found["new_share"] == 0.0
    moving = empty.vary(duration=4.0, registry={"rebalance": {"pace": 20.0, "slack": 0.0}})
    found = measure_record(measure(moving, 1)[0])
    assert found["new_share"] == pytest.approx(1.0, abs=0.3)
    assert found["imbalance"] <= 1.4


def test_the_autoscaler_starts_a_node_when_the_others_cpu_is_above_its_target(
    small: Callable[..., Scenario],
) -> None:
    """Handshakes all along cost more than one percent of a core a node, on any machine."""
    scenario = small(
        duration=6.0,
        clients={"count": 60},
        nodes={"lifetime": {"mean": 0.5, "jitter": 0.5}},
        registry=REGISTRY,
        autoscaling={"metric": "cpu", "target": 1, "minimum": 2, "maximum": 3, "sync_period": 1.0},
    )
    record = measure(scenario, 1)[0]
    assert record.select("scaled")["detail"].iloc[0].startswith("2 to 3: ")
    assert 3 in set(record.select("connected")["node"])
    assert measure_record(record)["nodes_end"] == 3
    assert_sound(record)


def test_the_autoscaler_drains_what_is_too_much(small: Callable[..., Scenario]) -> None:
    down = {"window": 0.0, "policies": [{"kind": "percent", "value": 100, "period": 1.0}]}
    scaling = {
        **{"target": 20, "minimum": 1, "maximum": 2, "sync_period": 0.5},
        **{"lead": 0.3, "pace": 50.0, "down": down},
    }
    record = measure(small(duration=3.0, registry=REGISTRY, autoscaling=scaling), 1)[0]
    assert record.select("scaled")["detail"].tolist() == ["2 to 1: DesiredWithinRange"]
    assert record.select("drained")["node"].tolist() == [2]
    assert record.select("node_stopped")["node"].tolist() == [2]
    assert not len(record.select("connect_failed"))
    assert measure_record(record)["nodes_end"] == 1
    assert_sound(record)


def test_a_live_connection_ends_when_the_model_says(small: Callable[..., Scenario]) -> None:
    scenario = small(duration=3.0, nodes={"lifetime": {"mean": 1.2, "jitter": 0.5}})
    ended = []
    for record in (measure(scenario, 1)[0], sim.simulate(scenario.vary(host={"profile": "reference"}), 0)):
        ended.append(record.select("disconnected").groupby("client")["t"].first())
    differences = (ended[0] - ended[1]).abs().tolist()
    assert len(differences) == 20
    assert sorted(differences)[len(differences) // 2] < 0.1
    assert max(differences) < 0.5


def test_clients_dropped_over_and_over_wait_ever_longer_in_both_worlds(
    small: Callable[..., Scenario],
) -> None:
    reconnect = {"base": 0.1, "cap": 5.0, "jitter": "none", "first": "immediate", "stable_time": 5.0}
    lifetime = {"mean": 0.6, "jitter": 0.0}  # longer than it takes all to connect
    scenario = small(duration=4.0, clients={"reconnect": reconnect}, nodes={"lifetime": lifetime})
    for record in (measure(scenario, 1)[0], sim.simulate(scenario.vary(host={"profile": "reference"}), 0)):
        for _, events in record.events[record.events["client"] >= 0].groupby("client"):
            lost = events[events["event"] == "disconnected"]["t"].to_numpy()
            tried = events[(events["event"] == "attempt_connect") & (events["t"] > lost[0])]["t"].to_numpy()
            waits = [t - lost[lost < t][-1] for t in tried]
            assert len(waits) >= 3
            for before, after in pairwise(waits):
                assert after > 1.4 * before  # twice, but for what a busy machine adds to a short wait


def test_what_a_joined_node_has_noted_is_in_the_record(small: Callable[..., Scenario]) -> None:
    scenario = small(
        duration=3.5,
        registry={**REGISTRY, "rebalance": {"pace": 50.0, "slack": 0.0}},
        clients={"sends": {"rate": 5.0}},
        sessions={"store": "redis", "login_iterations": 1000},
        faults=[{"at": 0.5, "kind": "join", "node": 3}],
    )
    record = measure(scenario, 1)[0]
    assert set(record.select("arrived")["node"]) == {1, 2, 3}
    assert 3 in set(record.select("session_resumed")["node"])


def test_a_node_may_join_the_moment_after_it_was_killed(small: Callable[..., Scenario]) -> None:
    faults = [{"at": 0.5, "kind": "kill", "node": 1}, {"at": 0.5001, "kind": "join", "node": 1}]
    record = measure(small(duration=4.0, registry=REGISTRY, faults=faults), 1)[0]
    told = record.select("node_stopped", "node_starting", "node_started")
    assert told["event"].tolist() == ["node_stopped", "node_starting", "node_started"]
    assert set(told["node"]) == {1}


def test_a_run_leaves_nothing_on_the_users_own_server(
    registry: SimpleNamespace, small: Callable[..., Scenario]
) -> None:
    sessions = {"store": "redis", "login_iterations": 1000}
    measure(small(duration=0.5, registry=REGISTRY, sessions=sessions), 1, redis_url=registry.bus.address)
    assert registry.client.keys("*") == []


def test_the_autoscaler_decides_as_often_as_in_the_model(small: Callable[..., Scenario]) -> None:
    scaling = {"target": 5, "minimum": 1, "maximum": 4, "sync_period": 0.3}
    scenario = small(duration=0.9, registry=REGISTRY, autoscaling=scaling)
    cluster = SimpleNamespace(scenario=scenario, decide=None)
    assert [step.at for step in Elastic.steps(cluster)] == pytest.approx([0.3, 0.6])  # type: ignore[arg-type]


def test_a_registrar_that_breaks_ends(registry: SimpleNamespace, stage: Stage, until: Callable[..., None]) -> None:
    registry.node(2, placement.free_ports(1)[0])
    until(lambda: 2 in registry.members(), 5, "not registered")
    config: dict[str, Any] = {"address": vars(registry.bus.address), "slots": vars(registry.slots), "sync": 0.1}
    members = {"path": "nowhere", "pid": 1, "head": [], "server": "{wrong}", "absent": {"2": "127.0.0.1:1"}}
    config |= {"expect": 1, "balancer": "nginx", "members": members}
    part = stage.python("registrar", "live.registry.registrar", config)
    assert part.wait(5)
    assert "KeyError: 'wrong'" in part.log.read_text()
