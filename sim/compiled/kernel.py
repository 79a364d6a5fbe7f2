"""The loop: take the next event, and do what follows from it."""

from typing import Any

from sim.compiled import client, drains, faults, node
from sim.compiled.balancer import failed, forward, lose, relay, retry, serve, syn_again, worker
from sim.compiled.choice import choose, forget, take
from sim.compiled.events.ahead import MANY, draw_ahead
from sim.compiled.events.queue import (
    FROM_HEAP,
    FROM_MOMENTS,
    FROM_STEPS,
    FROM_URGENT,
    FROM_WHEEL,
    NOTHING,
    forget_first,
    pop_fifo,
    pop_heap,
    schedule,
    schedule_now,
    see_first,
    turn_to_next,
)
from sim.compiled.events.steps import end_step
from sim.compiled.health import check_due, checked, judge, mark, start_checks
from sim.compiled.hooks import broadcast_begins, happen_more, is_short_more, warmed_up
from sim.compiled.host import expire, swarm_of
from sim.compiled.items import step
from sim.compiled.memory.layout import (
    ANSWERED,
    ANSWERS_GOODBYE,
    ATTEMPT_CONNECT,
    ATTEMPT_SIZE,
    CHECK_BEGINS,
    CHECK_DUE,
    CHECK_JUDGED,
    CHECK_LATE,
    CLIENT_SIZE,
    CONNECTED,
    FAULT,
    FINISHED,
    FIRED,
    FORWARD,
    HEAL,
    HEARTBEAT,
    HUNG_YET,
    I_FRAME_UP,
    LEFT_YET,
    LOST,
    MARK,
    NEEDS_ROOM,
    NODE_HUNG,
    OBSERVED,
    OF_CLIENT,
    OF_DRAIN,
    OF_HANG,
    OF_RETRY,
    OF_STOP,
    OPEN_TIMEOUT,
    OUTAGE_OVER,
    RELOADED,
    RESUME,
    ROOM,
    SERVE,
    STAYING,
    STEP,
    STOPPED,
    SYN_AGAIN,
    SYN_OVER,
    TIMEOUT,
    TIMEOUTS,
    WAKES,
    attempt_at,
    checker_at,
    client_at,
    event_at,
    fault_at,
    mark_at,
    moment_at,
    node_at,
    ring_at,
    timed_at,
    tunnel_at,
)
from sim.compiled.memory.pools import drop_attempt, drop_tunnel, failure, hold_tunnel, new_tunnel
from sim.compiled.node import add_tunnel
from sim.compiled.notes import note
from sim.compiled.rules import draw, first_check
from sim.compiled.toolchain.jit import fetch, jit, kernel, whole
from sim.node.asyncio_runtime import OWN_FILES
from twin.draws import Purpose
from twin.scenario.scenario import WARM_UP_SLACK

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
            return NEEDS_ROOM
        w.processed += 1
        source = turn_to_next(w)
        if source == FROM_URGENT:
            happen_next(w, w.urgent)
        elif source == FROM_MOMENTS:
            happen_next(w, w.moments)
        elif source == NOTHING:
            return FINISHED
        elif source == FROM_WHEEL:
            if w.soon_first & (MANY - 1) == 0:
                draw_ahead(w)
            entry = timed_at(w.soon, w.soon_first)
            w.soon_first += 1
            happen(w, whole(entry.b), whole(entry.a), 0)
        elif source == FROM_STEPS:
            step(w, end_step(w))
        elif source == FROM_HEAP:
            event = event_at(w.heap, 0)
            kind, a, b = whole(event.kind), whole(event.a), whole(event.b)
            pop_heap(w)
            happen(w, kind, a, b)
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
def happen_next(w: Any, ring: Any) -> None:
    """Take the first event of those that have no time of their own."""
    moment = moment_at(ring.data, ring.first)
    kind, a, b = whole(moment.kind), whole(moment.a), whole(moment.b)
    forget_first(ring)
    happen(w, kind, a, b)


