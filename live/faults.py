"""Faults done to real processes on the scenario's schedule."""

import contextlib
import signal
import threading
import time
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from live.process import READY_WITHIN
from twin.errors import ClusterError, HostError
from twin.fault_settings import Fault

if TYPE_CHECKING:
    from live.broadcast import Broadcast
    from live.bus import Bus
    from live.world import Cluster

Step = tuple[float, Callable[[], None]]
_SIGNALS = {"kill": signal.SIGKILL, "hang": signal.SIGSTOP, "restart": signal.SIGTERM}


def schedule(cluster: "Cluster", faults: list[Fault]) -> list[Step]:
    """Return what to do and when (seconds after the start of the run), in order."""
    steps: list[Step] = []
    for fault in faults:
        steps.append((fault.at, lambda fault=fault: _begin(cluster, fault)))  # type: ignore[misc]
        if fault.duration is not None:
            steps.append((fault.at + fault.duration, lambda fault=fault: _heal(cluster, fault)))  # type: ignore[misc]
    return sorted(steps, key=lambda step: step[0])


def _begin(cluster: "Cluster", fault: Fault) -> None:
    if fault.kind == "join":
        assert fault.node is not None
        assert cluster.elastic is not None
        _see_off(cluster, fault.node)
        cluster.elastic.join(fault.node)
        return
    note(cluster, "fault", fault)
    if fault.kind == "reload":
        cluster.balancer.reload()
    elif fault.kind == "drain":
        assert fault.node is not None
        if cluster.nodes[fault.node - 1].running and fault.node not in cluster.killed:  # else there is nothing to drain
            cluster.nodes[fault.node - 1].tell(drain=fault.lead or 0.0, pace=fault.pace or 0.0)
            cluster.restarting[fault.node] = "drain"
    elif fault.kind in _SIGNALS:
        assert fault.node is not None
        cluster.nodes[fault.node - 1].signal(_SIGNALS[fault.kind])
        if fault.kind == "restart":
            cluster.restarting[fault.node] = "restart"
        elif fault.kind == "kill":
            cluster.killed.append(fault.node)
            if cluster.restarting.get(fault.node) == "drain":  # which has come to nothing
                del cluster.restarting[fault.node]
    elif fault.kind == "stall":
        _stall(cluster, fault, True)
    elif fault.kind == "blackhole":
        assert fault.node is not None
        cluster.links[fault.node].tell(drop=True)
    elif fault.kind == "bus_down":
        _server(cluster).kill()
    else:
        _on_bus(_broadcast(cluster), fault)


def _heal(cluster: "Cluster", fault: Fault) -> None:
    if fault.kind == "bus_down":
        _server(cluster).start_again()
        threading.Thread(target=_answers_again, args=(cluster, fault), daemon=True).start()
        return
    if fault.kind == "kill":
        assert fault.node is not None
        _start_again(cluster, fault.node)
        return
    note(cluster, "healed", fault)
    if fault.kind == "hang":
        assert fault.node is not None
        cluster.nodes[fault.node - 1].signal(signal.SIGCONT)
    elif fault.kind == "blackhole":
        assert fault.node is not None
        cluster.links[fault.node].tell(drop=False)
    elif fault.kind == "stall":
        _stall(cluster, fault, False)
    else:
        _relay(_broadcast(cluster), fault, cut=False, delay=0.0)


def note(cluster: "Cluster", event: str, fault: Fault) -> None:
    """Note that a fault begins or is over."""
    node, client = (-1 if number is None else number for number in (fault.node, fault.client))
    cluster.note(time.monotonic(), event, node, fault.kind, client)


def _start_again(cluster: "Cluster", number: int) -> None:
    """Start a new process for a node that was killed, unless another fault has done so already."""
    _see_off(cluster, number)
    if not cluster.nodes[number - 1].running and number not in cluster.restarting:
        cluster.replace(number, "kill")


def _see_off(cluster: "Cluster", number: int) -> None:
    """Wait until a node that was killed is gone, its port free."""
    if number in cluster.killed:
        cluster.nodes[number - 1].wait(READY_WITHIN)
        cluster.attend()


def _broadcast(cluster: "Cluster") -> "Broadcast":
    assert cluster.broadcast is not None  # such a fault needs a publisher
    return cluster.broadcast


def _server(cluster: "Cluster") -> "Bus":
    assert cluster.server is not None  # such a fault needs a publisher, or sessions on the bus
    return cluster.server


def _stall(cluster: "Cluster", fault: Fault, on: bool) -> None:
    assert fault.client is not None
    cluster.swarm[fault.client // cluster.scenario.clients.per_process].tell(stall=fault.client, on=on)


def _on_bus(broadcast: "Broadcast", fault: Fault) -> None:
    if fault.kind == "bus_cut":
        assert fault.node is not None
        broadcast.cut(fault.node)
    elif fault.kind == "partition":
        _relay(broadcast, fault, cut=True)
    else:
        _relay(broadcast, fault, delay=fault.delay)


def _relay(broadcast: "Broadcast", fault: Fault, **orders: Any) -> None:
    assert fault.node is not None
    broadcast.relays[fault.node].tell(**orders)


def _answers_again(cluster: "Cluster", fault: Fault) -> None:
    with contextlib.suppress(ClusterError, HostError, OSError):
        _server(cluster).wait_ready(READY_WITHIN)
        note(cluster, "healed", fault)
