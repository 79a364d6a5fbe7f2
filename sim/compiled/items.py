"""What follows from a step of a process. See `sim.machine.process` (`_stepped`, `_done`) and the rooms of the model."""

from typing import Any

from sim.compiled import client, faults, node
from sim.compiled.balancer import answered, left, lose, relay, relayed, released, served, upstream_closed
from sim.compiled.events.inbox import append, copy_item
from sim.compiled.health import judge
from sim.compiled.hooks import finish_more, queued_again
from sim.compiled.host import go_on, work
from sim.compiled.memory.layout import (
    ABNORMAL,
    FIRST_PART,
    I_ABANDONED,
    I_ACCEPT,
    I_BOOT,
    I_CHECK,
    I_CLIENT,
    I_CLOSED,
    I_CUT,
    I_ENDED,
    I_FORGOTTEN,
    I_FRAME_DOWN,
    I_FRAME_UP,
    I_GONE,
    I_GOODBYE,
    I_HANDSHAKE,
    I_LEFT,
    I_LEFT_AFTER,
    I_NOTHING,
    I_PASSED_ON,
    I_REFUSE,
    I_RELAYED,
    I_SAY_GOODBYE,
    I_SERVE,
    I_TASK,
    N_FORGET,
    NODE_STOPPED,
    REST,
    checker_at,
    cost_at,
    item_at,
    node_at,
    process_at,
    tunnel_at,
)
from sim.compiled.memory.pools import drop_attempt, drop_tunnel, failure
from sim.compiled.node import remove_tunnel
from sim.compiled.notes import note
from sim.compiled.toolchain.jit import jit, whole


@jit
def step(w: Any, number: int) -> None:
    """A process has done a step of an item."""
    process = process_at(w.procs, number)
    item = process.item
    if item.stage == FIRST_PART:
        item.stage = REST
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
        note(w, w.now, NODE_STOPPED, -1, b + 1, -1, 0)
        return
    if ends:
        note(w, w.now, NODE_STOPPED, -1, b + 1, -1, 0)
    go_on(w, number)


@jit
def waits_for_end(kind: int) -> bool:
    """Tell whether somebody waits for an item's end, who comes after the loop if the item began at once."""
    return kind in (I_CLIENT, I_SERVE, I_REFUSE, I_BOOT, I_CHECK, I_TASK)


@jit
def finish(w: Any, kind: int, a: int, b: int) -> None:
    """Do what follows from an item that is done."""
    if kind == I_CLIENT:
        client.go_on(w, a)
    elif kind == I_SERVE:
        served(w, a)
    elif kind == I_REFUSE:
        client.told(w, a, failure(b))
        drop_attempt(w, a)
    elif kind == I_ACCEPT:
        node.accepted(w, b)
    elif kind == I_HANDSHAKE:
        handshaken(w, a, b)
    elif kind == I_RELAYED:
        relayed(w, a, b)
        drop_attempt(w, a)
        drop_tunnel(w, b)
    elif kind == I_PASSED_ON:
        lose(w, a, b)
        drop_tunnel(w, a)
    elif kind == I_NOTHING:
        pass
    else:
        finish_rarely(w, kind, a, b)


@jit
def finish_rarely(w: Any, kind: int, a: int, b: int) -> None:
    """Do what follows from an item of a rare kind."""
    if kind == I_CLOSED:
        remove_tunnel(w, a)
        upstream_closed(w, a, ABNORMAL)
        drop_tunnel(w, a)
    elif kind == I_GONE:
        faults.gone(w, b)
    elif kind == I_CHECK:
        if checker_at(w.checkers, a).serial == b:
            checker_at(w.checkers, a).done = True
        judge(w, a, b)
    elif kind == I_BOOT:
        faults.booted(w, a)
    elif kind == I_CUT:
        work(w, node_at(w.nodes, tunnel_at(w.tunnels.data, a).server).proc, I_NOTHING, N_FORGET, -1, 0)
        if w.unseen:
            client.lose_now(w, a, ABNORMAL)
        else:
            lose(w, a, ABNORMAL)
        drop_tunnel(w, a)
    elif kind == I_SAY_GOODBYE:
        relay(w, I_FRAME_DOWN, a)
        drop_tunnel(w, a)
    elif kind == I_FRAME_DOWN:
        client.on_close_frame(w, a)
        drop_tunnel(w, a)
    elif kind == I_GOODBYE:
        relay(w, I_FRAME_UP, a)
        drop_tunnel(w, a)
    elif kind == I_FRAME_UP:
        node.on_close_frame(w, a)
        drop_tunnel(w, a)
    elif kind == I_LEFT:
        if remove_tunnel(w, a):
            left(w, a)
        drop_tunnel(w, a)
    elif kind == I_ABANDONED:
        released(w, a)
        drop_tunnel(w, a)
    elif kind == I_LEFT_AFTER:
        if remove_tunnel(w, a):
            node.half_close(w, a)
            upstream_closed(w, a, whole(tunnel_at(w.tunnels.data, a).closing))
            node.end(w, a)
        drop_tunnel(w, a)
    elif kind == I_ENDED:
        node.sees_end(w, a)
        drop_tunnel(w, a)
    elif kind == I_FORGOTTEN:
        node_at(w.nodes, b).half_closed -= 1
    else:
        finish_more(w, kind, a, b)


@jit
def handshaken(w: Any, i: int, server: int) -> None:
    """A node has answered a handshake."""
    one = node_at(w.nodes, server)
    one.opening -= 1
    if node.listening(w, server):
        answered(w, i, server)
    drop_attempt(w, i)
