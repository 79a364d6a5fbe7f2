"""Faults done to real processes on the scenario's schedule."""

import signal
import time
from collections.abc import Callable
from typing import TYPE_CHECKING

from twin.fault_settings import Fault

if TYPE_CHECKING:
    from live.world import Cluster

Step = tuple[float, Callable[[], None]]


def schedule(cluster: "Cluster", faults: list[Fault]) -> list[Step]:
    """Return what to do and when (seconds after the start of the run), in order."""
    steps: list[Step] = []
    for fault in faults:
        steps.append((fault.at, lambda fault=fault: _begin(cluster, fault)))  # type: ignore[misc]
        if fault.kind == "hang" and fault.duration is not None:
            steps.append((fault.at + fault.duration, lambda fault=fault: _resume(cluster, fault)))  # type: ignore[misc]
    return sorted(steps, key=lambda step: step[0])


def _begin(cluster: "Cluster", fault: Fault) -> None:
    if fault.kind == "reload":
        cluster.note(time.monotonic(), "fault", detail="reload")
        cluster.balancer.reload()
        return
    assert fault.node is not None
    part = cluster.nodes[fault.node - 1]
    number = {"kill": signal.SIGKILL, "hang": signal.SIGSTOP, "restart": signal.SIGTERM}[fault.kind]
    cluster.note(time.monotonic(), "fault", node=fault.node, detail=fault.kind)
    part.signal(number)
    if fault.kind == "restart":
        cluster.restarting.append(fault.node)
    elif fault.kind == "kill":
        cluster.killed.append(fault.node)


def _resume(cluster: "Cluster", fault: Fault) -> None:
    assert fault.node is not None
    cluster.nodes[fault.node - 1].signal(signal.SIGCONT)
    cluster.note(time.monotonic(), "healed", node=fault.node, detail=fault.kind)
