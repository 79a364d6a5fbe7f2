"""CPU time of processes as the lab books it: what was used before the run does not count, nor who is another one."""

from types import SimpleNamespace
from typing import Any

import pytest

from live.machine.accounts import CpuAccounts, attach
from twin.record.events import CpuUsed


class Part:
    """A process that has used so many microseconds."""

    def __init__(self, microseconds: int, running: bool = True) -> None:
        self.used = microseconds
        self.running = running

    def cpu_ns(self) -> int:
        return 1000 * self.used


@pytest.fixture
def cluster() -> Any:
    nodes, swarm = [Part(10), Part(20)], [Part(100), Part(200)]
    scenario = SimpleNamespace(faults=[], notes_cpu=True, duration=5.0)
    return SimpleNamespace(nodes=nodes, swarm=swarm, balancer=Part(1000), scenario=scenario, parts=[])


def told(cluster: Any, accounts: CpuAccounts) -> dict[tuple[str, int], int]:
    (step,) = accounts.steps()
    assert 0.0 < step.at < cluster.scenario.duration
    step.do()
    cluster.balancer.used += 1000  # what comes after the run does not count
    rows = accounts.finish(0.0)
    return {(CpuUsed.of(row).part, row[3]): CpuUsed.of(row).microseconds for row in rows}


def begun(cluster: Any) -> CpuAccounts:
    accounts = CpuAccounts(cluster)
    accounts.begin(0.0)
    for part in (*cluster.nodes, *cluster.swarm, cluster.balancer):
        part.used += 7
    return accounts


def test_what_a_run_has_used_is_told_of_each_node_and_of_all_clients_together(cluster: Any) -> None:
    assert told(cluster, begun(cluster)) == {("node", 1): 7, ("node", 2): 7, ("balancer", -1): 7, ("clients", -1): 14}


def test_a_node_that_is_gone_or_another_one_is_left_out(cluster: Any) -> None:
    accounts = begun(cluster)
    cluster.nodes[0] = Part(5)
    assert ("node", 1) not in told(cluster, accounts)
    cluster.nodes[1].running = False
    assert set(told(cluster, accounts)) == {("balancer", -1), ("clients", -1)}


def test_a_balancer_that_was_reloaded_is_left_out(cluster: Any) -> None:
    cluster.scenario.faults = [SimpleNamespace(kind="reload")]
    assert ("balancer", -1) not in told(cluster, begun(cluster))


@pytest.mark.parametrize("asked", [True, False])
def test_only_who_asks_for_it_gets_it(asked: bool, cluster: Any) -> None:
    cluster.scenario.notes_cpu = asked
    cluster.add = cluster.parts.append
    attach(cluster)
    assert len(cluster.parts) == asked
