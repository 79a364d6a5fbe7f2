"""The machine: processes that take turns on a few cores. See `sim.machine.process`, whose order of steps this keeps."""

from typing import Any

from sim.compiled.events.queue import schedule, schedule_constant, schedule_now, schedule_timer
from sim.compiled.hooks import step_seconds
from sim.compiled.machine.cores import average, delay, following, leave_core, rested, soonest_of, stayed, turn_is_over
from sim.compiled.machine.inbox import append, copy_item, empty, prepend, take_first
from sim.compiled.memory.layout import cores_at, cost_at, f8_at, i4_at, item_at, pace_at, process_at
from sim.compiled.rules import after_sleep, contention_step, timer_due, wakes_late, warm_after_sleep
from sim.compiled.toolchain.jit import jit, whole
from sim.compiled.vocabulary import EXPIRES, FIRED, WAKES, Item, Pending, Stage, Timer
from sim.machine.cores import IDLE_WEIGHT, ROUNDING
from twin.costs.profile import LEVELS_OF_PACE, PACE_STEP

SURELY = 1e-9
"""Seconds by which a step of a core's pace is left early, so that no rounding lets one look at it too late."""


@jit
def level(w: Any, process: Any) -> int:
    """Return the speed level of the core of a process that has it just now."""
    pace = pace_at(w.paces, cores_at(w.cores, process.cores).pace + process.core)
    if w.now >= pace.until:
        place = whole(pace.start + w.now / PACE_STEP)
        pace.level = i4_at(w.series, pace.offset + place % pace.length).v
        pace.until = (place + 1 - pace.start) * PACE_STEP - SURELY
    step = contention_step(w.at_work - 1, w.machine_cores, w.contention_steps)
    return pace.level + LEVELS_OF_PACE * step


@jit
def seconds_of(w: Any, cost: int, waiting: int, asleep: float, speed: int) -> float:
    """Return the seconds of one of `waiting` items for a process that slept `asleep` seconds before it."""
    kind = cost_at(w.costs, cost)
    last = kind.length - 1
    seconds = f8_at(w.tables, kind.offset + speed * kind.length + (waiting if waiting < last else last)).v
    if asleep > 0.0:
        place = cost * w.levels + speed
        seconds = after_sleep(seconds, f8_at(w.lones, place).v, f8_at(w.wakes, place).v, asleep)
    return seconds


@jit
def resume_seconds(w: Any, cost: int, waiting: int, away: float, speed: int) -> float:
    """Return what one of `waiting` items costs more, in seconds, after others have had the core for `away` ones."""
    return seconds_after(w, cost, waiting, away, speed) - seconds_of(w, cost, waiting, 0.0, speed)


@jit
def seconds_after(w: Any, cost: int, waiting: int, pause: float, speed: int) -> float:
    """Return the seconds of one of `waiting` items for a process that did others for `pause` seconds, and is awake."""
    seconds = seconds_of(w, cost, waiting, 0.0, speed)
    return after_sleep(seconds, f8_at(w.lones, cost * w.levels + speed).v, 0.0, pause)


@jit
def fill(w: Any, item: Any, kind: int, cost: int, a: int, b: int) -> None:
    """Make something an item that has not begun."""
    item.kind = kind
    item.cost = cost
    item.a = a
    item.b = b
    item.hops = 0
    item.asleep = 0.0
    item.eager = False
    item.ends = False
    item.stage = Stage.WHOLE
    if cost >= 0:
        first = cost_at(w.costs, cost).first
        if first > 0.0 and 1.0 - first > 0.0:
            item.stage = Stage.FIRST_PART


@jit
def work(w: Any, number: int, kind: int, cost: int, a: int, b: int) -> None:
    """Queue one item for a process; an idle one has nothing else to do."""
    process = process_at(w.procs, number)
    fill(w, item_at(append(w, process), 0), kind, cost, a, b)
    if not process.ready and not process.stopped:
        wake(w, number)
        process.item.eager = process.busy and process.item.stage == Stage.WHOLE


@jit
def carry_on(w: Any, number: int, kind: int, cost: int, a: int, b: int) -> None:
    """Queue an item that goes on from the one that ends just now, before the loop turns to anything else."""
    process = process_at(w.procs, number)
    if not process.ready or process.stopped:
        work(w, number, kind, cost, a, b)
        return
    item = item_at(prepend(w, process), 0)
    fill(w, item, kind, cost, a, b)
    item.stage = Stage.WHOLE


