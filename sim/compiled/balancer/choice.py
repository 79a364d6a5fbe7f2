"""Which server a connection goes to, and how many each server has. See `sim.balancer.balancer` (`choose`)."""

from typing import Any

from sim.compiled.memory.arrays import flags, integers, places
from sim.compiled.memory.layout import b1_at, i8_at, peer_at, place_at
from sim.compiled.rules import (
    begin_rotation,
    candidates,
    consistent_choice,
    draw_of_balancer,
    fewest_first,
    hashed,
    least_connected,
    less_loaded,
    mapped,
    mark_in_rotation,
    move_behind,
    nearest,
    peer_chosen,
    peer_usable,
    point_drawn,
    richest,
    two_drawn,
    whose_turn,
)
from sim.compiled.toolchain.jit import jit, whole
from sim.compiled.vocabulary import Word
from twin.rules.health import EPOCH

LOOPBACK = 127 << 24


@jit
def forget(w: Any) -> None:
    """Start with fresh counts and all servers up, as a new process does."""
    for server in range(w.n_nodes):
        b1_at(w.up, server).v = True
        i8_at(w.connections, server).v = 0
        i8_at(w.current, server).v = 0
        i8_at(w.order, server).v = server
        peer = peer_at(w.peers, server)
        peer.max_fails = w.max_fails
        peer.fail_timeout = w.fail_timeout
        peer.fails = 0
        peer.checked = 0
        peer.accessed = 0
    i8_at(w.order, w.n_nodes).v = w.n_nodes
    if w.algorithm == Word.ROUND_ROBIN:
        begin_rotation(w.turn, places(w.places, w.n_nodes), integers(w.weights, w.n_nodes))


@jit
def address_of(w: Any, client: int) -> int:
    """Return a client's address as a number; see `twin.scenario.addresses`."""
    return LOOPBACK + (((client % w.addresses + 1) << 8) if w.addresses > 1 else 0) + 1


@jit
def choose(w: Any, client: int, last: int, mask: int) -> int:
    """Return the server for a connection, or -1; `last` and `mask` tell which ones have been tried."""
    n = w.n_nodes
    now = w.now + EPOCH
    usable = flags(w.up, n)
    if w.nginx:
        usable = flags(w.usable, n)
        for server in range(n):
            peer = peer_at(w.peers, server)
            usable[server] = b1_at(w.up, server).v and peer_usable(peer, now) and (mask >> server) & 1 == 0
    server = chosen(w, client, usable, last)
    if w.nginx and server >= 0:
        peer_chosen(peer_at(w.peers, server), now)
    return server


@jit
def choose_for(w: Any, attempt: Any) -> int:
    """Return the server for an attempt, or -1."""
    return choose(w, whole(attempt.client), whole(attempt.last), attempt.mask)


@jit
def chosen(w: Any, client: int, usable: Any, avoid: int) -> int:
    """Apply the choice rule: one of those that `sim.engines` leaves to this engine."""
    connections, current = integers(w.connections, w.n_nodes), integers(w.current, w.n_nodes)
    algorithm = w.algorithm
    if algorithm == Word.LEAST_CONN:
        return fewest_first(usable, avoid, connections, integers(w.order, w.n_nodes + 1))
    if algorithm == Word.SOURCE:
        return mapped(usable, address_of(w, client))
    if algorithm in (Word.CONSISTENT, Word.RANDOM):
        return on_ring(w, client, usable, avoid)
    if algorithm == Word.ROUND_ROBIN:
        return whose_turn(w.turn, places(w.places, w.n_nodes), integers(w.weights, w.n_nodes), usable, avoid)
    if algorithm == Word.IP_HASH:
        peer = hashed(usable, avoid, address_of(w, client))
        return peer if peer >= 0 else richest(candidates(usable, avoid), current)
    if algorithm == Word.RANDOM_TWO:
        peer = two_drawn(w, usable, avoid, connections)
        return peer if peer >= 0 else richest(candidates(usable, avoid), current)
    if algorithm == Word.NGINX_LEAST_CONN:
        equals = least_connected(candidates(usable, avoid), connections)
        return equals[0] if len(equals) == 1 else richest(equals, current)
    return richest(candidates(usable, avoid), current)


@jit
def mark_for_choice(w: Any, server: int, up: bool) -> None:
    """Tell the choice rule that a server was marked, if it keeps that in mind."""
    if w.algorithm == Word.ROUND_ROBIN:
        mark_in_rotation(w.turn, place_at(w.places, server), i8_at(w.weights, server).v, up)


@jit
def on_ring(w: Any, client: int, usable: Any, avoid: int) -> int:
    """Apply a choice rule of HAProxy that has points on a ring."""
    points, owners = integers(w.points, w.n_points), integers(w.owners, w.n_points)
    if w.algorithm == Word.CONSISTENT:
        up = 0
        for server in range(w.n_nodes):
            up += usable[server]
        return consistent_choice(points, owners, usable, address_of(w, client), avoid, up == 1)
    first = nearest(points, owners, usable, point_drawn(draw_of_balancer(w)), avoid)
    if first < 0:
        return -1
    second = nearest(points, owners, usable, point_drawn(draw_of_balancer(w)), avoid)
    return less_loaded(first, second, integers(w.connections, w.n_nodes), integers(w.weights, w.n_nodes))


@jit
def take(w: Any, server: int) -> None:
    """Note one more connection to a server."""
    i8_at(w.connections, server).v += 1
    if w.algorithm == Word.LEAST_CONN:
        move_behind(integers(w.order, w.n_nodes + 1), server)


@jit
def release(w: Any, server: int, generation: int) -> None:
    """Note one connection less; an old process keeps its own counts."""
    if generation == w.generation:
        i8_at(w.connections, server).v -= 1
        if w.algorithm == Word.LEAST_CONN:
            move_behind(integers(w.order, w.n_nodes + 1), server)
