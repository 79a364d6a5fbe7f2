"""The life of a node on the bus: it joins, reads with its cursor, gives signs of life, answers, ends.

See `sim.broadcast.fanout`.
"""

from typing import Any

from sim.compiled.broadcast.bus import OF_KAFKA, OF_PUBSUB, fetch_next, message_of, new_command, said, serve
from sim.compiled.broadcast.commands import await_answer, is_answered, wait_before_retry
from sim.compiled.broadcast.fanout import answer, confirmed, forget_awaiting, size_of
from sim.compiled.broadcast.layout import (
    call_at,
    cast,
    command_at,
    endpoint_at,
    fanout_at,
    frame_at,
    messaging_at,
    place,
    task_at,
)
from sim.compiled.broadcast.link import lost
from sim.compiled.broadcast.lists import append, drop_task, empty, new_job, next_of, value_of
from sim.compiled.broadcast.speaking import forget_outbox, speak, tell
from sim.compiled.broadcast.subscriptions import leave
from sim.compiled.broadcast.tasks import begin, let_sleep, let_wait, let_work, next_wait
from sim.compiled.broadcast.vocabulary import BroadcastPending, BroadcastWork, Command, Frame, Job, NodeWord, Task
from sim.compiled.events.queue import schedule
from sim.compiled.machine.process import work
from sim.compiled.memory.layout import tunnel_at
from sim.compiled.notes import note
from sim.compiled.rules import draw, is_too_large, next_failure
from sim.compiled.toolchain.jit import jit, whole
from sim.compiled.vocabulary import Event, Item, Word
from twin.draws import Purpose
from twin.rules.consistency import SIGNS_A_LEASE

LEASE_PHASE = int(Purpose.LEASE_PHASE)
NOTICED, RESTED, READY, ASKED = range(1, 5)
"""Where a node that joins stands."""
WAITS, LAST, ROUND = range(1, 4)
"""Where a node that reads stands: it waits for messages, or for the last of them to be read, or for a round."""


# Its life


@jit
def run(w: Any, server: int) -> None:
    """Begin to read and to give signs of life."""
    c, life = cast(w), whole(fanout_at(cast(w).fanouts, server).life)
    begin(w, Task.SIGNS, server, life)
    if c.kind != OF_PUBSUB:
        begin_reading(w, server)
    if c.kind == OF_KAFKA:
        begin(w, Task.COMMIT, server, life)


@jit
def begin_reading(w: Any, server: int) -> None:
    """Read until the connection to the bus is lost."""
    node = fanout_at(cast(w).fanouts, server)
    node.reader = begin(w, Task.READING, server, whole(node.life))


@jit
def node_ends(w: Any, server: int, goodbye: bool) -> None:
    """A node's process ends, and may say so to the publisher; what waited in its lanes goes with its work."""
    node = fanout_at(cast(w).fanouts, server)
    node.life += 1
    node.ended = True
    if goodbye:
        serve(w, server + 1, said(w, NodeWord.BYE, server, -1, 0, 0), 1)
    node.joined = False
    node.most_waiting = 0
    node.reader = -1
    leave(w, server + 1, 0)
    forget_awaiting(w, server)
    node.asked = -1
    forget_outbox(w, server)


@jit
def node_begins(w: Any, server: int) -> None:
    """A new process of the node listens: it joins the bus as one that has never been there."""
    node = fanout_at(cast(w).fanouts, server)
    node.ended = False
    node.seen_epoch = 0
    node.seen_floor = 0
    empty(w, node.seen)
    task_at(cast(w).tasks.data, begin(w, Task.JOIN, server, whole(node.life))).reason = 0


@jit
def go_on_joining(w: Any, i: int) -> None:
    """Subscribe; without a reason it is a process that begins, else one that has lost its connection to the bus."""
    c, task = cast(w), task_at(cast(w).tasks.data, i)
    server = whole(task.node)
    node = fanout_at(c.fanouts, server)
    if task.state == 0 and task.reason > 0:
        task.state = NOTICED
        let_work(w, i, BroadcastWork.NODE_ACK)
    elif task.state == 0:
        try_to_join(w, i)
    elif task.state == NOTICED:
        if task.life != node.life:
            drop_task(w, i)
            return
        note(w, w.now, Event.BUS_LOST, -1, server + 1, -1, whole(task.reason))
        task.failures = 1
        try_to_join(w, i)
    elif task.state == RESTED:
        task.state = READY
        let_work(w, i, BroadcastWork.NODE_ACK)
    elif task.state == READY:
        task.state = ASKED
        command = new_command(w, Command.SUBSCRIBE, BroadcastWork.BUS_COMMAND, server, whole(task.life))
        command_at(c.commands.data, command).fresh = task.reason == 0
        task.commands = command
        await_answer(w, i, serve(w, server + 1, command, 1))
    elif task.state == ASKED:
        subscription = whole(command_at(c.commands.data, task.commands).value)
        if is_answered(w, i) and subscription >= 0:
            joined(w, i, subscription)
            return
        task.failures = next_failure(whole(task.failures), c.retries)
        try_to_join(w, i)


