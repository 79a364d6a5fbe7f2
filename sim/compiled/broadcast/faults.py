"""Faults that only messages feel. See `sim.faults` (`inject_on_messages`)."""

from typing import Any

from sim.compiled.broadcast.bus import kill
from sim.compiled.broadcast.layout import cast, endpoint_at
from sim.compiled.broadcast.link import restore
from sim.compiled.broadcast.subscriber import read_again, stall
from sim.compiled.broadcast.subscriptions import leave
from sim.compiled.broadcast.vocabulary import BroadcastPending
from sim.compiled.events.queue import schedule
from sim.compiled.memory.layout import fault_at
from sim.compiled.notes import note
from sim.compiled.toolchain.jit import jit, whole
from sim.compiled.vocabulary import Event, Pending, Word


@jit
def inject_on_messages(w: Any, place: int) -> None:
    """Do what only messages can feel."""
    c, fault = cast(w), fault_at(w.faults, place)
    kind, node = whole(fault.kind), whole(fault.node)
    if kind == Word.BUS_CUT:
        leave(w, node, Word.CLOSED)
        return
    if kind == Word.BUS_DOWN:
        kill(w)
    elif kind == Word.STALL:
        stall(w, whole(fault.client))
    elif kind == Word.PARTITION:
        endpoint_at(c.endpoints, node).cuts += 1
    elif kind == Word.DELAY:
        endpoint_at(c.endpoints, node).delay += fault.delay
    else:
        return
    if fault.duration >= 0.0:
        schedule(w, fault.duration, Pending.HEAL, place, 0)


@jit
def heal_messages(w: Any, place: int) -> bool:
    """Undo it, and tell whether it was such a fault; a bus has to start first."""
    c, fault = cast(w), fault_at(w.faults, place)
    kind, node = whole(fault.kind), whole(fault.node)
    if kind == Word.BUS_DOWN:
        schedule(w, c.bus_start, BroadcastPending.BUS_STARTED, place, c.life)
        return True
    if kind == Word.STALL:
        read_again(w, whole(fault.client))
    elif kind == Word.PARTITION:
        restore(w, node)
    elif kind == Word.DELAY:
        endpoint_at(c.endpoints, node).delay -= fault.delay
    else:
        return False
    healed(w, place)
    return True


@jit
def healed(w: Any, place: int) -> None:
    """Write down that a fault is over."""
    fault = fault_at(w.faults, place)
    note(w, w.now, Event.HEALED, whole(fault.client), whole(fault.node), -1, whole(fault.kind))
