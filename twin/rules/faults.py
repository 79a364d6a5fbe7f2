"""What a fault does to a node on which others act already, and when its effect is over.

A node is a process behind a link. A fault of the process (`kill`, `hang`, `restart`, `drain`) acts on the process that
is there and ends with it; to a node without one it does nothing, but for a restart, which starts one. A fault of the
link (`blackhole`, `partition`, `delay`) acts on whatever process is behind it, now or later. What holds something back
(a hang, a dead link) holds it as long as any fault does. Sources: signal(7) (SIGKILL ends a stopped process, SIGTERM
waits for SIGCONT, a second SIGSTOP changes nothing, a process without a handler for SIGTERM ends); this lab (who starts
a new process).
"""

from collections.abc import Sequence
from dataclasses import dataclass
from math import inf
from typing import Literal, Protocol

Phase = Literal["dead", "starting", "up"]
"""No process; one that does not listen yet; one that listens, or ends by itself after a restart or a drain."""

Order = Literal["", "restart", "drain"]
"""What the present process was told to do, whether it has begun with it or not."""

OF_PROCESS = frozenset({"kill", "hang", "restart", "drain", "join", "outage"})
"""Faults that change or need the process of a node."""
HELD = frozenset({"stall", "partition", "bus_down", "bus_hang", "bus_partition", "store_down"})
"""Faults of links, readers and servers: after its duration nothing is left of one."""


def acts(kind: str, phase: Phase, order: Order, powered: bool = True, absent: bool = False) -> bool:
    """Tell whether a fault does anything to a node, or to the bus.

    Args:
        kind: the fault.
        phase: of the process; a killed one is dead from the signal on.
        order: what the process was told before.
        powered: whether the node has power, so that a process can be started.
        absent: whether there is no such node at present: it has not joined yet, or was ended for good.
    """
    if kind == "join":
        return phase == "dead" and powered
    if absent:
        return False
    if kind in ("blackhole", "partition", "delay"):
        return True
    if kind == "bus_cut":  # what starts has no connection to the bus yet; asked of the bus, too
        return phase == "up"
    if kind == "drain":
        return phase != "dead" and not order
    if kind == "restart":
        return order != "restart" and powered
    return phase != "dead"


@dataclass
class Hold:
    """Something that one or several faults keep in a state; it is over with the last of them."""

    count: int = 0

    def begin(self) -> bool:
        """One more fault holds it; True if it is the first."""
        self.count += 1
        return self.count == 1

    def over(self) -> bool:
        """One fault fewer; True if it was the last."""
        self.count -= 1
        return self.count == 0

    @property
    def on(self) -> bool:
        """Whether any fault holds it."""
        return self.count > 0