@jit
def client_work(w: Any, client: int, cost: int, goes_on: bool) -> None:
    """Let a client work, on the process it shares or on its own machine, and then go on."""
    if w.separate:
        schedule_constant(w, cost, Pending.RESUME, client, 0)
    elif goes_on:
        carry_on(w, swarm_of(w, client), Item.CLIENT, cost, client, 0)
    else:
        work(w, swarm_of(w, client), Item.CLIENT, cost, client, 0)


@jit
def swarm_of(w: Any, client: int) -> int:
    """Return the process of a client."""
    return w.first_swarm + client // w.per_process


@jit
def sleep(w: Any, number: int, seconds: float, what: int, a: int, b: int) -> None:
    """Set a timer of a process's loop for one of OF_CLIENT, OF_HANG, OF_RETRY, OF_STOP, OF_DRAIN."""
    if w.separate and number >= w.first_swarm:
        if what == Timer.CLIENT:
            schedule_timer(w, max(0.0, seconds), a, FIRED + what)
        else:
            schedule(w, max(0.0, seconds), FIRED + what, a, b)
        return
    delay = timer_due(seconds, w.now, w.clock)
    if what == Timer.CLIENT:
        schedule_timer(w, delay, a, EXPIRES + what)
    else:
        schedule(w, delay, EXPIRES + what, a, b)


@jit
def expire(w: Any, number: int, what: int, a: int, b: int) -> None:
    """A timer is due; a process that sleeps wakes up a little later."""
    process = process_at(w.procs, number)
    late = 0.0
    if not process.ready and process.asleep_since >= 0.0:
        late = wakes_late(process.asleep_since, w.now, w.clock)
    if late > 0.0:
        schedule(w, late, WAKES + what, a, b)
    else:
        schedule_now(w, FIRED + what, a, b)


@jit
def stop(w: Any, number: int) -> None:
    """Take a process off the cores; an item under way is finished first."""
    process_at(w.procs, number).stopped = True


@jit
def resume(w: Any, number: int) -> None:
    """Put a process back."""
    process = process_at(w.procs, number)
    process.stopped = False
    if process.load > 0 and not process.ready:
        wake(w, number)


@jit
def resume_with(w: Any, number: int, kind: int, cost: int, a: int, b: int) -> None:
    """Put a stopped process back, with something to do in one step before all that has come meanwhile."""
    fill(w, item_at(prepend(w, process_at(w.procs, number)), 0), kind, cost, a, b)
    resume(w, number)


@jit
def clear(w: Any, number: int) -> None:
    """Forget all work of a process that has not begun."""
    empty(w, process_at(w.procs, number))


@jit
def wake(w: Any, number: int) -> None:
    """Make a process that has got work compete for a core."""
    process = process_at(w.procs, number)
    cores = cores_at(w.cores, process.cores)
    process.ready = True
    process.woken = w.now
    process.slept = w.now - process.asleep_since
    process.warm = warm_after_sleep(whole(process.warm), process.slept)
    if cores.runs + cores.waits == 0:
        rested(w, cores)
    kept = stayed(w, number, cores)
    rivals = cores.runs + cores.waits + cores.delays + IDLE_WEIGHT
    average(w, cores)
    if not kept or process.place < cores.mean:
        lag = 0.0 if kept else process.lag * (rivals + 1) / rivals
        process.place = cores.mean - lag
        process.deadline = process.place + w.time_slice
    process.over_since = -1.0
    process.off_since = -1.0
    if cores.idles > 0:
        cores.idles -= 1
        process.core = i4_at(w.lists, cores.idle + cores.idles).v
        begin(w, number, cores)
    else:
        i4_at(w.lists, cores.waiting + cores.waits).v = number
        cores.waits += 1
        challenge(w, number, cores)


@jit
def challenge(w: Any, newcomer: int, cores: Any) -> None:
    """Note that who runs is to give way to a newcomer."""
    average(w, cores)
    runner = process_at(w.procs, i4_at(w.lists, cores.running).v)
    for i in range(1, cores.runs):
        other = process_at(w.procs, i4_at(w.lists, cores.running + i).v)
        if other.place > runner.place:
            runner = other
    if runner.place > cores.mean + ROUNDING and soonest_of(w, cores, whole(cores.waits)) == cores.waits - 1:
        runner.gives_way = True


