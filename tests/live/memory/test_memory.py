"""Real nodes with a limit of their memory: the kernel holds them to it, and both worlds see the same end."""

import resource
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import pytest

from live.calibration import rounds
from live.control.messages import Listening
from live.control.process import ChildProcess, Stage
from live.control.usage import sizes
from live.machine import placement
from live.memory import idle
from live.memory.memory import MemoryLimit, MemoryUsage, attach
from live.node.kinds import RUNTIMES
from live.runs import run
from sim import simulate
from tests.footprints import memory_profile
from twin.errors import ClusterError, HostError, ScenarioError
from twin.invariants import audit
from twin.measures import measure_memory
from twin.rules.faults import Standing
from twin.scenario.scenario import Scenario

pytestmark = [pytest.mark.live, pytest.mark.patient]

ROOM = 4 * 2**20
"""Bytes that a node of these tests may grow by: some 300 connections, or 50 if they are as large as those of threads.
Python's allocator takes a mebibyte at a time."""


class Cluster:
    """One node, as a part of the cluster sees it."""

    def __init__(self, stage: Stage, scenario: Scenario) -> None:
        (self.port,) = placement.free_ports(1)
        self.stage, self.scenario = stage, scenario
        self.standings = [Standing()]
        self.noted: list[tuple[str, int]] = []
        self.killed: list[int] = []
        self.restarting: set[int] = set()
        self.helpers: list[Any] = []
        self.nodes = [self.renew_node(1)]
        self.nodes[0].hear(Listening)

    def renew_node(self, number: int) -> ChildProcess:
        config = {"number": number, "port": self.port, "backlog": 100}
        cpus = placement.placement(self.scenario).cluster[:1]
        process = RUNTIMES["asyncio"].start(self.stage, "node 1", config, cpus)
        self.nodes = [process]
        return process

    def node(self, number: int) -> ChildProcess:
        return self.nodes[number - 1]

    def note(self, t: float, event: str, node: int = -1, detail: str = "", client: int = -1) -> None:
        self.noted.append((event, node))

    def attend(self) -> None:
        if 1 in self.killed and not self.node(1).running:
            self.killed.remove(1)


@contextmanager
def limited(small: Callable[..., Scenario], restart: float = 0.0) -> Iterator[tuple[Cluster, MemoryLimit]]:
    """A node with room for some connections."""
    with Stage() as stage:
        cluster = Cluster(stage, small(nodes={"count": 1}))
        limit = sizes(cluster.nodes[0].pid)[0] + ROOM
        cluster.scenario = small(nodes={"count": 1, "memory_limit": limit, "memory_restart": restart})
        part = MemoryLimit(cluster)  # type: ignore[arg-type]
        part.node_started(1, cluster.nodes[0])
        part.wait_ready()
        yield cluster, part
        for helper in cluster.helpers:
            helper.join()


def crowded(cluster: Cluster, part: MemoryLimit) -> int:
    """Open connections until the node is killed, and return how many there were."""
    raw = []
    while not cluster.killed and len(raw) < 1000:
        raw += rounds.upgrade(cluster.port, 10)
        part.attend()
    for one in raw:
        one.close()
    return len(raw)


def test_a_node_gets_what_it_may_have_and_is_killed_for_more(small: Callable[..., Scenario]) -> None:
    with limited(small) as (cluster, part):
        node = cluster.nodes[0]
        soft, _ = resource.prlimit(node.pid, resource.RLIMIT_DATA)
        data = sizes(node.pid)[1]
        assert soft - data == pytest.approx(ROOM, abs=ROOM / 4)
        part.begin(0.0)
        part.attend()
        assert not cluster.noted
        assert 50 < crowded(cluster, part) < 900
        assert cluster.noted == [("out_of_memory", 1)]
        assert cluster.standings[0].phase == "dead"
        node.wait(10.0)
        assert node.status == -9
        part._reached = lambda node: True  # type: ignore[method-assign]
        with pytest.raises(ClusterError, match=r"nodes\.memory_limit is \d+: node 1 reached it before the run began"):
            part.begin(0.0)


