"""Commands with the retries of a client library. See `sim.broadcast.bus` (`Bus.command`)."""

from typing import Any

from sim.compiled.broadcast.bus import serve
from sim.compiled.broadcast.layout import call_at, cast, endpoint_at, task_at
from sim.compiled.broadcast.tasks import let_sleep, next_wait
from sim.compiled.broadcast.vocabulary import BroadcastPending
from sim.compiled.events.queue import schedule
from sim.compiled.rules import draw, retry_delay
from sim.compiled.toolchain.jit import jit, whole
from twin.draws import Purpose

BUS_RETRY = int(Purpose.BUS_RETRY)
NOT_YET, DONE, FAILED = range(3)
TRYING, RESTING = range(2)


@jit
def wait_before_retry(w: Any, number: int, failures: int) -> float:
    """Return the wait at a link before the next try, in seconds."""
    c, link = cast(w), endpoint_at(cast(w).endpoints, number)
    link.draws += 1
    u = draw(w, number, BUS_RETRY, whole(link.draws) - 1)
    return retry_delay(failures, c.retry_base, c.retry_cap, u)


@jit
def await_answer(w: Any, i: int, call: int) -> None:
    """Let a task go on with the answer to a call, or after the timeout."""
    task, one = task_at(cast(w).tasks.data, i), call_at(cast(w).calls.data, call)
    task.call = call
    one.task = i
    one.serial = next_wait(w, i)
    schedule(w, cast(w).retry_timeout, BroadcastPending.TRY_OVER, i, whole(one.serial))


@jit
def is_answered(w: Any, i: int) -> bool:
    """Tell whether the call of a task was done."""
    call = call_at(cast(w).calls.data, task_at(cast(w).tasks.data, i).call)
    return call.triggered and call.ok


@jit
def begin_command(w: Any, i: int, commands: int, n: int) -> None:
    """Let a task do commands over its process's link, all again when the connection breaks before the last answer."""
    task = task_at(cast(w).tasks.data, i)
    task.commands = commands
    task.n = n
    task.failures = 1
    task.tries = 0
    try_command(w, i)


@jit
def try_command(w: Any, i: int) -> None:
    """Send the commands."""
    task = task_at(cast(w).tasks.data, i)
    task.tries += 1
    task.step = TRYING
    await_answer(w, i, serve(w, task.node + 1, whole(task.commands), whole(task.n)))


@jit
def go_on_with_command(w: Any, i: int) -> int:
    """Take the next step: DONE, FAILED when no try succeeded, or NOT_YET."""
    task = task_at(cast(w).tasks.data, i)
    if task.step == RESTING:
        task.failures += 1
        try_command(w, i)
        return NOT_YET
    if is_answered(w, i):
        return DONE
    if task.failures > cast(w).retries:
        return FAILED
    task.step = RESTING
    let_sleep(w, i, wait_before_retry(w, task.node + 1, whole(task.failures)))
    return NOT_YET
