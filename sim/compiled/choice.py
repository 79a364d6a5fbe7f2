"""Which server a connection goes to, and how many each server has. See `sim.balancer` (`choose`)."""

from typing import Any

import numpy as np
from numba import carray

from sim.compiled.jit import jit, pointer
from sim.compiled.layout import IP_HASH, LEAST_CONN, NGINX_LEAST_CONN, SOURCE, b1_at, i8_at, peer_at
from sim.compiled.rules import (
    candidates,
    fewest_first,
    hashed,
    least_connected,
    mapped,
    move_behind,
    peer_chosen,
    peer_usable,
    richest,
)
from twin.rules.health import EPOCH

LOOPBACK = 127 << 24


@jit
def integers(address: int, n: int) -> Any:
    """Return whole numbers that stand at an address."""
    return carray(pointer(address), n, np.int64)


@jit
def flags(address: int, n: int) -> Any:
    """Return flags that stand at an address."""
    return carray(pointer(address), n, np.bool_)


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


@jit
def address_of(w: Any, client: int) -> int:
    """Return a client's address as a number; see `twin.addresses`."""
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
            usable[server] = peer_usable(peer_at(w.peers, server), now) and (mask >> server) & 1 == 0
    server = chosen(w, client, usable, last)
    if w.nginx and server >= 0:
        peer_chosen(peer_at(w.peers, server), now)
    return server


@jit
def choose_for(w: Any, attempt: Any) -> int:
    """Return the server for an attempt, or -1."""
    return choose(w, int(attempt.client), int(attempt.last), attempt.mask)


@jit
def chosen(w: Any, client: int, usable: Any, avoid: int) -> int:
    """Apply the choice rule: one of those that `sim.engines` leaves to this engine."""
    connections, current = integers(w.connections, w.n_nodes), integers(w.current, w.n_nodes)
    algorithm = w.algorithm
    if algorithm == LEAST_CONN:
        return fewest_first(usable, avoid, connections, integers(w.order, w.n_nodes + 1))
    if algorithm == SOURCE:
        return mapped(usable, address_of(w, client))
    if algorithm == IP_HASH:
        peer = hashed(usable, avoid, address_of(w, client))
        return peer if peer >= 0 else richest(candidates(usable, avoid), current)
    if algorithm == NGINX_LEAST_CONN:
        equals = least_connected(candidates(usable, avoid), connections)
        return equals[0] if len(equals) == 1 else richest(equals, current)
    return richest(candidates(usable, avoid), current)


@jit
def take(w: Any, server: int) -> None:
    """Note one more connection to a server."""
    i8_at(w.connections, server).v += 1
    if w.algorithm == LEAST_CONN:
        move_behind(integers(w.order, w.n_nodes + 1), server)


@jit
def release(w: Any, server: int, generation: int) -> None:
    """Note one connection less; an old process keeps its own counts."""
    if generation == w.generation:
        i8_at(w.connections, server).v -= 1
        if w.algorithm == LEAST_CONN:
            move_behind(integers(w.order, w.n_nodes + 1), server)
