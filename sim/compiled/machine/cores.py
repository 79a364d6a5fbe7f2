"""Who competes for a few cores, and who is next: lists of those that run, wait, or sleep and are still in the queue.

See `sim.machine.cores`.
"""

from typing import Any

from sim.compiled.memory.layout import i4_at, process_at
from sim.compiled.rules import ticked
from sim.compiled.toolchain.jit import jit
from sim.machine.cores import IDLE_WEIGHT, ROUNDING


@jit
def leave_core(w: Any, number: int, cores: Any) -> None:
    """Take a process off the list of those that run."""
    i = 0
    while i4_at(w.lists, cores.running + i).v != number:
        i += 1
    cores.runs -= 1
    w.at_work -= 1
    for j in range(i, cores.runs):
        i4_at(w.lists, cores.running + j).v = i4_at(w.lists, cores.running + j + 1).v


@jit
def turn_is_over(w: Any, process: Any, cores: Any) -> bool:
    """Tell whether the time slice is used up, and since then a process woke up or the clock ticked; it then gets a new
    one.
    """
    over = process.over_since
    if over < 0.0:
        return False
    passed = w.tick == 0.0 or ticked(over, w.now, w.tick, w.clock)
    for i in range(cores.waits):
        passed = passed or process_at(w.procs, i4_at(w.lists, cores.waiting + i).v).woken >= over
    if passed:
        process.deadline = process.place + w.time_slice
        process.over_since = -1.0
    return passed


@jit
def average(w: Any, cores: Any) -> None:
    """Note the mean of what those in the queue have had, each by its weight."""
    total, count = IDLE_WEIGHT * cores.filler, IDLE_WEIGHT
    for i in range(cores.runs):
        one = process_at(w.procs, i4_at(w.lists, cores.running + i).v)
        total += one.place
        count += 1
        if one.threads > 0:
            total += one.threads * one.threads_place
            count += one.threads
    for i in range(cores.waits):
        one = process_at(w.procs, i4_at(w.lists, cores.waiting + i).v)
        total += one.place
        count += 1
        if one.threads > 0:
            total += one.threads * one.threads_place
            count += one.threads
    for i in range(cores.delays):
        total += process_at(w.procs, i4_at(w.lists, cores.delayed + i).v).place
        count += 1
    cores.mean = total / count


@jit
def delay(w: Any, number: int, cores: Any) -> None:
    """Keep a process in the queue that has fallen asleep."""
    i4_at(w.lists, cores.delayed + cores.delays).v = number
    cores.delays += 1


@jit
def leave_queue(w: Any, i: int, cores: Any) -> None:
    """Take one of those out of the queue that sleep and were kept there."""
    cores.delays -= 1
    for j in range(i, cores.delays):
        i4_at(w.lists, cores.delayed + j).v = i4_at(w.lists, cores.delayed + j + 1).v


@jit
def stayed(w: Any, number: int, cores: Any) -> bool:
    """Tell whether a process that wakes up was kept in the queue; it is not one of those that sleep any more."""
    for i in range(cores.delays):
        if i4_at(w.lists, cores.delayed + i).v == number:
            leave_queue(w, i, cores)
            return True
    return False


@jit
def rested(w: Any, cores: Any) -> None:
    """Who only keeps the cores awake has had them: who sleeps and is still in the queue leaves it in its turn."""
    cores.filler += (w.now - cores.idle_since) / IDLE_WEIGHT
    average(w, cores)
    while cores.delays > 0:
        least = 0
        for i in range(1, cores.delays):
            one = process_at(w.procs, i4_at(w.lists, cores.delayed + i).v)
            if one.place < process_at(w.procs, i4_at(w.lists, cores.delayed + least).v).place:
                least = i
        if process_at(w.procs, i4_at(w.lists, cores.delayed + least).v).place > cores.mean:
            return
        leave_queue(w, least, cores)
        average(w, cores)
    cores.filler = 0.0


@jit
def soonest_of(w: Any, cores: Any, count: int) -> int:
    """Return the place of who is next among the first `count` of those that wait, or of those that sleep and are still
    in the queue, who come behind the others.
    """
    average(w, cores)
    most = cores.mean + ROUNDING
    for entitled in (True, False):
        soonest = 1e300
        for i in range(count):
            one = process_at(w.procs, i4_at(w.lists, cores.waiting + i).v)
            if not entitled or one.place <= most:
                soonest = min(soonest, one.deadline)
        for i in range(cores.delays if entitled else 0):
            one = process_at(w.procs, i4_at(w.lists, cores.delayed + i).v)
            if one.place <= most:
                soonest = min(soonest, one.deadline)
        for i in range(count):
            one = process_at(w.procs, i4_at(w.lists, cores.waiting + i).v)
            if (not entitled or one.place <= most) and one.deadline <= soonest + ROUNDING:
                return i
        for i in range(cores.delays if entitled else 0):
            one = process_at(w.procs, i4_at(w.lists, cores.delayed + i).v)
            if one.place <= most and one.deadline <= soonest + ROUNDING:
                return count + i
    return -1


@jit
def following(w: Any, cores: Any, count: int) -> int:
    """Return the place of who is served next among the first `count` of those that wait; who sleeps and would be next
    has left the queue.
    """
    while True:
        found = soonest_of(w, cores, count)
        if found < count:
            return found
        leave_queue(w, found - count, cores)
