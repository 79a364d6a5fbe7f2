"""The publisher: it publishes on a schedule, counts acknowledgements and sends again.

See `sim.broadcast.publisher`; who counts is told in `sim.compiled.broadcast.ledger`.
"""

from typing import Any

from sim.broadcast.publisher import LEAST_SLEEP
from sim.compiled.broadcast.bus import new_command, serve
from sim.compiled.broadcast.commands import (
    DONE,
    FAILED,
    NOT_YET,
    await_answer,
    begin_command,
    go_on_with_command,
    is_answered,
    wait_before_retry,
)
from sim.compiled.broadcast.layout import (
    cast,
    command_at,
    noted_at,
    pending_at,
    pending_behind,
    stamped_at,
    task_at,
    unclaimed_at,
)
from sim.compiled.broadcast.ledger import becomes_consistent, expire, gather_due, register, wait_for
from sim.compiled.broadcast.lists import drop_task
from sim.compiled.broadcast.notes import note_message, note_more
from sim.compiled.broadcast.tasks import begin, let_sleep, let_work, next_wait
from sim.compiled.broadcast.vocabulary import BroadcastPending, BroadcastWork, Command, NodeWord, Task
from sim.compiled.events.queue import schedule_now
from sim.compiled.memory.layout import b1_at, f8_at, i4_at
from sim.compiled.rules import next_failure
from sim.compiled.toolchain.jit import jit, whole
from sim.compiled.vocabulary import Event
from twin.rules.consistency import MOST_UNCLAIMED

DUE, SENT, TURN, ASKED, ANSWERED = range(1, 6)
"""Where the publisher's tasks stand."""


# Publishing


@jit
def go_on_publishing(w: Any, i: int) -> None:
    """Publish one message after the other, each at its time or as soon as the one before it is answered."""
    c, task = cast(w), task_at(cast(w).tasks.data, i)
    if task.state == 0:
        task.key = 0
        publish_next(w, i)
    elif task.state == DUE:
        task.state = SENT
        let_work(w, i, BroadcastWork.PUBLISHER_SEND)
    elif task.state == SENT:
        c.asked = w.now - c.last_step
        c.under_way = task.key
        c.registered = register(w, whole(task.key), c.asked)
        task.tries = 0
        task.state = TURN
        ask_for_turn(w, i)
    elif task.state == TURN:
        task.state = ASKED
        command = new_command(w, Command.STAMP, BroadcastWork.BUS_STAMP, -1, -1)
        command_at(c.commands.data, command).a = task.key
        begin_command(w, i, command, 1)
    elif task.state == ASKED:
        done = go_on_with_command(w, i)
        if done != NOT_YET:
            end_turn(w)
        if done == DONE:
            task.state = ANSWERED
            let_work(w, i, BroadcastWork.PUBLISHER_ANSWER)
        elif done == FAILED:
            note_more(w, c.asked, Event.PUBLISHED, -1, -1, whole(task.tries), -1, c.registered, 0)
            noted_last(w, whole(task.key))
            c.under_way = 0
            publish_next(w, i)
    elif task.state == ANSWERED:
        note_published(w, i, whole(command_at(c.commands.data, task.commands).value))
        publish_next(w, i)


@jit
def publish_next(w: Any, i: int) -> None:
    """Wait for the time of the next message, if there is one."""
    c, task = cast(w), task_at(cast(w).tasks.data, i)
    task.key += 1
    if task.key > c.n_keys:
        drop_task(w, i)
        return
    due = f8_at(c.times, task.key - 1).v
    if due > w.now:
        task.state = DUE
        let_sleep(w, i, due - w.now)
    else:
        task.state = SENT
        let_work(w, i, BroadcastWork.PUBLISHER_SEND)


@jit
def noted_last(w: Any, key: int) -> None:
    """Add a message's number to what was noted last."""
    noted_at(cast(w).noted.data, cast(w).noted.used - 1).w = key


@jit
def note_published(w: Any, i: int, message: int) -> None:
    """Write down that a message is published, and wait for its acknowledgements."""
    c, key = cast(w), whole(task_at(cast(w).tasks.data, i).key)
    note_more(w, c.asked, Event.PUBLISHED, -1, -1, whole(task_at(c.tasks.data, i).tries), message, c.registered, 0)
    noted_last(w, key)
    c.under_way = 0
    wait_for(w, key, message)
    n = c.n_unclaimed
    c.n_unclaimed = 0
    for k in range(n):
        early = unclaimed_at(c.unclaimed, k)
        count(w, whole(early.node), whole(early.epoch), whole(early.version))
    if not c.timing:
        begin(w, Task.RESEND, -1, 0)


# The one connection for commands. See SimPy's `Resource`.


@jit
def ask_for_turn(w: Any, i: int) -> None:
    """Let a task go on when the connection is free for it."""
    c = cast(w)
    next_wait(w, i)
    i4_at(c.callers, c.n_callers).v = i
    c.n_callers += 1
    give_turn(w)


@jit
def give_turn(w: Any) -> None:
    """Let the first of those that wait have the connection, if it is free."""
    c = cast(w)
    if c.caller_of >= 0 or c.n_callers == 0:
        return
    c.caller_of = i4_at(c.callers, 0).v
    c.n_callers -= 1
    for k in range(c.n_callers):
        i4_at(c.callers, k).v = i4_at(c.callers, k + 1).v
    schedule_now(w, BroadcastPending.TASK_GOES_ON, c.caller_of, whole(task_at(c.tasks.data, c.caller_of).serial))