@jit
def begin(w: Any, number: int, cores: Any) -> None:
    """Let a process have its core."""
    process = process_at(w.procs, number)
    i4_at(w.lists, cores.running + cores.runs).v = number
    cores.runs += 1
    w.at_work += 1
    process.gives_way = False
    slept = process.slept
    process.slept = 0.0
    away = w.now - process.off_since if process.off_since >= 0.0 else 0.0
    process.off_since = -1.0
    start(w, number, slept, away)


@jit
def start(w: Any, number: int, asleep: float, away: float) -> None:
    """Do the next step of the next item of a process that slept, or was away from its core, before that."""
    process = process_at(w.procs, number)
    item = process.item
    waiting = process.load + process.warm
    take_first(w, process)
    while item.hops > 0 and process.load > 0:
        item.hops -= 1
        copy_item(item_at(append(w, process), 0), item)
        take_first(w, process)
    seconds = step_seconds(w, number, waiting, asleep, away)
    if seconds < 0.0:
        item.asleep = max(item.asleep, asleep)
        seconds = seconds_of(w, whole(item.cost), waiting, item.asleep, level(w, process))
        if item.stage != Stage.WHOLE:
            first = cost_at(w.costs, item.cost).first
            seconds = (first if item.stage == Stage.FIRST_PART else 1.0 - first) * seconds
        if item.kind == Item.BOOT:
            seconds *= w.start_share
        if away > 0.0:
            seconds += resume_seconds(w, whole(item.cost), waiting, away, level(w, process))
    if item.stage != Stage.FIRST_PART:
        process.warm += 1
    process.place += seconds
    process.busy = True
    schedule(w, seconds, Pending.STEP, number, 0)


@jit
def go_on(w: Any, number: int) -> None:
    """Choose who runs next after a step of a process has ended."""
    process = process_at(w.procs, number)
    cores = cores_at(w.cores, process.cores)
    process.busy = False
    if process.load == 0 or process.stopped:
        process.threads = 0
        average(w, cores)
        process.lag = max(-w.most_lag, min(w.most_lag, cores.mean - process.place))
        process.ready = False
        process.asleep_since = w.now
        leave_core(w, number, cores)
        if process.lag < 0.0:
            process.lag = 0.0
            delay(w, number, cores)
        hand_over(w, whole(process.core), cores)
        return
    if process.over_since < 0.0 and process.place >= process.deadline - ROUNDING:
        process.over_since = w.now
    if cores.waits > 0 and (process.gives_way or turn_is_over(w, process, cores)):
        process.threads = 0
        leave_core(w, number, cores)
        process.off_since = w.now
        i4_at(w.lists, cores.waiting + cores.waits).v = number
        cores.waits += 1
        give(w, whole(process.core), cores, following(w, cores, whole(cores.waits)))
        return
    start(w, number, 0.0, 0.0)


@jit
def hand_over(w: Any, core: int, cores: Any) -> None:
    """Give a core to the process that is served next."""
    if cores.waits == 0:
        i4_at(w.lists, cores.idle + cores.idles).v = core
        cores.idles += 1
        cores.idle_since = w.now
    else:
        give(w, core, cores, following(w, cores, whole(cores.waits)))


@jit
def give(w: Any, core: int, cores: Any, place: int) -> None:
    """Let the process at a place among those that wait have a core, or another one if it has nothing to do any more."""
    while True:
        number = whole(i4_at(w.lists, cores.waiting + place).v)
        cores.waits -= 1
        for i in range(place, cores.waits):
            i4_at(w.lists, cores.waiting + i).v = i4_at(w.lists, cores.waiting + i + 1).v
        process = process_at(w.procs, number)
        process.core = core
        if process.load > 0 and not process.stopped:
            break
        process.ready = False
        process.asleep_since = w.now
        if cores.waits == 0:
            i4_at(w.lists, cores.idle + cores.idles).v = core
            cores.idles += 1
            cores.idle_since = w.now
            return
        place = following(w, cores, whole(cores.waits))
    begin(w, number, cores)