class Standing:
    """How a node stands: its process, what that was told, and what holds it or its links.

    Attributes:
        phase: of its process.
        order: what the process was told.
        life: counts the ends of its processes, and so names the present one.
        powered: no outage keeps it without power.
        absent: there is no such node at present: it has not joined yet, or was ended for good.
        leaving: its process was told to end for good, so that no new one takes its place.
        returns: whoever has ended its last process starts a new one.
        hung: faults that keep the present process stopped.
        dark: faults that let nothing pass between it and the balancer.
        cut: faults that let nothing pass between it and the bus.
    """

    def __init__(self, phase: Phase = "up", absent: bool = False) -> None:
        self.phase: Phase = phase
        self.order: Order = ""
        self.life = 0
        self.powered = True
        self.absent = absent
        self.leaving = False
        self.returns = False
        self.hung = Hold()
        self.dark = Hold()
        self.cut = Hold()

    def begin(self, kind: str, returns: bool = False) -> int | None:
        """A fault is injected into the node: return the life that it belongs to, None if it has no effect.

        The life is what `over` asks for. A fault without effect is never over, as it never began.

        Args:
            kind: the fault.
            returns: whether a kill starts a new process when its duration has passed.
        """
        if not acts(kind, self.phase, self.order, self.powered, self.absent):
            return None
        if kind == "kill":
            self.ended(returns)
        elif kind == "hang":
            self.hung.begin()
        elif kind == "blackhole":
            self.dark.begin()
        elif kind == "partition":
            self.cut.begin()
        elif kind == "restart":
            self.order = "restart"
        elif kind == "drain":
            self.order = "drain"
        return self.life

    def over(self, kind: str, life: int) -> bool:
        """The duration of a fault that had an effect has passed: tell whether its effect ends with it.

        True says what to do: `kill`, start a new process; `hang`, let the process go on; `blackhole` and `partition`,
        let pass what waits; the end of any other fault concerns itself only.
        """
        if kind == "kill":  # unless another fault has started a process, or there is no power to start one
            return self.phase == "dead" and self.life == life and self.powered and not self.absent
        if kind == "hang":  # a process that is gone does not go on
            return self.life == life and self.hung.over()
        if kind == "blackhole":
            return self.dark.over()
        if kind == "partition":
            return self.cut.over()
        return True

    def leave(self) -> None:
        """Whoever runs the cluster wants the node no more: its process drains, and no new one takes its place.

        A restart that was ordered before goes on; a node without a process is absent at once.
        """
        self.leaving = True
        if self.phase == "dead":
            self.absent, self.leaving = True, False
        else:
            self.order = self.order or "drain"

    def ended(self, returns: bool = False) -> None:
        """The process is gone, and with it all that it was told and all that held it.

        Args:
            returns: whether whoever has ended it starts a new one.
        """
        self.absent, self.leaving = self.absent or self.leaving, False
        self.returns = returns and not self.absent
        self.phase, self.order, self.hung = "dead", "", Hold()
        self.life += 1

    def boots(self) -> int:
        """A new process is started; return its life, for `listens`."""
        self.phase, self.order, self.hung = "starting", "", Hold()
        self.absent, self.leaving, self.returns = False, False, False
        return self.life

    def listens(self, life: int) -> bool:
        """The new process listens; False when it was ended before."""
        if self.phase != "starting" or self.life != life:
            return False
        self.phase = "up"
        return True

    def lose_power(self) -> None:
        """An outage begins: whatever process there is, is gone, and none can be started."""
        self.ended(True)
        self.powered = False


class Scheduled(Protocol):
    """A fault of a scenario, as far as it matters here; see `twin.scenario.faults.Fault`."""

    @property
    def kind(self) -> str: ...  # noqa: D102
    @property
    def at(self) -> float: ...  # noqa: D102
    @property
    def node(self) -> int | None: ...  # noqa: D102
    @property
    def client(self) -> int | None: ...  # noqa: D102
    @property
    def duration(self) -> float | None: ...  # noqa: D102


def surely_over(fault: Scheduled) -> float:
    """Return when nothing of a fault is left, in seconds, as far as the schedule alone tells; infinite if it does not.

    A hang is over when it ends. How long a node takes to end, to start or to be emptied is not in the schedule.
    """
    if fault.kind in (*HELD, "hang", "blackhole"):
        return inf if fault.duration is None else fault.at + fault.duration
    if fault.kind in OF_PROCESS:
        return inf
    return fault.at


def meet(one: Scheduled, other: Scheduled) -> bool:
    """Tell whether of two faults the later may find what the earlier has left, on the same node, client or bus."""
    first, second = sorted((one, other), key=lambda fault: fault.at)
    if (first.kind, second.kind) == ("bus_down", "bus_cut"):  # a bus that starts has nobody whom it could cut off
        return True
    if surely_over(first) < second.at:
        return False
    if first.kind == second.kind and first.kind in HELD:
        return (first.node, first.client) == (second.node, second.client)
    if "outage" not in (first.kind, second.kind) and first.node != second.node:
        return False
    return first.kind in OF_PROCESS and second.kind in (*OF_PROCESS, "bus_cut")


def any_meet(faults: Sequence[Scheduled]) -> bool:
    """Tell whether any two faults of a schedule may meet."""
    return any(meet(one, other) for i, one in enumerate(faults) for other in faults[:i])
