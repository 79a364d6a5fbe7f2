"""Faults done to real processes on the scenario's schedule.

What a kind of fault does belongs to the room on which it acts, and is registered there: a table `KINDS` in its module
`faults`. Here is only what all have in common: when they begin and end, whether they have an effect, and what is noted.
"""

import time
from collections.abc import Callable
from typing import TYPE_CHECKING

from live.balancer import faults as of_balancer
from live.broadcast import faults as of_broadcast
from live.client import faults as of_client
from live.machine.timing import ScheduledAction
from live.network import faults as of_network
from live.node import faults as of_node
from live.pool import faults as of_pool
from live.ports import Effect
from live.registry import faults as of_registry
from twin.scenario.faults import Fault

if TYPE_CHECKING:
    from live.ports import Cluster

KINDS: "dict[str, Callable[[Cluster, Fault], Effect]]" = {
    **of_node.KINDS,
    **of_network.KINDS,
    **of_client.KINDS,
    **of_balancer.KINDS,
    **of_broadcast.KINDS,
    **of_registry.KINDS,
    **of_pool.KINDS,
}
"""What each kind of fault does, by its name in a scenario; `live.limits` refuses the others."""
AHEAD = 0.2
"""Seconds before its time at which a fault is got ready that needs that, so that it comes when it is due."""


def schedule(cluster: "Cluster", faults: list[Fault]) -> "list[ScheduledAction]":
    """Return what to do and when (seconds after the start of the run), in order."""
    steps: list[ScheduledAction] = []
    for one in (Injection(cluster, fault) for fault in faults):
        fault, what = one.fault, _named(one.fault)
        if type(one.effect).prepare is not Effect.prepare:
            steps.append(
                ScheduledAction(max(0.0, fault.at - AHEAD), f"getting ready for the {what}", one.effect.prepare)
            )
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
        effect: what it does.
        life: of the process that it acts on; None if it had no effect, or has not begun.
    """

    def __init__(self, cluster: "Cluster", fault: Fault) -> None:
        self.cluster = cluster
        self.fault = fault
        self.effect = KINDS[fault.kind](cluster, fault)
        self.life: int | None = None

    def begin(self) -> None:
        """Do it, or note that it has no effect."""
        self.cluster.attend()  # who has ended by now is gone
        self.life = self.effect.begins()
        if self.life is None:
            note(self.cluster, "no_effect", self.fault)
            return
        if self.effect.announced:
            note(self.cluster, "fault", self.fault)
        self.effect.begin()

    def end(self) -> None:
        """Its duration has passed: end what it has done, if that is not over yet, or goes on by another fault."""
        if self.life is None or not self.effect.over(self.life):
            return
        if self.effect.heals:  # noted before what it lets happen
            note(self.cluster, "healed", self.fault)
        self.effect.end()


def note(cluster: "Cluster", event: str, fault: Fault) -> None:
    """Note that a fault begins, has no effect, or is over."""
    node, client = (-1 if number is None else number for number in (fault.node, fault.client))
    cluster.note(time.monotonic(), event, node, fault.kind, client)
