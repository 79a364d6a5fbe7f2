"""What a node says to the bus: all that is queued goes out in one go. See `sim.broadcast.fanout` (`speak`, `tell`)."""

from typing import Any

from sim.compiled.broadcast.bus import said
from sim.compiled.broadcast.commands import DONE, NOT_YET, begin_command, go_on_with_command
from sim.compiled.broadcast.layout import cast, command_at, fanout_at, task_at
from sim.compiled.broadcast.lists import drop_task
from sim.compiled.broadcast.tasks import begin, let_work
from sim.compiled.broadcast.vocabulary import BroadcastPending, BroadcastWork, NodeWord, Task
from sim.compiled.events.queue import schedule_now
from sim.compiled.machine.process import work
from sim.compiled.toolchain.jit import jit, whole
from sim.compiled.vocabulary import Item

COLLECTED, UNDER_WAY, ANSWERED = range(1, 4)
"""Where a task that speaks stands."""


@jit
def acknowledge(w: Any, server: int, epoch: int, version: int) -> None:
    """Tell the publisher that a message is fanned out."""
    tell(w, server, NodeWord.ACK, epoch, version)


@jit
def tell(w: Any, server: int, word: int, epoch: int, version: int) -> None:
    """Send a word to the publisher, by way of the bus."""
    node = fanout_at(cast(w).fanouts, server)
    if not node.ended:
        speak(w, server, said(w, word, server, whole(node.life), epoch, version))


@jit
def speak(w: Any, server: int, command: int) -> None:
    """Queue a command for the bus."""
    c, node = cast(w), fanout_at(cast(w).fanouts, server)
    if node.outbox < 0:
        node.outbox = command
    else:
        command_at(c.commands.data, node.last_outbox).next = command
    node.last_outbox = command
    node.n_outbox += 1
    if not node.speaking:
        node.speaking = True
        begin(w, Task.SPEAK, server, whole(node.life))


@jit
def forget_outbox(w: Any, server: int) -> None:
    """Say no more of what is queued."""
    node = fanout_at(cast(w).fanouts, server)
    node.outbox = -1
    node.n_outbox = 0
    node.speaking = False


@jit
def go_on_speaking(w: Any, i: int) -> None:
    """Send all that is queued in one go, and go on with what has come meanwhile."""
    c, task = cast(w), task_at(cast(w).tasks.data, i)
    server = whole(task.node)
    node = fanout_at(c.fanouts, server)
    if task.state == 0:
        collect(w, i)
    elif task.state == COLLECTED:
        if task.life != node.life:
            drop_task(w, i)
            return
        commands, n = whole(node.outbox), whole(node.n_outbox)
        node.outbox = -1
        node.n_outbox = 0
        task.state = UNDER_WAY
        begin_command(w, i, commands, n)
    elif task.state == UNDER_WAY:
        done = go_on_with_command(w, i)
        if done == NOT_YET:
            return
        task.ok = done == DONE
        if task.ok and task.life == node.life:
            task.state = ANSWERED
            for _ in range(whole(task.n) - 1):
                work(w, server, Item.NOTHING, BroadcastWork.NODE_ANSWER, -1, 0)
            let_work(w, i, BroadcastWork.NODE_ANSWER)
        else:
            pass_on_answers(w, i)
    elif task.state == ANSWERED:
        pass_on_answers(w, i)


@jit
def collect(w: Any, i: int) -> None:
    """Write what is queued by now, or end."""
    task = task_at(cast(w).tasks.data, i)
    server = whole(task.node)
    node = fanout_at(cast(w).fanouts, server)
    if task.life == node.life and node.n_outbox > 0:
        task.state = COLLECTED
        for _ in range(whole(node.n_outbox) - 1):
            work(w, server, Item.NOTHING, BroadcastWork.NODE_ACK, -1, 0)
        let_work(w, i, BroadcastWork.NODE_ACK)
        return
    if task.life == node.life:
        node.speaking = False
    drop_task(w, i)


@jit
def pass_on_answers(w: Any, i: int) -> None:
    """Wake those who wait for what a command returned, or (-1) for its failure."""
    c, task = cast(w), task_at(cast(w).tasks.data, i)
    one = whole(task.commands)
    for _ in range(whole(task.n)):
        command = command_at(c.commands.data, one)
        if command.task >= 0:
            asker = task_at(c.tasks.data, command.task)
            asker.ok = task.ok
            schedule_now(w, BroadcastPending.TASK_GOES_ON, whole(command.task), whole(asker.serial))
        one = whole(command.next)
    collect(w, i)
