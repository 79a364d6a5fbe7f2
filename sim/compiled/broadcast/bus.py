"""The broker: it stamps, pushes, answers, dies and comes back. See `sim.broadcast.bus` and `twin.rules.delivery`
(`Broker`)."""

from typing import Any

from sim.compiled.broadcast.disk import answer, lose, out, wrote
from sim.compiled.broadcast.layout import (
    MOST_DIGITS,
    asking_behind,
    blocked_behind,
    call_at,
    cast,
    command_at,
    endpoint_at,
    fanout_at,
    key_at,
    stamped_at,
    subscribed_behind,
    subscription_at,
)
from sim.compiled.broadcast.link import carry_down, carry_up
from sim.compiled.broadcast.lists import new_job, one_of
from sim.compiled.broadcast.subscriptions import block, leave, send, subscribe, unblock
from sim.compiled.broadcast.vocabulary import BroadcastWork, Carry, Command, Job
from sim.compiled.machine.process import clear
from sim.compiled.memory.chains import forget_all
from sim.compiled.memory.layout import i4_at, i8_at
from sim.compiled.toolchain.jit import jit, whole
from sim.compiled.vocabulary import Word
from twin.rules.delivery import MOST_READ

OF_PUBSUB, OF_STREAM, OF_KAFKA = range(3)


# Calls


@jit
def new_call(w: Any, link: int, commands: int, n: int) -> int:
    """Return a new call of some commands that nobody waits for yet."""
    i = one_of(cast(w).calls)
    call = call_at(cast(w).calls.data, i)
    call.link = link
    call.commands = commands
    call.n = n
    call.done = 0
    call.task = -1
    call.asking = False
    call.triggered = False
    call.ok = False
    return i


@jit
def serve(w: Any, link: int, commands: int, n: int) -> int:
    """Send commands over a link in one go, and return the call."""
    i = new_call(w, link, commands, n)
    carry_up(w, link, Carry.CALL, i)
    return i


@jit
def fetch_next(w: Any, server: int) -> int:
    """Ask for what follows a node's cursor, and return the call."""
    node = fanout_at(cast(w).fanouts, server)
    i = new_call(w, server + 1, -1, 1)
    call = call_at(cast(w).calls.data, i)
    call.epoch = node.cursor_epoch
    call.version = node.cursor_version
    carry_up(w, server + 1, Carry.FETCH, i)
    return i


@jit
def new_command(w: Any, kind: int, cost: int, node: int, life: int) -> int:
    """Return a new command; the last one of its list."""
    i = one_of(cast(w).commands)
    command = command_at(cast(w).commands.data, i)
    command.kind = kind
    command.cost = cost
    command.node = node
    command.life = life
    command.next = -1
    command.task = -1
    command.value = -1
    command.fresh = False
    return i


@jit
def said(w: Any, word: int, server: int, life: int, epoch: int, version: int) -> int:
    """Return the command that brings a node's word to the publisher; `life` -1 is a word that outlives the process."""
    i = new_command(w, Command.TELL, BroadcastWork.BUS_COMMAND, server, life)
    command = command_at(cast(w).commands.data, i)
    command.a = word
    command.epoch = epoch
    command.version = version
    return i


@jit
def execute(w: Any, i: int, one: int) -> None:
    """Do one command of a call; after the last one it has its answer."""
    call, command = call_at(cast(w).calls.data, i), command_at(cast(w).commands.data, one)
    kind = whole(command.kind)
    alive = command.life < 0 or command.life == fanout_at(cast(w).fanouts, command.node).life
    if kind == Command.STAMP:
        command.value = stamp(w, whole(command.a))
    elif kind == Command.SEND_AGAIN:
        distribute(w, whole(command.a), True)
    elif kind == Command.SUBSCRIBE_PUBLISHER:
        command.value = subscribe(w, 0, 0)
    elif kind == Command.SUBSCRIBE:
        if alive:
            if command.fresh:
                restart_cursor(w, whole(command.node))
            command.value = subscribe(w, command.node + 1, whole(command.life))
        else:
            command.value = -1
    elif alive and kind == Command.TELL:
        push(w, 0, one)
    elif alive and kind == Command.RECOVER:
        recover(w, command)
    call.done += 1
    if call.done == call.n:
        answer(w, i)


# Stamping and sending


@jit
def oldest(w: Any) -> int:
    """Return the version before the first one of the log."""
    c = cast(w)
    return c.version - min(c.version, c.max_length)


@jit
def message_of(w: Any, epoch: int, version: int) -> int:
    """Return the number of a message."""
    return whole(i4_at(cast(w).epochs, epoch).v) + version - 1


@jit
def stamp(w: Any, key: int) -> int:
    """Stamp a message and send it out, unless its key is known; return the message."""
    c, known = cast(w), key_at(cast(w).keys, key)
    if known.message >= 0 and known.expires > w.now:
        return whole(known.message)
    c.version += 1
    i = one_of(c.stamped)
    message = stamped_at(c.stamped.data, i)
    message.epoch = c.epoch
    message.version = c.version
    message.key = key
    known.expires = w.now + c.window
    known.message = i
    wrote(w)
    distribute(w, i, False)
    return i


