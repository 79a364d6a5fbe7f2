"""The kernel of a world with a publisher: that of connections, linked with what a broadcast adds."""

from typing import Any

from sim.compiled import hooks
from sim.compiled.broadcast import faults, lanes, nodes, publisher, subscriber
from sim.compiled.broadcast.bus import execute, look, pushed, started, word_bytes
from sim.compiled.broadcast.disk import on_disk, release, synced
from sim.compiled.broadcast.fanout import received, tunnel_released
from sim.compiled.broadcast.layout import (
    ANSWER_CAME,
    BROKE,
    BUFFER_LOOK,
    BUS_STARTED,
    CALLER_FREE,
    COMMIT,
    EACH,
    EXECUTE,
    FIRST_OF_TWO,
    HEAR,
    JOIN,
    LOOK,
    LOOK_UP,
    ON_DISK,
    ONE_OF_ALL,
    PARCEL_ARRIVES,
    PUBLISH,
    PUSH,
    QUESTION_DUE,
    READING,
    READS_AGAIN,
    RECEIVE,
    REJOIN,
    RELEASE,
    RESEND,
    SIGNS,
    SPARE,
    SPEAK,
    STALLED,
    SYNCED,
    TASK_BEGINS,
    TASK_GOES_ON,
    TIMER_EXPIRES,
    TIMER_FIRED,
    TIMER_WAKES,
    TRY_OVER,
    WATCH,
    cast,
    fanout_at,
    job_at,
    task_at,
)
from sim.compiled.broadcast.links import answer_came, came, came_first, parcel_arrives
from sim.compiled.broadcast.lists import drop_job
from sim.compiled.broadcast.speaking import go_on_speaking
from sim.compiled.broadcast.subscriptions import buffer_look, read, subscribe
from sim.compiled.broadcast.tasks import begin, expire
from sim.compiled.broadcast.ways import batch_done
from sim.compiled.events.queue import schedule_now
from sim.compiled.kernel import run as run_connections
from sim.compiled.memory.layout import I_BATCH, I_TASK
from sim.compiled.toolchain.jit import jit, kernel, whole
from sim.compiled.toolchain.linking import linked


@jit
def broadcast_begins(w: Any) -> None:
    """The publisher subscribes and begins, then one node after the other."""
    subscribe(w, 0, 0)
    begin(w, PUBLISH, -1, 0)
    begin(w, WATCH, -1, 0)
    for server in range(w.n_nodes):
        fanout_at(cast(w).fanouts, server).subscription = subscribe(w, server + 1, 0)
        nodes.run(w, server)


@jit
def is_short_more(w: Any) -> bool:
    """Tell whether the broadcast may soon need more room than there is."""
    c = cast(w)
    most = most_of_some_events(w)
    return (
        is_short(c.cells, most)
        or is_short(c.frames, most)
        or is_short(c.batches, most)
        or is_short(c.jobs, most)
        or is_short(c.parcels, most)
        or is_short(c.calls, most)
        or is_short(c.commands, most)
        or is_short(c.tasks, most)
        or is_short(c.stamped, most)
        or is_short(c.subscriptions, most)
        or is_short(c.awaitings, most)
        or is_short(c.holes, most)
        or is_short(c.noted, most)
        or w.rows.room - w.rows.used < most
        or w.heap_room - w.heap_n < most
        or w.moments.mask - w.moments.n < most
        or w.urgent.mask - w.urgent.n < most
        or w.blocks.room - w.blocks.used < (most >> 3) + w.n_procs + w.for_timers
    )


@jit
def most_of_some_events(w: Any) -> int:
    """Return the most places of a kind that the events between two looks at the room may take."""
    return SPARE + EACH * (w.n_clients + w.n_nodes) + cast(w).parcels.used


@jit
def is_short(pool: Any, needed: int) -> bool:
    """Tell whether a pool has fewer places left."""
    return pool.room - pool.used < needed