def test_a_new_process_takes_its_place_and_has_the_same_limit(small: Callable[..., Scenario]) -> None:
    with limited(small, restart=0.3) as (cluster, part):
        first = cluster.nodes[0]
        assert crowded(cluster, part)
        began = time.monotonic()
        while cluster.standings[0].phase != "up" and time.monotonic() - began < 20.0:
            part.attend()
            cluster.attend()
            time.sleep(0.01)
        assert time.monotonic() - began >= 0.2
        second = cluster.nodes[0]
        assert second is not first
        part.attend()
        assert resource.prlimit(second.pid, resource.RLIMIT_DATA)[0] != resource.RLIM_INFINITY
        assert ("node_started", 1) in cluster.noted


def test_a_client_that_does_not_read_ends_its_node_in_both_worlds(small: Callable[..., Scenario]) -> None:
    talk: dict[str, Any] = {
        "bus": {"kind": "pubsub"},
        "publisher": {"rate": 20.0, "payload_bytes": 500_000, "stop": 4.5},
        "slow_consumer": {"limit_bytes": 200_000_000},
        "clients": {"count": 4, "heartbeat": {"interval": 0.0}},
        "duration": 5.0,
        "faults": [{"at": 0.3, "kind": "stall", "client": 0, "duration": 4.5}],
    }
    own = run(small(**talk | {"duration": 1.0, "faults": []}, host={"memory": True})).select("node_memory")
    base = int(own["after"].max())
    scenario = small(**talk, nodes={"memory_limit": base + 12_000_000})
    starts = {name: {"node": [base], "connection": [15_000]} for name in ("start_node", "start_broadcast")}
    profile = memory_profile(memory={"asyncio": starts})
    live, predicted = run(scenario), simulate(scenario, 0, profile)
    deaths = []
    for record in (live, predicted):
        assert audit(record).as_dict()["broken"] == {}
        assert measure_memory(record)["memory_kills"] >= 1  # on a busy machine the other node falls behind as well
        home = record.select("connected").query("client == 0")["node"].iloc[0]
        death = record.select("out_of_memory").iloc[0]
        assert death["node"] == home
        deaths.append(death["t"])
    assert deaths[1] <= deaths[0] < 4.6  # the way to a real client holds some megabytes


def test_idle_connections_are_counted_and_what_is_not_idle_is_refused(
    small: Callable[..., Scenario], monkeypatch: pytest.MonkeyPatch
) -> None:
    scenario = small(nodes={"count": 1}, clients={"count": 300}, host={"memory": True})
    told: list[int] = []
    record = idle.hold(scenario, 2, told.append)
    memory = record.select("node_memory").iloc[0]
    assert (memory["connections"], record.replication, told) == (300, 2, [250, 300])
    assert 5_000 < measure_memory(record)["connection_bytes"] < 100_000
    for changes in ({"nodes": {"count": 2}}, {"clients": {"sends": {"rate": 1.0}}}, {"nodes": {"handler": {}}}):
        with pytest.raises(ScenarioError, match=r"idle connections"):
            idle.check(scenario.vary(**changes))
    monkeypatch.setattr(resource, "getrlimit", lambda which: (100, 350))
    with pytest.raises(
        HostError, match=r"clients\.count is 300: 400 files must be open at a time and the limit is 350"
    ):
        idle.check(scenario)


def test_a_scenario_that_does_not_ask_for_it_has_no_part_of_it(small: Callable[..., Scenario]) -> None:
    found: list[object] = []

    def parts(**changes: Any) -> list[type]:
        found.clear()
        attach(type("Some", (), {"scenario": small(**changes), "add": lambda self, part: found.append(part)})())
        return [type(one) for one in found]

    assert parts() == []
    assert parts(host={"memory": True}) == [MemoryUsage]
    assert parts(nodes={"memory_limit": 2**26}) == [MemoryUsage, MemoryLimit]
