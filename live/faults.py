"""Faults done to real processes on the scenario's schedule."""

import contextlib
import signal
import threading
import time
from typing import TYPE_CHECKING, Any

from live.control.process import READY_WITHIN
from live.machine.timing import ScheduledAction
from live.node.lives import replace
from twin.errors import ClusterError, HostError
from twin.rules.faults import Standing, acts
from twin.scenario.faults import Fault

if TYPE_CHECKING:
    from live.broadcast.broadcast import Broadcast
    from live.broadcast.bus import Bus
    from live.ports import Cluster

_SIGNALS = {"hang": signal.SIGSTOP, "kill": signal.SIGKILL, "restart": signal.SIGTERM}


def schedule(cluster: "Cluster", faults: list[Fault]) -> "list[ScheduledAction]":
    """Return what to do and when (seconds after the start of the run), in order."""
    steps: list[ScheduledAction] = []
    for one in (Injection(cluster, fault) for fault in faults):
        fault, what = one.fault, _named(one.fault)
        steps.append(ScheduledAction(fault.at, f"the {what}", one.begin))
        if fault.duration is not None:
            steps.append(ScheduledAction(fault.at + fault.duration, f"the end of the {what}", one.end))
    return sorted(steps, key=lambda step: step.at)


def _named(fault: Fault) -> str:
    """Return what a fault is called in the record's timing."""
    whom = f" of node {fault.node}" if fault.node is not None else ""
    return fault.kind + (f" of client {fault.client}" if fault.client is not None else whom)


class Injection:
    """One fault of the schedule: `twin.rules.faults` decides what it does when it begins, and what ends with it.

    Attributes:
        kind: what it is to its target; the bus is killed.
        life: of the process that it acts on; None if it had no effect, or has not begun.
    """

    def __init__(self, cluster: "Cluster", fault: Fault) -> None:
        self.cluster = cluster
        self.fault = fault
        self.kind = "kill" if fault.kind == "bus_down" else fault.kind
        self.life: int | None = None
        self.standing: Standing | None = None
        if fault.kind == "bus_down":
            self.standing = cluster.bus_standing
        elif fault.node is not None:
            self.standing = cluster.standings[fault.node - 1]

    def begin(self) -> None:
        """Do it, or note that it has no effect."""
        cluster, fault = self.cluster, self.fault
        cluster.attend()  # who has ended by now is gone
        if self._has_ended() and self.standing is not None and self.standing.phase != "dead":
            self.standing.ended()  # by itself: its slot was taken, say
        self.life = 0 if self.standing is None else self.standing.begin(self.kind)
        if fault.kind == "bus_cut" and not acts("bus_cut", cluster.bus_standing.phase, ""):
            self.life = None
        if self.life is None:
            note(cluster, "no_effect", fault)
            return
        if fault.kind != "join":
            note(cluster, "fault", fault)
        _begin(cluster, fault)

    def _has_ended(self) -> bool:
        number, nodes = self.fault.node, self.cluster.nodes
        return number is not None and number <= len(nodes) and not nodes[number - 1].running

    def end(self) -> None:
        """Its duration has passed: end what it has done, if that is not over yet, or goes on by another fault."""
        if self.life is None:
            return
        cluster, fault, over = self.cluster, self.fault, True
        if self.standing is not None:
            over = self.standing.over(self.kind, self.life)
        elif fault.client is not None:
            over = cluster.stalls[fault.client].over()
        if over:
            _heal(cluster, fault)


def _begin(cluster: "Cluster", fault: Fault) -> None:
    kind, number = fault.kind, fault.node or 0
    if kind == "join":
        assert cluster.elastic is not None
        _see_off(cluster, number)
        cluster.elastic.join(number)
    elif kind == "reload":
        cluster.balancer.reload()
    elif kind == "drain":
        cluster.nodes[number - 1].let_end()
        cluster.nodes[number - 1].tell(drain=fault.lead or 0.0, pace=fault.pace or 0.0)
        cluster.restarting.add(number)
    elif kind == "restart" and cluster.standings[number - 1].phase == "dead":
        _see_off(cluster, number)
        replace(cluster, number, kind)
    elif kind in _SIGNALS:
        cluster.nodes[number - 1].signal(_SIGNALS[kind])
        if kind == "restart":
            cluster.restarting.add(number)
        elif kind == "kill":  # what the process was told has come to nothing
            cluster.killed.append(number)
            cluster.restarting.discard(number)
    elif kind == "stall":
        assert fault.client is not None
        if cluster.stalls[fault.client].begin():
            _stall(cluster, fault, True)
    elif kind == "blackhole":
        cluster.links[number].tell(drop=True)
    elif kind == "bus_down":
        _server(cluster).kill()
    elif kind == "bus_cut":
        _broadcast(cluster).cut(number)
    elif kind == "partition":
        _relay(cluster, number, cut=True)
    else:
        _slow(cluster, number, fault.delay or 0.0)


def _heal(cluster: "Cluster", fault: Fault) -> None:
    kind, number = fault.kind, fault.node or 0
    if kind == "bus_down":
        begun = cluster.bus_standing.boots()
        _server(cluster).start_again()
        threading.Thread(target=_answers_again, args=(cluster, fault, begun), daemon=True).start()
        return
    if kind == "kill":
        _see_off(cluster, number)
        replace(cluster, number, kind)
        return
    note(cluster, "healed", fault)
    if kind == "hang":
        cluster.nodes[number - 1].signal(signal.SIGCONT)
    elif kind == "blackhole":
        cluster.links[number].tell(drop=False)
    elif kind == "stall":
        _stall(cluster, fault, False)
    elif kind == "partition":
        _relay(cluster, number, cut=False)
    else:
        _slow(cluster, number, -(fault.delay or 0.0))


def note(cluster: "Cluster", event: str, fault: Fault) -> None:
    """Note that a fault begins or is over."""
    node, client = (-1 if number is None else number for number in (fault.node, fault.client))
    cluster.note(time.monotonic(), event, node, fault.kind, client)


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


def _relay(cluster: "Cluster", number: int, **orders: Any) -> None:
    _broadcast(cluster).relays[number].tell(**orders)


def _slow(cluster: "Cluster", number: int, delay: float) -> None:
    """Let a node's link to the bus take so many seconds longer than it does; below 0, shorter."""
    cluster.delays[number] = max(0.0, cluster.delays[number] + delay)
    _relay(cluster, number, delay=cluster.delays[number])


def _answers_again(cluster: "Cluster", fault: Fault, begun: int) -> None:
    with contextlib.suppress(ClusterError, HostError, OSError):
        _server(cluster).wait_ready(READY_WITHIN)
        if cluster.bus_standing.listens(begun):
            note(cluster, "healed", fault)