@jit
def happen_more(w: Any, kind: int, a: int, b: int) -> None:
    """Do what an event of a broadcast is for."""
    if kind in (TASK_BEGINS, TASK_GOES_ON, TIMER_FIRED, ONE_OF_ALL):
        go_on(w, a, b)
    elif kind == TIMER_EXPIRES:
        expire(w, a, b)
    elif kind == TIMER_WAKES:
        schedule_now(w, TIMER_FIRED, a, b)
    elif kind == ANSWER_CAME:
        answer_came(w, a)
    elif kind == BROKE:
        came_first(w, a, b)
    elif kind in (FIRST_OF_TWO, TRY_OVER):
        came(w, a, b)
    elif kind == PARCEL_ARRIVES:
        parcel_arrives(w, a)
    elif kind == QUESTION_DUE:
        subscriber.question_due(w, a, b)
    elif kind == READS_AGAIN:
        subscriber.reads_again(w, a, b)
    elif kind == CALLER_FREE:
        publisher.give_turn(w)
    elif kind == ON_DISK:
        on_disk(w, a)
    elif kind == BUFFER_LOOK:
        buffer_look(w, a)
    elif kind == BUS_STARTED and b == cast(w).life:  # else it was killed once more before it answered
        started(w)
        faults.healed(w, a)


@jit
def go_on(w: Any, i: int, serial: int) -> None:
    """Let a task take its next step, if it still waits for this."""
    task = task_at(cast(w).tasks.data, i)
    if serial != 0 and serial != task.serial:
        return
    kind = task.kind
    if kind == SPEAK:
        go_on_speaking(w, i)
    elif kind == READING:
        nodes.go_on_reading(w, i)
    elif kind == LOOK_UP:
        nodes.go_on_looking_up(w, i)
    elif kind == PUBLISH:
        publisher.go_on_publishing(w, i)
    elif kind == WATCH:
        publisher.go_on_watching(w, i)
    elif kind == RESEND:
        publisher.go_on_resending(w, i)
    elif kind == REJOIN:
        publisher.go_on_rejoining(w, i)
    elif kind == SIGNS:
        nodes.go_on_with_signs(w, i)
    elif kind == JOIN:
        nodes.go_on_joining(w, i)
    elif kind == COMMIT:
        nodes.go_on_committing(w, i)
    elif kind == STALLED:
        subscriber.ping_is_over(w, i)


@jit
def finish_more(w: Any, kind: int, a: int, b: int) -> None:
    """Do what follows from an item of a broadcast."""
    if kind == I_BATCH:
        batch_done(w, a)
    elif kind == I_TASK:
        go_on(w, a, b)
    else:
        job_done(w, a, b)


@jit
def job_done(w: Any, i: int, reader: int) -> None:
    """A job is done, unless whose it was has ended meanwhile; `reader` waits for it, if not -1."""
    c, job = cast(w), job_at(cast(w).jobs.data, i)
    kind, a, b, node, life = whole(job.kind), whole(job.a), whole(job.b), whole(job.node), whole(job.life)
    drop_job(w, i)
    if kind == RECEIVE:
        if life == fanout_at(c.fanouts, node).life:
            received(w, node, a, b)
        if reader >= 0:
            nodes.go_on_reading(w, reader)
    elif kind == PUSH:
        pushed(w, a, b)
    elif kind == HEAR:
        if a < 0 or read(w, a, word_bytes(w, b)):
            publisher.heard(w, b)
    elif life == c.life and kind == EXECUTE:
        execute(w, a, b)
    elif life == c.life and kind == LOOK:
        look(w, a)
    elif life == c.life and kind == SYNCED:
        synced(w)
    elif life == c.life and kind == RELEASE:
        release(w)


run_broadcast = kernel(
    linked(
        run_connections.__wrapped__,  # type: ignore[attr-defined]
        {
            hooks.broadcast_begins: broadcast_begins,
            hooks.warmed_up: subscriber.warmed_up,
            hooks.tunnel_made: subscriber.tunnel_made,
            hooks.step_seconds: lanes.step_seconds,
            hooks.queued_again: lanes.queued_again,
            hooks.forgets: lanes.forgets,
            hooks.finish_more: finish_more,
            hooks.happen_more: happen_more,
            hooks.is_short_more: is_short_more,
            hooks.subscribed: subscriber.subscribed,
            hooks.unsubscribed: subscriber.unsubscribed,
            hooks.has_to_read_first: subscriber.has_to_read_first,
            hooks.tunnel_released: tunnel_released,
            hooks.node_ends: nodes.node_ends,
            hooks.node_begins: nodes.node_begins,
            hooks.inject_on_messages: faults.inject_on_messages,
            hooks.heal_messages: faults.heal_messages,
        },
    )
)
"""Run a world with a publisher; see `sim.compiled.kernel.run`."""