@jit
def is_short(w: Any) -> bool:
    """Tell whether the next event may need more room than there is."""
    most = w.tunnels.used + w.attempts.used + SPARE
    return (
        w.blocks.room - w.blocks.used < (most >> 4) + w.n_procs + w.for_timers
        or w.moments.mask - w.moments.n < most
        or w.urgent.mask - w.urgent.n < most
        or w.heap_room - w.heap_n < most
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
        schedule(w, max(0.0, mark_at(w.marks, i).t), MARK, i, 0)
    begin_checks(w)
    for i in range(w.n_faults):
        schedule(w, fault_at(w.faults, i).at, FAULT, i, 0)


@jit
def begin_checks(w: Any) -> None:
    """Do what is urgent: only checks are, so early."""
    while w.urgent.n > 0:
        happen_next(w, w.urgent)


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
    who.state = STAYING
    who.first_beat = w.interval * draw(w, c, PING_PHASE, 0)
    t = c / w.connect_rate - w.warm_up
    who.since = t - WARM_UP_SLACK
    note(w, t, ATTEMPT_CONNECT, c, -1, 1, 0)
    note(w, t, CONNECTED, c, server + 1, 1, 0)
    warmed_up(w, c, i)


@jit
def open_timeout(w: Any, c: int, number: int) -> None:
    """The time of a client's attempt is over."""
    who = client_at(w.clients, c)
    if who.attempt >= 0 and who.attempts == number:
        client.told(w, whole(who.attempt), failure(TIMEOUT))


@jit
def happen(w: Any, kind: int, a: int, b: int) -> None:
    """Do what an event is for."""
    if kind == STEP:
        step(w, a)
    elif kind == FIRED + OF_CLIENT or kind == RESUME:
        client.go_on(w, a)
    elif kind == ANSWERED:
        client.answer_came(w, a)
    elif kind == SERVE:
        serve(w, a)
    elif kind == LOST:
        client.lost(w, a)
    elif kind == OF_CLIENT:
        expire(w, swarm_of(w, a), OF_CLIENT, a, b)
    elif kind == WAKES + OF_CLIENT:
        schedule_now(w, FIRED + OF_CLIENT, a, b)
    elif kind == OPEN_TIMEOUT:
        open_timeout(w, a, b)
    elif kind == FORWARD:
        forward(w, a, b)
    else:
        happen_rarely(w, kind, a, b)


@jit
def happen_rarely(w: Any, kind: int, a: int, b: int) -> None:
    """Do what a rare event is for."""
    if kind in (OF_HANG, OF_RETRY, OF_STOP, OF_DRAIN):
        expire_rarely(w, kind, a, b)
    elif WAKES < kind < FIRED:
        schedule_now(w, kind - WAKES + FIRED, a, b)
    elif kind == FIRED + OF_HANG:
        heartbeat_missed(w, a, b)
    elif kind == FIRED + OF_RETRY or kind in (SYN_AGAIN, SYN_OVER):
        if b != w.life:
            drop_attempt(w, a)
        elif kind == SYN_AGAIN:
            syn_again(w, a)
        elif kind == SYN_OVER:
            failed(w, a)
        else:
            retry(w, a)
    elif kind == FIRED + OF_STOP:
        faults.hard_stop(w, a, b)
    elif kind == FIRED + OF_DRAIN:
        drains.wait_over(w, a, b)
    elif kind == ROOM:
        node.has_room(w, a)
    elif kind == MARK:
        one = mark_at(w.marks, a)
        mark(w, whole(one.node) - 1, one.up, OBSERVED)
    elif kind == CHECK_BEGINS:
        checker = checker_at(w.checkers, a)
        checker.life = w.life
        schedule(w, (w.phase + first_check(whole(checker.server), w.n_nodes, w.inter)) % w.inter, CHECK_DUE, a, 0)
    elif kind == CHECK_DUE:
        check_due(w, a)
    elif kind == CHECK_LATE:
        judge(w, a, b)
    elif kind == CHECK_JUDGED:
        checked(w, a, checker_at(w.checkers, a).done)
    elif kind == FAULT:
        faults.inject(w, a)
    elif kind == HEAL:
        faults.heal(w, a)
    elif kind == HUNG_YET:
        faults.hung_yet(w, a)
    elif kind == LEFT_YET:
        drains.left_yet(w, a)
    elif kind == STOPPED:
        faults.stopped(w, a)
    elif kind == RELOADED:
        faults.reloaded(w, a, b)
    elif kind == OUTAGE_OVER:
        faults.balancer_back(w)
    elif kind == ANSWERS_GOODBYE:
        relay(w, I_FRAME_UP, a)
        drop_tunnel(w, a)
    else:
        happen_more(w, kind, a, b)


@jit
def expire_rarely(w: Any, kind: int, a: int, b: int) -> None:
    """A timer of a rare kind is due at the process that has set it."""
    if kind == OF_HANG:
        expire(w, swarm_of(w, whole(tunnel_at(w.tunnels.data, a).client)), OF_HANG, a, b)
    elif kind == OF_RETRY:
        expire(w, worker(w, attempt_at(w.attempts.data, a).generation), kind, a, b)
    elif kind == OF_STOP:
        expire(w, worker(w, fault_at(w.faults, a).node - 1), kind, a, b)
    else:
        expire(w, node_at(w.nodes, fault_at(w.faults, a).node - 1).proc, kind, a, b)


@jit
def heartbeat_missed(w: Any, i: int, hangs: int) -> None:
    """The timeout of a ping is over: the peer is dead if it still hangs."""
    tunnel = tunnel_at(w.tunnels.data, i)
    one = node_at(w.nodes, tunnel.server)
    if one.state == NODE_HUNG and one.hangs == hangs:
        lose(w, i, HEARTBEAT)
    drop_tunnel(w, i)
