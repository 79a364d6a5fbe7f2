"""The kernel of a world with a publisher: that of connections, linked with what a broadcast adds."""

from typing import Any

from sim.compiled import hooks
from sim.compiled.broadcast import faults, lane, nodes, publisher, subscriber
from sim.compiled.broadcast.bus import execute, look, pushed, started, word_bytes
from sim.compiled.broadcast.disk import on_disk, release, synced
from sim.compiled.broadcast.fanout import received, tunnel_released
from sim.compiled.broadcast.layout import EACH, SPARE, cast, fanout_at, job_at, task_at
from sim.compiled.broadcast.link import answer_came, came, came_first, parcel_arrives
from sim.compiled.broadcast.lists import drop_job
from sim.compiled.broadcast.speaking import go_on_speaking
from sim.compiled.broadcast.subscriptions import buffer_look, read, subscribe
from sim.compiled.broadcast.tasks import begin, expire
from sim.compiled.broadcast.vocabulary import BroadcastPending, Job, Task
from sim.compiled.broadcast.ways import batch_done
from sim.compiled.events.queue import schedule_now
from sim.compiled.kernel import run as run_connections
from sim.compiled.memory.layout import PENDING_EACH
from sim.compiled.toolchain.dispatch import dispatch
from sim.compiled.toolchain.jit import jit, kernel, whole
from sim.compiled.toolchain.linking import linked
from sim.compiled.vocabulary import Item


@jit
def broadcast_begins(w: Any) -> None:
    """The publisher subscribes and begins, then one node after the other."""
    subscribe(w, 0, 0)
    begin(w, Task.PUBLISH, -1, 0)
    begin(w, Task.WATCH, -1, 0)
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
        or w.heap_room - w.heap_n < PENDING_EACH * most
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


_go_on = dispatch(
    {
        Task.SPEAK: go_on_speaking,
        Task.READING: nodes.go_on_reading,
        Task.LOOK_UP: nodes.go_on_looking_up,
        Task.PUBLISH: publisher.go_on_publishing,
        Task.WATCH: publisher.go_on_watching,
        Task.RESEND: publisher.go_on_resending,
        Task.REJOIN: publisher.go_on_rejoining,
        Task.SIGNS: nodes.go_on_with_signs,
        Task.JOIN: nodes.go_on_joining,
        Task.COMMIT: nodes.go_on_committing,
        Task.STALLED: subscriber.ping_is_over,
    }
)


@jit
def go_on(w: Any, i: int, serial: int) -> None:
    """Let a task take its next step, if it still waits for this."""
    task = task_at(cast(w).tasks.data, i)
    if serial == 0 or serial == task.serial:
        _go_on(w, whole(task.kind), i, 0)


@jit
def timer_wakes(w: Any, i: int, serial: int) -> None:
    """A process that slept has woken up for a task's timer."""
    schedule_now(w, BroadcastPending.TIMER_FIRED, i, serial)


@jit
def bus_started(w: Any, place: int, life: int) -> None:
    """The broker answers again, unless it was killed once more before that."""
    if life == cast(w).life:
        started(w)
        faults.healed(w, place)


happen_more = dispatch(
    {
        BroadcastPending.TASK_BEGINS: go_on,
        BroadcastPending.TASK_GOES_ON: go_on,
        BroadcastPending.TIMER_FIRED: go_on,
        BroadcastPending.ONE_OF_ALL: go_on,
        BroadcastPending.TIMER_EXPIRES: expire,
        BroadcastPending.TIMER_WAKES: timer_wakes,
        BroadcastPending.ANSWER_CAME: answer_came,
        BroadcastPending.BROKE: came_first,
        BroadcastPending.FIRST_OF_TWO: came,
        BroadcastPending.TRY_OVER: came,
        BroadcastPending.PARCEL_ARRIVES: parcel_arrives,
        BroadcastPending.QUESTION_DUE: subscriber.question_due,
        BroadcastPending.READS_AGAIN: subscriber.reads_again,
        BroadcastPending.CALLER_FREE: publisher.give_turn,
        BroadcastPending.ON_DISK: on_disk,
        BroadcastPending.BUFFER_LOOK: buffer_look,
        BroadcastPending.BUS_STARTED: bus_started,
    }
)
"""Do what an event of a broadcast is for."""


@jit
def job_done(w: Any, i: int, reader: int) -> None:
    """A job is done, unless whose it was has ended meanwhile; `reader` waits for it, if not -1."""
    c, job = cast(w), job_at(cast(w).jobs.data, i)
    kind, a, b, node, life = whole(job.kind), whole(job.a), whole(job.b), whole(job.node), whole(job.life)
    drop_job(w, i)
    if kind == Job.RECEIVE:
        if life == fanout_at(c.fanouts, node).life:
            received(w, node, a, b)
        if reader >= 0:
            nodes.go_on_reading(w, reader)
    elif kind == Job.PUSH:
        pushed(w, a, b)
    elif kind == Job.HEAR:
        if a < 0 or read(w, a, word_bytes(w, b)):
            publisher.heard(w, b)
    elif life == c.life and kind == Job.EXECUTE:
        execute(w, a, b)
    elif life == c.life and kind == Job.LOOK:
        look(w, a)
    elif life == c.life and kind == Job.SYNCED:
        synced(w)
    elif life == c.life and kind == Job.RELEASE:
        release(w)


finish_more = dispatch({Item.BATCH: batch_done, Item.TASK: go_on, Item.JOB: job_done})
"""Do what follows from an item of a broadcast."""

ADDED = {
    hooks.broadcast_begins: broadcast_begins,
    hooks.warmed_up: subscriber.warmed_up,
    hooks.tunnel_made: subscriber.tunnel_made,
    hooks.step_seconds: lane.step_seconds,
    hooks.queued_again: lane.queued_again,
    hooks.forgets: lane.forgets,
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
}
"""What a world with a publisher has in the place of each hook."""

run_broadcast = kernel(linked(run_connections.__wrapped__, ADDED))  # type: ignore[attr-defined]
"""Run a world with a publisher; see `sim.compiled.kernel.run`."""
