"""Faults that only messages feel. See `sim.faults` (`inject_on_messages`)."""

from typing import Any

from sim.compiled.broadcast.bus import kill
from sim.compiled.broadcast.layout import BUS_STARTED, cast, endpoint_at
from sim.compiled.broadcast.link import restore
from sim.compiled.broadcast.subscriber import read_again, stall
from sim.compiled.broadcast.subscriptions import leave
from sim.compiled.events.queue import schedule
from sim.compiled.memory.layout import BUS_CUT, BUS_DOWN, CLOSED, DELAY, HEAL, HEALED, PARTITION, STALL, fault_at
from sim.compiled.notes import note
from sim.compiled.toolchain.jit import jit, whole


@jit
def inject_on_messages(w: Any, place: int) -> None:
    """Do what only messages can feel."""
    c, fault = cast(w), fault_at(w.faults, place)
    kind, node = whole(fault.kind), whole(fault.node)
    if kind == BUS_CUT:
        leave(w, node, CLOSED)
        return
    if kind == BUS_DOWN:
        kill(w)
    elif kind == STALL:
        stall(w, whole(fault.client))
    elif kind == PARTITION:
        endpoint_at(c.endpoints, node).cuts += 1
    elif kind == DELAY:
        endpoint_at(c.endpoints, node).delay += fault.delay
    else:
        return
    if fault.duration >= 0.0:
        schedule(w, fault.duration, HEAL, place, 0)


@jit
def heal_messages(w: Any, place: int) -> bool:
    """Undo it, and tell whether it was such a fault; a bus has to start first."""
    c, fault = cast(w), fault_at(w.faults, place)
    kind, node = whole(fault.kind), whole(fault.node)
    if kind == BUS_DOWN:
        schedule(w, c.bus_start, BUS_STARTED, place, c.life)
        return True
    if kind == STALL:
        read_again(w, whole(fault.client))
    elif kind == PARTITION:
        restore(w, node)
    elif kind == DELAY:
        endpoint_at(c.endpoints, node).delay -= fault.delay
    else:
        return False
    healed(w, place)
    return True


@jit
def healed(w: Any, place: int) -> None:
    """Write down that a fault is over."""
    fault = fault_at(w.faults, place)
    note(w, w.now, HEALED, whole(fault.client), whole(fault.node), -1, whole(fault.kind))