@jit
def distribute(w: Any, message: int, again: bool) -> None:
    """Send a message to the nodes: pushed to subscribers, or as an answer to those who wait with a cursor."""
    c = cast(w)
    if again or c.kind == OF_PUBSUB:
        number = whole(c.subscribed.first)
        while number >= 0:
            following = subscribed_behind(c.endpoints, number)
            if number > 0:
                push(w, number, message)
            number = following
        return
    number = whole(c.blocked.first)
    while number >= 0:
        following = blocked_behind(c.endpoints, number)
        out(w, new_job(w, Job.LOOK, unblock(w, number), 0, 0, c.life))
        number = following


@jit
def push(w: Any, number: int, what: int) -> None:
    """Send a message to one subscriber, or a word to the publisher (number 0), if it is subscribed."""
    c = cast(w)
    subscription = whole(endpoint_at(c.endpoints, number).subscription)
    if subscription >= 0:
        out(w, new_job(w, Job.PUSH, subscription, what, number, 0))


@jit
def digits(number: int) -> int:
    """Return how many digits a number has, which is not negative."""
    n = 1
    while number >= 10:
        number //= 10
        n += 1
    return n


@jit
def word_bytes(w: Any, one: int) -> int:
    """Return the bytes of a node's word that the bus pushes to the publisher."""
    c, command = cast(w), command_at(cast(w).commands.data, one)
    row = whole(command.a) * MOST_DIGITS + digits(whole(command.node) + 1)
    return i8_at(c.words, row * MOST_DIGITS + digits(whole(command.version))).v


@jit
def pushed(w: Any, subscription: int, what: int) -> None:
    """The broker has written to a subscriber, if it is still the same."""
    c = cast(w)
    number = whole(subscription_at(c.subscriptions.data, subscription).link)
    size = word_bytes(w, what) if number == 0 else c.pushed_message
    if endpoint_at(c.endpoints, number).subscription == subscription:
        send(w, subscription, what, size)


# Reading


@jit
def look(w: Any, i: int) -> None:
    """Answer a reader with what follows its cursor, or let it wait. See `twin.rules.delivery` (`Cursor.read`)."""
    c, call = cast(w), call_at(cast(w).calls.data, i)
    if call.epoch != c.epoch:
        call.epoch = c.epoch
        call.version = 0
    first = max(whole(call.version), oldest(w))
    n = min(c.version - first, MOST_READ)
    if n == 0:
        block(w, whole(call.link), i)
        return
    node = fanout_at(c.fanouts, call.link - 1)
    call.found = n
    call.version = first + n
    call.committed_epoch = node.committed_epoch
    call.committed_version = node.committed_version
    answer(w, i)


@jit
def restart_cursor(w: Any, server: int) -> None:
    """Stand where a new process of a node begins."""
    c, node = cast(w), fanout_at(cast(w).fanouts, server)
    if c.kind == OF_KAFKA:
        node.cursor_epoch = node.committed_epoch
        node.cursor_version = node.committed_version
    else:
        node.cursor_epoch = c.epoch
        node.cursor_version = c.version


@jit
def recover(w: Any, command: Any) -> None:
    """Answer a client that stands at (a, b): everything that followed, or nothing but the head."""
    c = cast(w)
    of_epoch = command.a == 0 or command.a == c.epoch
    command.recovered = of_epoch and oldest(w) <= command.b and command.b <= c.version
    command.epoch = c.epoch
    command.version = c.version
    command.behind = max(whole(command.b), oldest(w))
    command.value = 0


# Its end and its return


@jit
def kill(w: Any) -> None:
    """SIGKILL: every connection breaks, and what was under way is gone."""
    c = cast(w)
    c.up = False
    c.life += 1
    clear(w, c.bus)
    lose(w)
    i = forget_all(c.asking)
    while i >= 0:
        call = call_at(c.calls.data, i)
        call.asking = False
        i, one = asking_behind(c.calls.data, i), i
        carry_down(w, whole(call.link), Carry.REFUSAL, one, 0)
    number = whole(c.subscribed.first)
    while number >= 0:
        following = subscribed_behind(c.endpoints, number)
        leave(w, number, Word.CLOSED)
        number = following
    while c.blocked.first >= 0:
        unblock(w, whole(c.blocked.first))


@jit
def started(w: Any) -> None:
    """The broker's process is up again: with all its data, or empty in the next epoch."""
    c = cast(w)
    if c.up:
        return
    if not c.persist:
        c.epoch += 1
        c.version = 0
        i4_at(c.epochs, c.epoch).v = c.stamped.used
        for key in range(1, c.n_keys + 1):
            key_at(c.keys, key).message = -1
    c.up = True