@jit
def try_to_join(w: Any, i: int) -> None:
    """Try once more, unless the process has ended."""
    task = task_at(cast(w).tasks.data, i)
    if task.life != fanout_at(cast(w).fanouts, task.node).life:
        drop_task(w, i)
    elif task.failures > 0:
        task.state = RESTED
        let_sleep(w, i, wait_before_retry(w, task.node + 1, whole(task.failures)))
    else:
        task.state = READY
        let_work(w, i, BroadcastWork.NODE_ACK)


@jit
def joined(w: Any, i: int, subscription: int) -> None:
    """The bus has taken the subscription."""
    task = task_at(cast(w).tasks.data, i)
    server, life, fresh = whole(task.node), whole(task.life), task.reason == 0
    drop_task(w, i)
    node = fanout_at(cast(w).fanouts, server)
    if life != node.life:
        return
    node.subscription = subscription
    node.joined = True
    if fresh:
        run(w, server)
        return
    note(w, w.now, Event.BUS_JOINED, -1, server + 1, -1, 0)
    if cast(w).kind != OF_PUBSUB:
        begin_reading(w, server)


@jit
def go_on_with_signs(w: Any, i: int) -> None:
    """Renew the lease."""
    c, task = cast(w), task_at(cast(w).tasks.data, i)
    server = whole(task.node)
    every = c.lease / SIGNS_A_LEASE
    if task.state == 0:
        task.state = 1
        let_sleep(w, i, every * draw(w, server + 1, LEASE_PHASE, 0))
    elif task.life != fanout_at(c.fanouts, server).life:
        drop_task(w, i)
    else:
        tell(w, server, NodeWord.ALIVE, 0, 0)
        let_sleep(w, i, every)


# Reading


@jit
def go_on_reading(w: Any, i: int) -> None:
    """Read with the cursor, wait until all that came is fanned out, read again."""
    task = task_at(cast(w).tasks.data, i)
    if task.state == 0 or task.state == ROUND:
        read_next(w, i)
    elif task.state == WAITS:
        task.waits = False
        server = whole(task.node)
        call = call_at(cast(w).calls.data, task.call)
        if not call.triggered and not task.broken and endpoint_at(cast(w).endpoints, server + 1).cuts > 0:
            lost(w, server, whole(fanout_at(cast(w).fanouts, server).life), Word.TIMEOUT)
        see_what_came(w, i)
    elif task.state == LAST:
        task.state = ROUND
        let_work(w, i, BroadcastWork.NO_COST)


@jit
def read_next(w: Any, i: int) -> None:
    """Ask for what is next, unless the connection is lost or the process has ended."""
    task = task_at(cast(w).tasks.data, i)
    node = fanout_at(cast(w).fanouts, task.node)
    if task.life != node.life or task.broken:
        end_reading(w, i)
        return
    task.call = fetch_next(w, whole(task.node))
    see_what_came(w, i)


@jit
def see_what_came(w: Any, i: int) -> None:
    """Wait for messages, or read those that have come, each at the node's own pace."""
    c, task = cast(w), task_at(cast(w).tasks.data, i)
    call, node = call_at(c.calls.data, task.call), fanout_at(c.fanouts, task.node)
    if not call.triggered and not task.broken:
        task.state = WAITS
        call.task = i
        call.serial = next_wait(w, i)
        task.waits = True
        schedule(w, c.retry_timeout, BroadcastPending.TRY_OVER, i, whole(call.serial))
        return
    if task.life != node.life or task.broken or not call.ok:
        end_reading(w, i)
        return
    node.cursor_epoch = call.epoch
    node.cursor_version = call.version
    node.committed_epoch = call.committed_epoch
    node.committed_version = call.committed_version
    server = whole(task.node)
    work(w, server, Item.NOTHING, BroadcastWork.NODE_POLL, -1, 0)
    last = message_of(w, whole(call.epoch), whole(call.version))
    for message in range(last - call.found + 1, last + 1):
        job = new_job(w, Job.RECEIVE, message, -1, server, whole(node.life))
        work(w, server, Item.JOB, BroadcastWork.NODE_RECEIVE, job, i if message == last else -1)
    next_wait(w, i)
    task.state = LAST


