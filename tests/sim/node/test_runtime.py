"""What a node takes from its runtime, with runtimes that the test makes up."""

from typing import ClassVar

import pytest

from sim import simulate
from sim.engines import uncovered
from sim.node import kinds
from sim.node.asyncio_runtime import AsyncioRuntime
from tests.costs import cost_of
from tests.strategies import small, small_profile
from twin.errors import ScenarioError
from twin.scenario.scenario import Scenario

RESTART = [{"at": 1.0, "kind": "restart", "node": 1}]
KILL = [{"at": 1.0, "kind": "kill", "node": 1}]


class Eager(AsyncioRuntime):
    """Accepts all that waits in one round."""

    accepts: ClassVar[int] = 1000
    compiled: ClassVar[bool] = False


class Impatient(AsyncioRuntime):
    """Does not wait long for the answer to a close frame."""

    close_timeout: ClassVar[float] = 0.25


def run(monkeypatch, runtime, scenario):
    monkeypatch.setitem(kinds.RUNTIMES, "asyncio", runtime)
    return simulate(scenario, 0, small_profile(), engine="simpy")


def test_a_runtime_that_accepts_all_at_once_pays_for_fewer_accepts(monkeypatch):
    """All clients of the killed node come to the other one at once, and wait there."""
    at_once = {"reconnect": {"policy": "immediate"}}
    scenario = small(
        clients={"count": 40, **at_once},
        nodes={"count": 2},
        balancer={"retries": 3, "redispatch": 1},
        faults=KILL,
        host={"placement": "separate"},
    )
    times = []
    for runtime in (AsyncioRuntime, Eager):
        record = run(monkeypatch, runtime, scenario)
        times.append(record.select("connected").query("t > 0")["t"].max())
    # a lone accept costs as much in both; each further one of a round is free in the second
    assert 0.0 < times[0] - times[1] < 20 * cost_of("node_accept")


def test_how_long_a_node_waits_for_an_answer_to_its_close_frame_is_its_runtime_s(monkeypatch):
    stalls = [{"at": 0.9, "kind": "stall", "client": client, "duration": 6.0} for client in range(3)]
    scenario = small(
        clients={"count": 3, "heartbeat": {"interval": 0.0}},
        nodes={"count": 1},
        bus={"kind": "stream"},
        publisher={"rate": 1.0},
        faults=RESTART + stalls,
    )
    stopped = []
    for runtime in (Impatient, AsyncioRuntime):
        record = run(monkeypatch, runtime, scenario)
        stopped.append(record.select("node_stopped")["t"].iloc[0])
    assert stopped[0] == pytest.approx(1.25, abs=0.1)
    assert stopped[1] > 6.0


def test_the_compiled_engine_says_which_runtimes_it_does_not_have(monkeypatch):
    assert uncovered(small()) == ""
    monkeypatch.setitem(kinds.RUNTIMES, "asyncio", Eager)
    assert uncovered(small()) == "the nodes run on something else than asyncio"


def test_a_runtime_that_nobody_has_is_refused():
    with pytest.raises(ScenarioError, match=r"nodes\.runtime is 'java'; allowed is one of 'asyncio'"):
        Scenario.parse({"name": "x", "nodes": {"runtime": "java"}})


@pytest.mark.parametrize(
    ("table", "named"),
    [
        ({"sessions": {"store": "memory"}}, "sessions.store"),
        ({"registry": {}}, "registry"),
        ({"nodes": {"lifetime": {"mean": 60.0}}}, "nodes.lifetime"),
    ],
)
def test_a_mechanism_that_nodes_in_go_have_not_is_refused(table, named):
    with pytest.raises(ScenarioError, match=rf"nodes\.runtime is 'go'; allowed is 'asyncio'.* with {named}"):
        small(**{"nodes": {"runtime": "go"} | table.pop("nodes", {})} | table)


def test_a_profile_that_was_made_without_the_runtime_says_so():
    bare = small_profile()
    lacking = bare.model_copy(update={"parts": {**bare.parts, "node": {}}})
    with pytest.raises(ScenarioError, match=r"^nodes\.runtime is 'asyncio'; .* calibrated without asyncio\.$"):
        simulate(small(), 0, lacking)
