"""A WebSocket server process, seen from the kernel's side. See `sim.node.node`."""

from typing import Any

from sim.compiled.events.queue import schedule
from sim.compiled.hooks import node_ends
from sim.compiled.machine.inbox import last_of
from sim.compiled.machine.process import clear, resume, stop, work
from sim.compiled.memory.chains import append_queued, append_tunnel, tunnel_behind, unlink_queued, unlink_tunnel
from sim.compiled.memory.layout import checker_at, item_at, node_at, process_at, tunnel_at
from sim.compiled.memory.pools import drop_attempt, drop_tunnel, hold_attempt, hold_tunnel
from sim.compiled.toolchain.jit import jit, whole
from sim.compiled.vocabulary import Item, NodeState, Pending, Work
from sim.node.asyncio_runtime import OWN_FILES, POOL


@jit
def listening(w: Any, server: int) -> bool:
    """Tell whether the kernel answers a SYN; it does for a stopped process too."""
    state = node_at(w.nodes, server).state
    return state in (NodeState.UP, NodeState.HUNG)


@jit
def add_tunnel(w: Any, server: int, i: int) -> None:
    """Put a tunnel at the end of a node's list."""
    node, tunnel = node_at(w.nodes, server), tunnel_at(w.tunnels.data, i)
    hold_tunnel(w, i)
    tunnel.listed = True
    append_tunnel(node.tunnels, w.tunnels.data, i)
    node.tunnels_n += 1


@jit
def remove_tunnel(w: Any, i: int) -> bool:
    """Take a tunnel off its node's list, and tell whether it was there."""
    tunnel = tunnel_at(w.tunnels.data, i)
    if not tunnel.listed:
        return False
    node = node_at(w.nodes, tunnel.server)
    unlink_tunnel(node.tunnels, w.tunnels.data, i)
    node.tunnels_n -= 1
    tunnel.listed = False
    drop_tunnel(w, i)
    return True


@jit
def syn(w: Any, server: int, i: int) -> bool:
    """Receive a SYN; False when the accept queue is full and the kernel drops it."""
    node = node_at(w.nodes, server)
    if node.backlog_n > w.backlog:
        return False
    hold_attempt(w, i)
    append_queued(node.backlog, w.attempts.data, i)
    node.backlog_n += 1
    if not node.accepting:
        listen(w, server)
    return True


@jit
def listen(w: Any, server: int) -> None:
    """Wait for the loop to see the listening socket; it accepts one connection a round."""
    node = node_at(w.nodes, server)
    node.accepting = True
    work(w, node.proc, Item.ACCEPT, Work.NODE_ACCEPT, -1, server)


@jit
def accepted(w: Any, server: int) -> None:
    """Take a connection out of the queue and read its handshake in the next round."""
    node = node_at(w.nodes, server)
    node.accepting = False
    if node.backlog_n > 0:
        i = whole(node.backlog.first)
        unlink_queued(node.backlog, w.attempts.data, i)
        node.backlog_n -= 1
        node.opening += 1
        make_room(w, server)
        work(w, node.proc, Item.HANDSHAKE, Work.NODE_HANDSHAKE, i, server)
    if node.backlog_n > 0:
        listen(w, server)


@jit
def clear_backlog(w: Any, server: int) -> None:
    """Forget the connections that wait to be accepted."""
    node = node_at(w.nodes, server)
    while node.backlog_n > 0:
        i = whole(node.backlog.first)
        unlink_queued(node.backlog, w.attempts.data, i)
        node.backlog_n -= 1
        drop_attempt(w, i)


@jit
def make_room(w: Any, server: int) -> None:
    """Wait while the kernel doubles the table of open files if the new connection does not fit in."""
    node = node_at(w.nodes, server)
    if OWN_FILES + node.tunnels_n + node.opening > node.table:
        node.table *= 2
        stop(w, node.proc)
        schedule(w, w.table_growth, Pending.ROOM, server, 0)


@jit
def has_room(w: Any, server: int) -> None:
    """The table has grown."""
    node = node_at(w.nodes, server)
    if node.state != NodeState.HUNG:
        resume(w, node.proc)


@jit
def sees_leaving(w: Any, i: int) -> None:
    """The client of a tunnel has given this node up: read its last ping and the end, answer, and close."""
    node = node_at(w.nodes, tunnel_at(w.tunnels.data, i).server)
    work(w, node.proc, Item.LEFT, Work.NODE_ABANDONED, hold_tunnel(w, i), 0)


@jit
def on_close_frame(w: Any, i: int) -> None:
    """The client has answered the close frame: read it and end this half of the connection."""
    node = node_at(w.nodes, tunnel_at(w.tunnels.data, i).server)
    work(w, node.proc, Item.LEFT_AFTER, Work.NODE_LEAVE, hold_tunnel(w, i), 0)


@jit
def half_close(w: Any, i: int) -> None:
    """The node has ended its half of a connection."""
    tunnel = tunnel_at(w.tunnels.data, i)
    node = node_at(w.nodes, tunnel.server)
    node.half_closed += 1
    tunnel.half_closed = node.life


@jit
def sees_end(w: Any, i: int) -> None:
    """The client's half of a connection has ended."""
    tunnel_at(w.tunnels.data, i).ended = True
    end(w, i)


@jit
def end(w: Any, i: int) -> None:
    """End the tasks of a connection if both halves have ended."""
    tunnel = tunnel_at(w.tunnels.data, i)
    node = node_at(w.nodes, tunnel.server)
    if tunnel.ended and tunnel.half_closed == node.life:
        tunnel.half_closed = -1
        work(w, node.proc, Item.FORGOTTEN, Work.NODE_FORGET, -1, whole(tunnel.server))


@jit
def kill(w: Any, server: int) -> None:
    """SIGKILL: the kernel frees the memory, then closes the sockets one by one; in between others may come."""
    node = node_at(w.nodes, server)
    node.life += 1
    node.half_closed = 0
    node_ends(w, server, False)
    clear(w, node.proc)
    resume(w, node.proc)
    process = process_at(w.procs, node.proc)
    work(w, node.proc, Item.GONE, Work.NODE_EXIT_DELAY, -1, server)
    process.threads = POOL
    process.threads_place = process.deadline - w.time_slice
    i = whole(node.tunnels.first)
    while i >= 0:
        work(w, node.proc, Item.CLOSED, Work.NODE_EXIT, hold_tunnel(w, i), server)
        i = tunnel_behind(w.tunnels.data, i)
    if process.load > 0:
        item_at(last_of(w, process), 0).ends = True
    else:  # it has begun
        process.item.ends = True


@jit
def probe(w: Any, place: int) -> None:
    """Ask a node for /healthz; the answer counts if it comes in time."""
    checker = checker_at(w.checkers, place)
    checker.serial += 1
    checker.done = False
    checker.judged = False
    work(w, node_at(w.nodes, checker.server).proc, Item.CHECK, Work.NODE_HANDSHAKE, place, whole(checker.serial))
    schedule(w, w.check_timeout, Pending.CHECK_LATE, place, whole(checker.serial))
