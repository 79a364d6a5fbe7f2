"""Records that come and go: each pool hands out the place that became free last, or else a new one."""

from typing import Any

from sim.compiled.hooks import forgets, tunnel_made
from sim.compiled.memory.layout import attempt_at, tunnel_at
from sim.compiled.toolchain.jit import jit, whole
from sim.compiled.vocabulary import Item

PENDING = -1
"""The answer of an attempt that has none; a failure is `failure(reason)`, a success the number of its tunnel."""


@jit
def failure(reason: int) -> int:
    """Return a reason as an answer, or an answer as its reason."""
    return -2 - reason


@jit
def forget_item(w: Any, item: Any) -> None:
    """Drop what an item holds that will not be done."""
    kind = item.kind
    if forgets(w, item):
        return
    if kind in (Item.SERVE, Item.REFUSE, Item.HANDSHAKE):
        drop_attempt(w, whole(item.a))
    elif kind == Item.RELAYED:
        drop_attempt(w, whole(item.a))
        drop_tunnel(w, whole(item.b))
    elif kind != Item.CLIENT and kind != Item.BOOT and kind != Item.CHECK and item.a >= 0:
        drop_tunnel(w, whole(item.a))


@jit
def new_tunnel(w: Any, client: int, server: int, generation: int) -> int:
    """Return a new tunnel that nobody holds yet."""
    pool = w.tunnels
    if pool.free >= 0:
        i = pool.free
        pool.free = tunnel_at(pool.data, i).link.next
    else:
        i = pool.used
        pool.used += 1
    w.tunnels_made += 1
    tunnel = tunnel_at(pool.data, i)
    tunnel.client = client
    tunnel.order = w.tunnels_made
    tunnel.server = server
    tunnel.generation = generation
    tunnel.refs = 0
    tunnel.lost = 0
    tunnel.reason = 0
    tunnel.opened = False
    tunnel.client_left = False
    tunnel.upstream_gone = False
    tunnel.listed = False
    tunnel.ended = False
    tunnel.half_closed = -1
    tunnel_made(w, i)
    return i


@jit
def hold_tunnel(w: Any, i: int) -> int:
    """Note one more who knows a tunnel."""
    tunnel_at(w.tunnels.data, i).refs += 1
    return i


@jit
def drop_tunnel(w: Any, i: int) -> None:
    """Note one less who knows a tunnel; the last one gives its place back."""
    tunnel = tunnel_at(w.tunnels.data, i)
    tunnel.refs -= 1
    if tunnel.refs == 0:
        tunnel.link.next = w.tunnels.free
        w.tunnels.free = i


@jit
def new_attempt(w: Any, client: int) -> int:
    """Return a new attempt that its client knows."""
    pool = w.attempts
    if pool.free >= 0:
        i = pool.free
        pool.free = attempt_at(pool.data, i).link.next
    else:
        i = pool.used
        pool.used += 1
    attempt = attempt_at(pool.data, i)
    attempt.client = client
    attempt.server = -1
    attempt.generation = -1
    attempt.answer = PENDING
    attempt.mask = 0
    attempt.tried = 0
    attempt.last = -1
    attempt.refs = 1
    attempt.state = 0
    attempt.listed = False
    attempt.moves = False
    attempt.taken = False
    return i


@jit
def hold_attempt(w: Any, i: int) -> int:
    """Note one more who knows an attempt."""
    attempt_at(w.attempts.data, i).refs += 1
    return i


@jit
def drop_attempt(w: Any, i: int) -> None:
    """Note one less who knows an attempt; the last one gives its place back."""
    attempt = attempt_at(w.attempts.data, i)
    attempt.refs -= 1
    if attempt.refs == 0:
        if attempt.answer >= 0:
            drop_tunnel(w, whole(attempt.answer))
        attempt.link.next = w.attempts.free
        w.attempts.free = i
