"""The loop: take the next event, and do what follows from it."""

from typing import Any

from sim.compiled.balancer.checks import start_checks
from sim.compiled.balancer.choice import choose, forget, take
from sim.compiled.client import client
from sim.compiled.client.ahead import MANY, draw_ahead
from sim.compiled.events.queue import (
    FROM_HEAP,
    FROM_WHEEL,
    NOTHING,
    close_gap,
    forget_first,
    pop_fifo,
    pop_heap,
    schedule,
    see_first,
    turn_to_next,
)
from sim.compiled.hooks import broadcast_begins, is_short_more, warmed_up
from sim.compiled.memory.layout import (
    ATTEMPT_SIZE,
    CLIENT_SIZE,
    PENDING_EACH,
    client_at,
    event_at,
    fault_at,
    mark_at,
    node_at,
    ring_at,
    timed_at,
    tunnel_at,
)
from sim.compiled.memory.pools import hold_tunnel, new_tunnel
from sim.compiled.node.node import add_tunnel
from sim.compiled.notes import note
from sim.compiled.pending import happen, open_timeout
from sim.compiled.rules import draw
from sim.compiled.toolchain.jit import fetch, jit, kernel, whole
from sim.compiled.vocabulary import (
    TIMEOUTS,
    ClientState,
    Event,
    Exit,
    Pending,
)
from sim.node.asyncio_runtime import OWN_FILES
from twin.draws import Purpose
from twin.scenario.combinations import WARM_UP_SLACK

PING_PHASE = int(Purpose.PING_PHASE)
AHEAD = 8
"""Entries by which memory is asked for before it is needed."""
EVERY, SPARE = 16, 1024
"""Events between two looks at the room that is left, a power of two, and the places that so many may take."""


@kernel
def run(w: Any, fresh: bool) -> int:
    """Run until the end or until something has no room left, and tell which; `fresh` is the first call of a run."""
    if fresh:
        prepare(w)
    while True:
        if w.processed & (EVERY - 1) == 0 and is_short(w):
            return Exit.NEEDS_ROOM
        w.processed += 1
        source = turn_to_next(w)
        if source == FROM_HEAP:
            take_top(w)
        elif source == NOTHING:
            return Exit.FINISHED
        elif source == FROM_WHEEL:
            if w.soon_first & (MANY - 1) == 0:
                draw_ahead(w)
            entry = timed_at(w.soon, w.soon_first)
            w.soon_first += 1
            happen(w, whole(entry.b), whole(entry.a), 0)
        elif source == TIMEOUTS:
            time_out(w)
        else:
            entry = pop_fifo(w, source)
            fetch_client(w, ring_at(w.fifos, source))
            client.go_on(w, whole(entry.a))


@jit
def time_out(w: Any) -> None:
    """The time of the oldest attempt is over; forget it, and those after it that ended by themselves."""
    ring = ring_at(w.fifos, TIMEOUTS)
    entry = timed_at(ring.data, ring.first)
    forget_first(ring)
    fetch_client(w, ring)
    while ring.n > 0 and not lasts(w, timed_at(ring.data, ring.first)):
        forget_first(ring)
        fetch_client(w, ring)
    see_first(w, TIMEOUTS)
    open_timeout(w, whole(entry.a), whole(entry.b))


@jit
def lasts(w: Any, entry: Any) -> bool:
    """Tell whether the attempt of a client still lasts whose time will be over."""
    who = client_at(w.clients, entry.a)
    return who.attempt >= 0 and who.attempts == entry.b


@jit
def fetch_client(w: Any, ring: Any) -> None:
    """Ask for the memory of a client that comes later in a queue, and of the attempt of one that comes before it."""
    fetch(w.clients + whole(timed_at(ring.data, (ring.first + 2 * AHEAD) & ring.mask).a) * CLIENT_SIZE)
    if ring.n > AHEAD:
        attempt = client_at(w.clients, timed_at(ring.data, (ring.first + AHEAD) & ring.mask).a).attempt
        fetch(w.attempts.data + whole(attempt) * ATTEMPT_SIZE)


@jit
def take_top(w: Any) -> None:
    """Take the first event of the heap."""
    event = event_at(w.heap, 0)
    kind, a, b = whole(event.kind), whole(event.a), whole(event.b)
    pop_heap(w)
    happen(w, kind, a, b)


@jit
def is_short(w: Any) -> bool:
    """Tell whether the next event may need more room than there is."""
    most = w.tunnels.used + w.attempts.used + SPARE
    return (
        w.blocks.room - w.blocks.used < (most >> 4) + w.n_procs + w.for_timers
        or w.heap_room - w.heap_n < PENDING_EACH * most
        or w.tunnels.room - w.tunnels.used < SPARE
        or w.attempts.room - w.attempts.used < SPARE
        or w.rows.room - w.rows.used < SPARE + w.n_nodes
        or w.losses.room - w.losses.used < SPARE
        or w.window.mask - w.window.n < SPARE
        or w.short_fifo
        or is_short_more(w)
    )


@jit
def prepare(w: Any) -> None:
    """Connect everybody, and schedule checks, marks and faults."""
    forget(w)
    for c in range(w.n_clients):
        warm_up(w, c)
    for server in range(w.n_nodes):
        one = node_at(w.nodes, server)
        while OWN_FILES + one.tunnels_n > one.table:
            one.table *= 2
    broadcast_begins(w)
    start_checks(w)
    for i in range(w.n_marks):
        schedule(w, max(0.0, mark_at(w.marks, i).t), Pending.MARK, i, 0)
    begin_checks(w)
    for i in range(w.n_faults):
        schedule(w, fault_at(w.faults, i).at, Pending.FAULT, i, 0)


@jit
def begin_checks(w: Any) -> None:
    """Do what is urgent: only checks are, so early."""
    while w.heap_n > 0 and event_at(w.heap, 0).eid < 0:
        take_top(w)
        if w.has_gap:
            close_gap(w)


@jit
def warm_up(w: Any, c: int) -> None:
    """Connect a client before the run starts."""
    server = choose(w, c, -1, 0)
    take(w, server)
    i = hold_tunnel(w, new_tunnel(w, c, server, 0))
    tunnel_at(w.tunnels.data, i).opened = True
    add_tunnel(w, server, i)
    who = client_at(w.clients, c)
    who.tunnel = i
    who.attempt = -1
    who.attempts = 1
    who.draws = 0
    who.waits = 0
    who.failed = 0
    who.previous = w.reconnect.base
    who.loss = -1
    who.state = ClientState.STAYING
    who.first_beat = w.interval * draw(w, c, PING_PHASE, 0)
    t = c / w.connect_rate - w.warm_up
    who.since = t - WARM_UP_SLACK
    note(w, t, Event.ATTEMPT_CONNECT, c, -1, 1, 0)
    note(w, t, Event.CONNECTED, c, server + 1, 1, 0)
    warmed_up(w, c, i)