@jit
def end_turn(w: Any) -> None:
    """The connection is free; whoever waits for it learns that a moment later."""
    cast(w).caller_of = -1
    schedule_now(w, BroadcastPending.CALLER_FREE, 0, 0)


# Acknowledgements


@jit
def heard(w: Any, one: int) -> None:
    """Count an acknowledgement, or a sign of life."""
    c, command = cast(w), command_at(cast(w).commands.data, one)
    f8_at(c.until, command.node).v = -1.0 if command.a == NodeWord.BYE else w.now + c.lease
    if command.a == NodeWord.ACK:
        count(w, whole(command.node), whole(command.epoch), whole(command.version))
    else:
        settle(w)


@jit
def count(w: Any, server: int, epoch: int, version: int) -> None:
    """Count an acknowledgement; one that comes before the broker's own answer is kept until then."""
    c = cast(w)
    message = whole(i4_at(c.epochs, epoch).v) + version - 1
    key = whole(stamped_at(c.stamped.data, message).key)
    one = pending_at(c.pending, key)
    if not one.on or one.message != message:
        if c.under_way > 0 and c.n_unclaimed < MOST_UNCLAIMED:
            early = unclaimed_at(c.unclaimed, c.n_unclaimed)
            early.node = server
            early.epoch = epoch
            early.version = version
            c.n_unclaimed += 1
        return
    acked = b1_at(c.acked_of, key * w.n_nodes + server)
    first = not acked.v
    acked.v = True
    consistent = becomes_consistent(w, key)
    if first:
        note_message(w, w.now, Event.ACKED, -1, server + 1, message, 0)
    if consistent:
        note_message(w, w.now, Event.CONSISTENT, -1, -1, message, 0)


@jit
def settle(w: Any) -> None:
    """See which messages are consistent because a node is not waited for any more."""
    c = cast(w)
    key = whole(c.pending_acks.first)
    while key >= 0:
        one = pending_at(c.pending, key)
        if becomes_consistent(w, key):
            note_message(w, w.now, Event.CONSISTENT, -1, -1, whole(one.message), 0)
        key = pending_behind(c.pending, key)


@jit
def go_on_watching(w: Any, i: int) -> None:
    """Notice when the lease of a node runs out."""
    c, task = cast(w), task_at(cast(w).tasks.data, i)
    if task.state == 1 and expire(w):
        settle(w)
    task.state = 1
    soonest, found = 0.0, False
    for server in range(w.n_nodes):
        until = f8_at(c.until, server).v
        if until >= 0.0 and (not found or until < soonest):
            soonest, found = until, True
    let_sleep(w, i, max(LEAST_SLEEP, soonest - w.now if found else c.lease))


# Sending again


@jit
def go_on_resending(w: Any, i: int) -> None:
    """Send again what is not consistent in time, as long as anything is waited for."""
    c, task = cast(w), task_at(cast(w).tasks.data, i)
    if task.state == 0:
        c.timing = True
        wait_until_due(w, i)
    elif task.state == DUE:
        task.key = gather_due(w)
        send_next_again(w, i)
    elif task.state == SENT:
        task.state = TURN
        ask_for_turn(w, i)
    elif task.state == TURN:
        task.state = ASKED
        command = new_command(w, Command.SEND_AGAIN, BroadcastWork.BUS_COMMAND, -1, -1)
        command_at(c.commands.data, command).a = pending_at(c.pending, task.key).message
        begin_command(w, i, command, 1)
    elif task.state == ASKED and go_on_with_command(w, i) != NOT_YET:
        end_turn(w)
        task.key = pending_at(c.pending, task.key).again
        send_next_again(w, i)


@jit
def wait_until_due(w: Any, i: int) -> None:
    """Wait until something is to be sent again, or end."""
    c, task = cast(w), task_at(cast(w).tasks.data, i)
    key = whole(c.pending_acks.first)
    if key < 0:
        c.timing = False
        drop_task(w, i)
        return
    due = pending_at(c.pending, key).due
    while key >= 0:
        due = min(due, pending_at(c.pending, key).due)
        key = pending_behind(c.pending, key)
    task.state = DUE
    let_sleep(w, i, max(LEAST_SLEEP, due - w.now))


@jit
def send_next_again(w: Any, i: int) -> None:
    """Send the next one of those that are due, or wait for others."""
    c, task = cast(w), task_at(cast(w).tasks.data, i)
    if task.key < 0:
        wait_until_due(w, i)
        return
    one = pending_at(c.pending, task.key)
    note_more(w, w.now, Event.RESENT, -1, -1, whole(one.resends), whole(one.message), 0, 0)
    task.state = SENT
    let_work(w, i, BroadcastWork.PUBLISHER_SEND)


# The connection on which acknowledgements come


@jit
def go_on_rejoining(w: Any, i: int) -> None:
    """Try until the bus takes the subscription; what nodes say meanwhile is lost."""
    c, task = cast(w), task_at(cast(w).tasks.data, i)
    if task.state == SENT:
        task.state = ASKED
        await_answer(
            w, i, serve(w, 0, new_command(w, Command.SUBSCRIBE_PUBLISHER, BroadcastWork.BUS_COMMAND, -1, -1), 1)
        )
    elif task.state == ASKED and is_answered(w, i):
        drop_task(w, i)
    else:
        task.failures = next_failure(whole(task.failures), c.retries)
        task.state = SENT
        let_sleep(w, i, wait_before_retry(w, 0, whole(task.failures)))
