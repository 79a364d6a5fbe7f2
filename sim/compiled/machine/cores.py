"""Who competes for a few cores, and who is next: the lists of those that run and that wait. See `sim.machine.cores`."""

from typing import Any

from sim.compiled.memory.layout import i4_at, process_at
from sim.compiled.rules import ticked
from sim.compiled.toolchain.jit import jit
from sim.machine.cores import ROUNDING


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
def mean_place(w: Any, cores: Any) -> float:
    """Return the mean of what those who compete have had."""
    total = 0.0
    count = cores.runs + cores.waits
    for i in range(cores.runs):
        one = process_at(w.procs, i4_at(w.lists, cores.running + i).v)
        total += one.place
        if one.threads > 0:
            total += one.threads * one.threads_place
            count += one.threads
    for i in range(cores.waits):
        one = process_at(w.procs, i4_at(w.lists, cores.waiting + i).v)
        total += one.place
        if one.threads > 0:
            total += one.threads * one.threads_place
            count += one.threads
    return total / count if count > 1 else total


@jit
def average(w: Any, cores: Any) -> None:
    """Note the mean of what those who compete have had; it stays when nobody does."""
    if cores.runs + cores.waits > 0:
        cores.mean = mean_place(w, cores)


@jit
def following(w: Any, cores: Any, count: int) -> int:
    """Return the place of who is served next among the first `count` of those that wait."""
    average(w, cores)
    most = cores.mean + ROUNDING
    for entitled in (True, False):
        soonest = 1e300
        for i in range(count):
            one = process_at(w.procs, i4_at(w.lists, cores.waiting + i).v)
            if not entitled or one.place <= most:
                soonest = min(soonest, one.deadline)
        for i in range(count):
            one = process_at(w.procs, i4_at(w.lists, cores.waiting + i).v)
            if (not entitled or one.place <= most) and one.deadline <= soonest + ROUNDING:
                return i
    return -1
