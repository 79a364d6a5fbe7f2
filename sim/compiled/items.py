"""What follows from a step of a process. See `sim.machine.process` (`_stepped`, `_done`) and the rooms of the model."""

from typing import Any

from sim.compiled import faults
from sim.compiled.balancer.balancer import answered, left, lose, relay, relayed, released, served, upstream_closed
from sim.compiled.balancer.checks import judge
from sim.compiled.client import client
from sim.compiled.hooks import finish_more, queued_again
from sim.compiled.machine.inbox import append, copy_item
from sim.compiled.machine.process import go_on, work
from sim.compiled.memory.layout import checker_at, cost_at, item_at, node_at, process_at, tunnel_at
from sim.compiled.memory.pools import drop_attempt, drop_tunnel, failure
from sim.compiled.node import node
from sim.compiled.node.node import remove_tunnel
from sim.compiled.notes import note
from sim.compiled.toolchain.dispatch import dispatch
from sim.compiled.toolchain.jit import jit, whole
from sim.compiled.vocabulary import Event, Item, Stage, Word, Work


@jit
def step(w: Any, number: int) -> None:
    """A process has done a step of an item."""
    process = process_at(w.procs, number)
    item = process.item
    if item.stage == Stage.FIRST_PART:
        item.stage = Stage.REST
        item.hops = cost_at(w.costs, item.cost).hops
        copy_item(item_at(append(w, process), 0), item)
        queued_again(w, process)
        go_on(w, number)
        return
    kind, a, b, eager, ends = whole(item.kind), whole(item.a), whole(item.b), item.eager, item.ends
    if eager and waits_for_end(kind):
        go_on(w, number)
        finish(w, kind, a, b)
        return
    finish(w, kind, a, b)
    if ends and eager:
        go_on(w, number)
        note(w, w.now, Event.NODE_STOPPED, -1, b + 1, -1, 0)
        return
    if ends:
        note(w, w.now, Event.NODE_STOPPED, -1, b + 1, -1, 0)
    go_on(w, number)


@jit
def waits_for_end(kind: int) -> bool:
    """Tell whether somebody waits for an item's end, who comes after the loop if the item began at once."""
    return kind in (Item.CLIENT, Item.SERVE, Item.REFUSE, Item.BOOT, Item.CHECK, Item.TASK)


@jit
def refused(w: Any, i: int, reason: int) -> None:
    """The balancer has sent a refusal."""
    client.told(w, i, failure(reason))
    drop_attempt(w, i)


@jit
def accepted(w: Any, _: int, server: int) -> None:
    """A node has accepted a connection."""
    node.accepted(w, server)


@jit
def handshaken(w: Any, i: int, server: int) -> None:
    """A node has answered a handshake."""
    one = node_at(w.nodes, server)
    one.opening -= 1
    if node.listening(w, server):
        answered(w, i, server)
    drop_attempt(w, i)


@jit
def answer_relayed(w: Any, i: int, tunnel: int) -> None:
    """The balancer has relayed a 101."""
    relayed(w, i, tunnel)
    drop_attempt(w, i)
    drop_tunnel(w, tunnel)


@jit
def passed_on(w: Any, i: int, reason: int) -> None:
    """The balancer has told a client that the node's side is gone."""
    lose(w, i, reason)
    drop_tunnel(w, i)


@jit
def nothing_follows(w: Any) -> None:
    """The work was all."""


@jit
def closed_by_kernel(w: Any, i: int) -> None:
    """The kernel has closed a connection of a killed node."""
    remove_tunnel(w, i)
    upstream_closed(w, i, Word.ABNORMAL)
    drop_tunnel(w, i)


@jit
def gone(w: Any, _: int, server: int) -> None:
    """The memory of a killed node is free."""
    faults.gone(w, server)


@jit
def check_answered(w: Any, place: int, serial: int) -> None:
    """A node has answered a check."""
    if checker_at(w.checkers, place).serial == serial:
        checker_at(w.checkers, place).done = True
    judge(w, place, serial)


@jit
def both_closed(w: Any, i: int) -> None:
    """The balancer has closed both sides of a tunnel."""
    work(w, node_at(w.nodes, tunnel_at(w.tunnels.data, i).server).proc, Item.NOTHING, Work.NODE_FORGET, -1, 0)
    if w.unseen:
        client.lose_now(w, i, Word.ABNORMAL)
    else:
        lose(w, i, Word.ABNORMAL)
    drop_tunnel(w, i)


@jit
def goodbye_said(w: Any, i: int) -> None:
    """A node has sent its close frame."""
    relay(w, Item.FRAME_DOWN, i)
    drop_tunnel(w, i)


@jit
def close_frame_down(w: Any, i: int) -> None:
    """The balancer has passed a close frame on to the client."""
    client.on_close_frame(w, i)
    drop_tunnel(w, i)


@jit
def goodbye_answered(w: Any, i: int) -> None:
    """A client has answered a close frame."""
    relay(w, Item.FRAME_UP, i)
    drop_tunnel(w, i)


@jit
def close_frame_up(w: Any, i: int) -> None:
    """The balancer has passed a close frame on to the node."""
    node.on_close_frame(w, i)
    drop_tunnel(w, i)


@jit
def client_gone(w: Any, i: int) -> None:
    """A node has seen that a client is gone, and has closed the tunnel."""
    if remove_tunnel(w, i):
        left(w, i)
    drop_tunnel(w, i)


@jit
def abandoned(w: Any, i: int) -> None:
    """The balancer has forgotten a tunnel whose client was gone."""
    released(w, i)
    drop_tunnel(w, i)


@jit
def closing_answered(w: Any, i: int) -> None:
    """A node has read the answer to its close frame."""
    if remove_tunnel(w, i):
        node.half_close(w, i)
        upstream_closed(w, i, whole(tunnel_at(w.tunnels.data, i).closing))
        node.end(w, i)
    drop_tunnel(w, i)


@jit
def end_seen(w: Any, i: int) -> None:
    """The end of a client's half has come to the node."""
    node.sees_end(w, i)
    drop_tunnel(w, i)


@jit
def forgotten(w: Any, _: int, server: int) -> None:
    """A node has ended the tasks of a connection."""
    node_at(w.nodes, server).half_closed -= 1


finish_rarely = dispatch(
    {
        Item.CLOSED: closed_by_kernel,
        Item.GONE: gone,
        Item.CHECK: check_answered,
        Item.BOOT: faults.booted,
        Item.CUT: both_closed,
        Item.SAY_GOODBYE: goodbye_said,
        Item.FRAME_DOWN: close_frame_down,
        Item.GOODBYE: goodbye_answered,
        Item.FRAME_UP: close_frame_up,
        Item.LEFT: client_gone,
        Item.ABANDONED: abandoned,
        Item.LEFT_AFTER: closing_answered,
        Item.ENDED: end_seen,
        Item.FORGOTTEN: forgotten,
    },
    otherwise=finish_more,
)

finish = dispatch(
    {
        Item.CLIENT: client.go_on,
        Item.SERVE: served,
        Item.REFUSE: refused,
        Item.ACCEPT: accepted,
        Item.HANDSHAKE: handshaken,
        Item.RELAYED: answer_relayed,
        Item.PASSED_ON: passed_on,
        Item.NOTHING: nothing_follows,
    },
    otherwise=finish_rarely,
)
"""Do what follows from an item (kind, a, b) that is done."""
