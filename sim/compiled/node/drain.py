"""Drains: a node that is not ready any more closes its connections, a few at a time. See `sim.node.node` (`drain`)."""

from typing import Any

from sim.compiled.balancer.balancer import reset_pending
from sim.compiled.events.queue import schedule
from sim.compiled.hooks import node_ends
from sim.compiled.machine.process import sleep, work
from sim.compiled.memory.blocks import entry, free_block, one_more
from sim.compiled.memory.chains import tunnel_behind
from sim.compiled.memory.layout import PER_BLOCK, block_at, fault_at, node_at, timed_at, tunnel_at
from sim.compiled.memory.pools import drop_tunnel, hold_tunnel
from sim.compiled.node.node import clear_backlog
from sim.compiled.notes import note
from sim.compiled.rules import close_after
from sim.compiled.toolchain.jit import jit, whole
from sim.compiled.vocabulary import Event, Item, NodeState, Pending, Timer, Word, Work
from sim.node.node import POLL

LEAD, PACE = range(2)
"""What a drain waits for: the balancer's notice, or the time of the next close."""


@jit
def begin_drain(w: Any, place: int) -> None:
    """Fail the check from now on; go on after the lead."""
    fault = fault_at(w.faults, place)
    node = node_at(w.nodes, fault.node - 1)
    node.ready = False
    sleep(w, node.proc, fault.lead, Timer.DRAIN, place, LEAD)


@jit
def wait_over(w: Any, place: int, what: int) -> None:
    """A wait of a drain is over, unless the node died meanwhile; it may even be back."""
    fault = fault_at(w.faults, place)
    node = node_at(w.nodes, fault.node - 1)
    if what == LEAD and node.state == NodeState.UP and not node.ready:
        stop_listening(w, place)
        close_those_due(w, place)
    elif what == PACE and node.state == NodeState.DRAINING:
        close_next(w, place)
        close_those_due(w, place)
    elif what == PACE:
        while fault.closed < fault.tunnels.n:
            drop_tunnel(w, take_next(w, fault))


@jit
def stop_listening(w: Any, place: int) -> None:
    """Accept nobody any more, and note whom to close, in order."""
    fault = fault_at(w.faults, place)
    server = whole(fault.node) - 1
    node = node_at(w.nodes, server)
    node.state = NodeState.DRAINING
    node.accepting = False
    reset_pending(w, server)
    clear_backlog(w, server)
    fault.began = w.now
    fault.closed = 0
    fault.tunnels.n = 0
    i = whole(node.tunnels.first)
    while i >= 0:
        timed_at(one_more(w.blocks, fault.tunnels), 0).a = hold_tunnel(w, i)
        i = tunnel_behind(w.tunnels.data, i)


@jit
def take_next(w: Any, fault: Any) -> int:
    """Return the next connection to close."""
    first = whole(fault.tunnels.first)
    place = fault.closed % PER_BLOCK
    i = whole(timed_at(entry(w.blocks, first, place), 0).a)
    fault.closed += 1
    if place == PER_BLOCK - 1 or fault.closed == fault.tunnels.n:
        fault.tunnels.first = block_at(w.blocks.data, first).next
        free_block(w.blocks, first)
    return i


@jit
def close_next(w: Any, place: int) -> None:
    """Begin the closing handshake of the next connection, unless it has left."""
    fault = fault_at(w.faults, place)
    i = take_next(w, fault)
    if tunnel_at(w.tunnels.data, i).listed:
        say_goodbye(w, i, Word.SERVICE_RESTART)
    drop_tunnel(w, i)


@jit
def say_goodbye(w: Any, i: int, code: int) -> None:
    """Begin the closing handshake of a connection."""
    tunnel = tunnel_at(w.tunnels.data, i)
    tunnel.closing = code
    work(w, node_at(w.nodes, tunnel.server).proc, Item.SAY_GOODBYE, Work.NODE_GOODBYE, hold_tunnel(w, i), 0)


@jit
def close_those_due(w: Any, place: int) -> None:
    """Close connections until one has to wait for its time; after the last one wait until all have left."""
    fault = fault_at(w.faults, place)
    while fault.closed < fault.tunnels.n:
        wait = fault.began + close_after(whole(fault.closed), fault.pace) - w.now
        if wait > 0:
            sleep(w, node_at(w.nodes, fault.node - 1).proc, wait, Timer.DRAIN, place, PACE)
            return
        close_next(w, place)
    left_yet(w, place)


@jit
def left_yet(w: Any, place: int) -> None:
    """Wait until everybody has left; then the process ends, unless it was a drain that something else ended."""
    fault = fault_at(w.faults, place)
    node = node_at(w.nodes, fault.node - 1)
    if node.tunnels_n > 0 or node.half_closed > 0:
        schedule(w, POLL, Pending.LEFT_YET, place, 0)
        return
    if fault.kind == Word.DRAIN:
        if node.state != NodeState.DRAINING:
            return
        note(w, w.now, Event.DRAINED, -1, whole(fault.node), -1, 0)
        node_ends(w, whole(fault.node) - 1, True)
    schedule(w, w.node_stop, Pending.STOPPED, place, 0)
