"""Faults beside a registry and an autoscaler, in real processes: the record tells the same story as the model's."""

from collections.abc import Callable
from types import SimpleNamespace
from typing import Any

import pytest
import redis

import sim
from live.limits import check
from live.registry.autoscaler import Elastic
from live.runs import run
from tests.strategies import small_profile
from twin.errors import ClusterError, HostError, ScenarioError
from twin.invariants import audit
from twin.measures.witness import unwitnessed
from twin.record.record import Record
from twin.rules.faults import Standing
from twin.scenario.scenario import Scenario

pytestmark = pytest.mark.live

REGISTRY = {"ttl": 2.0, "heartbeat": 0.3, "sync": 0.2}
SCALED = {"autoscaling": {"target": 10, "minimum": 1, "maximum": 4, "sync_period": 1.0}}
SEVERAL = {"bus": {"servers": "several"}, "sessions": {"store": "redis"}}
CLIENTS = ("attempt_connect", "connected", "disconnected", "connect_failed", "server_connections")


def told(record: Record) -> dict[int, list[str]]:
    """Return what each node's story is, in order; node -1 stands for all others. In the model, what the end of a fault
    lets pass comes at the time at which it is healed.
    """
    events = record.events[(record.events["t"] >= 0) & ~record.events["event"].isin(CLIENTS)]
    events = events.assign(later=events["event"] != "healed").sort_values(["t", "later"], kind="stable")
    return {
        int(node): [f"{event} {detail}".strip() for event, detail in zip(mine["event"], mine["detail"], strict=True)]
        for node, mine in events.groupby("node")
    }


def run_like(scenario: Scenario, model: Record) -> Record:
    """Return a record that counts or tells the model's story: a host that starves nodes tells another one, so what
    does neither is run again, twice at most.
    """
    for _ in range(3):
        record = run(scenario, replication=1)
        if record.counts or told(record) == told(model):
            break
    return record


def on(node: int, kind: str, at: float = 0.5, **more: Any) -> dict[str, Any]:
    return {"kind": kind, "node": node, "at": at, **more}


CASES = {
    "replaced": (SCALED, [on(2, "kill")]),
    "returns by itself": (SCALED, [on(2, "kill", duration=3.0)]),
    "killed while it is replaced": (SCALED, [on(2, "kill"), on(2, "kill", 0.55)]),
    "not there": (SCALED, [on(4, kind) for kind in ("kill", "hang", "restart", "drain", "blackhole", "partition")]),
    "restarted": ({}, [on(2, "restart")]),
    "dead link": ({}, [on(2, "blackhole", duration=1.5)]),
    "partitioned": ({}, [on(2, "partition", duration=3.0)]),
    "hangs": (SCALED, [on(2, "hang", duration=3.0)]),
    "registry down": ({"bus": {"persist": True}}, [{"kind": "bus_down", "at": 0.5, "duration": 0.8}]),
    "registry down for good": (SCALED, [{"kind": "bus_down", "at": 0.5}]),
    "sessions down": (SEVERAL, [{"kind": "bus_down", "at": 0.5, "duration": 0.4, "server": "sessions"}]),
    "reloaded": ({}, [on(2, "kill"), {"kind": "reload", "at": 3.2}]),
}


@pytest.mark.parametrize("case", CASES)
def test_both_worlds_tell_the_same_of_faults_beside_a_registry(case: str, small: Callable[..., Scenario]) -> None:
    more, faults = CASES[case]
    scenario = small(
        duration=6.0,
        clients={"heartbeat": {"interval": 0.6, "timeout": 0.5}},
        registry=REGISTRY,
        balancer={"retries": 3, "redispatch": 1, "connect_timeout": 0.5},
        faults=faults,
        **more,
    )
    model = sim.simulate(scenario, 1, small_profile())
    record = run_like(scenario, model)
    assert told(record) == told(model)
    assert not audit(record).violations
    assert not unwitnessed(record)


def test_a_registry_without_its_data_is_filled_again_by_the_next_signs_of_life(small: Callable[..., Scenario]) -> None:
    """Whether the registrar looks before that is a matter of phases: it then takes out whom it does not find."""
    down = {"kind": "bus_down", "at": 1.5, "duration": 0.4}
    join = on(3, "join", 0.3)
    record = run(small(duration=4.0, registry=REGISTRY, balancer={"retries": 3, "redispatch": 1}, faults=[join, down]))
    registered = record.select("registered").query("t >= 0")
    assert registered.query("t < 1.5")["node"].tolist() == [3]  # read before it was lost
    again = registered.query("t > 1.9")
    assert dict(zip(again["node"], again["detail"], strict=True)) == {1: "2", 2: "2", 3: "2"}
    marks = record.select("marked_up", "marked_down").query("t > 1.5")
    assert all(mine["event"].tolist() in ([], ["marked_down", "marked_up"]) for _, mine in marks.groupby("node"))
    assert len(record.select("registry_lost")) == 1
    assert not audit(record).violations


@pytest.mark.parametrize("kind", ["haproxy", "nginx"])
def test_a_balancer_that_reloads_goes_on_with_the_servers_that_it_was_told(
    kind: str, small: Callable[..., Scenario], balancer_installed: Callable[[str], None]
) -> None:
    """Node 3 has joined, and node 1 is dead when all clients of node 2 have to come back."""
    balancer_installed(kind)
    faults = [on(3, "join", 0.3), on(1, "kill", 0.5), {"kind": "reload", "at": 3.2}, on(2, "kill", 4.0)]
    balancer = {"kind": kind} | ({"retries": 3, "redispatch": 1} if kind == "haproxy" else {})
    scenario = small(duration=8.0, registry=REGISTRY, balancer=balancer, faults=faults)
    record = run(scenario)
    came = record.select("connected").query("t > 4.0")
    assert set(came["node"]) == {3}
    assert not audit(record).violations


def test_several_servers_are_the_labs_own(small: Callable[..., Scenario]) -> None:
    scenario = small(registry=REGISTRY, **SEVERAL)
    with pytest.raises((ScenarioError, HostError), match="--redis-url names one server"):
        check(scenario, "redis://127.0.0.1:1/")


def test_a_registry_that_does_not_answer_is_told_in_one_sentence() -> None:
    cluster = SimpleNamespace(
        client=redis.Redis(port=1, retry=None), bus=SimpleNamespace(url="redis://there"), standing=Standing()
    )
    with pytest.raises(ClusterError, match=r"^the registry at redis://there does not answer: .*\.$"):
        Elastic._ask(cluster, "time")  # type: ignore[arg-type]
    cluster.standing.begin("kill")
    assert Elastic._ask(cluster, "time") is None  # type: ignore[arg-type]
    cluster.standing.boots()  # it starts, and does not answer yet
    assert Elastic._ask(cluster, "time") is None  # type: ignore[arg-type]