@jit
def end_reading(w: Any, i: int) -> None:
    """Read no more."""
    node = fanout_at(cast(w).fanouts, task_at(cast(w).tasks.data, i).node)
    if node.reader == i:
        node.reader = -1
    drop_task(w, i)


@jit
def go_on_committing(w: Any, i: int) -> None:
    """Commit the position of a partition log from time to time."""
    task = task_at(cast(w).tasks.data, i)
    node = fanout_at(cast(w).fanouts, task.node)
    if task.state == 1 and task.life != node.life:
        drop_task(w, i)
        return
    if task.state == 1:
        node.committed_epoch = node.cursor_epoch
        node.committed_version = node.cursor_version
    task.state = 1
    let_wait(w, i, cast(w).commit_interval)


# Answering


@jit
def hears(w: Any, server: int, i: int, frame: int) -> None:
    """A client has said where it stands, or asked what followed. Who asks from one place waits for one answer."""
    c, one = cast(w), frame_at(cast(w).frames.data, frame)
    node = fanout_at(c.fanouts, server)
    standing = place(whole(one.epoch), whole(one.version))
    messaging_at(c.messaging, i).standing = standing
    confirmed(w, i, standing)
    if node.ended or one.kind != Frame.QUESTION:
        return
    k = whole(node.asked)
    while k >= 0:
        task = task_at(c.tasks.data, k)
        if task.epoch == one.epoch and task.version == one.version:
            append(w, task.list, i)
            return
        k = whole(task.n)
    k = begin(w, Task.LOOK_UP, server, whole(node.life))
    task = task_at(c.tasks.data, k)
    task.epoch = one.epoch
    task.version = one.version
    task.n = node.asked
    node.asked = k
    append(w, task.list, i)


@jit
def go_on_looking_up(w: Any, i: int) -> None:
    """Ask the bus what followed a position, and tell the clients that stand there."""
    c, task = cast(w), task_at(cast(w).tasks.data, i)
    server = whole(task.node)
    node = fanout_at(c.fanouts, server)
    if task.state == 0:
        task.state = 1
        command = new_command(w, Command.RECOVER, BroadcastWork.BUS_READ, server, whole(task.life))
        one = command_at(c.commands.data, command)
        one.a = task.epoch
        one.b = task.version
        one.task = i
        task.commands = command
        next_wait(w, i)
        if not node.ended:
            speak(w, server, command)
    elif task.life != node.life:
        empty(w, task.list)
        drop_task(w, i)
    elif task.state == 1:
        task.state = 2
        let_work(w, i, BroadcastWork.NODE_RECEIVE)
    else:
        forget_question(w, node, i)
        if task.ok:
            tell_what_followed(w, i)
        empty(w, task.list)
        drop_task(w, i)


@jit
def forget_question(w: Any, node: Any, i: int) -> None:
    """Let nobody else wait for the same answer."""
    c = cast(w)
    following = task_at(c.tasks.data, i).n
    if node.asked == i:
        node.asked = following
        return
    k = whole(node.asked)
    while task_at(c.tasks.data, k).n != i:
        k = whole(task_at(c.tasks.data, k).n)
    task_at(c.tasks.data, k).n = following


@jit
def tell_what_followed(w: Any, i: int) -> None:
    """Answer all that wait for the same, with a snapshot if it would be too much."""
    c, task = cast(w), task_at(cast(w).tasks.data, i)
    found = command_at(c.commands.data, task.commands)
    epoch, version, behind = whole(found.epoch), whole(found.version), whole(found.behind)
    recovered = found.recovered and not is_too_large(size_of(w, version - behind), c.limit_bytes)
    cell = whole(task.list.first)
    while cell >= 0:
        tunnel = value_of(w, cell)
        if tunnel_at(w.tunnels.data, tunnel).listed:
            answer(w, tunnel, recovered, epoch, version, behind)
        cell = next_of(w, cell)
