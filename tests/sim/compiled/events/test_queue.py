"""What is pending comes in the order in which a heap of (time, priority, number) gives it."""

from heapq import heappop, heappush

import numba
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from sim.compiled.engine import KernelRun
from sim.compiled.events.queue import (
    FROM_HEAP,
    FROM_WHEEL,
    NOTHING,
    pop_fifo,
    pop_heap,
    schedule,
    schedule_constant,
    schedule_first,
    schedule_now,
    schedule_timer,
    turn_to_next,
)
from sim.compiled.memory.layout import event_at, timed_at
from sim.compiled.toolchain.parts import WholeCompiler
from sim.compiled.vocabulary import FIFOS
from tests.strategies import small, small_profile

TAKE, HEAP, TIMER, FIFO, NOW, FIRST = range(6)
"""Take the next event, or queue one in one of five ways."""
CONSTANT = [0.0, 1e-3, 0.5, 0.5, 2.0, 0.1, 40.0]
DURATION = 60.0
MOST = 3000


@numba.njit(error_model="numpy", pipeline_class=WholeCompiler)
def take(w):
    """Take the next event, and return its number, -1 at the end."""
    source = turn_to_next(w)
    if source == NOTHING:
        return -1
    if source == FROM_HEAP:
        number = event_at(w.heap, 0).a
        pop_heap(w)
    elif source == FROM_WHEEL:
        number = timed_at(w.soon, w.soon_first).a
        w.soon_first += 1
    else:
        number = pop_fifo(w, source).a
    return number


@numba.njit(error_model="numpy", pipeline_class=WholeCompiler)
def drive(w, whats, delays, numbers, times):
    """Do what is asked for, then take what is left; return how many events were taken."""
    n = 0
    for k in range(len(whats) + len(numbers)):
        what = whats[k] if k < len(whats) else TAKE
        if what == TAKE:
            number = take(w)
            if number >= 0:
                numbers[n], times[n] = number, w.now
                n += 1
            elif k >= len(whats):
                break
        elif what == HEAP:
            schedule(w, delays[k], 0, k, 0)
        elif what == TIMER:
            schedule_timer(w, delays[k], k, 0)
        elif what == FIFO:
            schedule_constant(w, int(delays[k]), 0, k, 0)
        elif what == NOW:
            schedule_now(w, 0, k, 0)
        else:
            schedule_first(w, 0, k, 0)
    return n


def taken(steps, longest=1.0):
    """Return (number, time) of the events in the order in which the engine takes them."""
    scenario = small(duration=DURATION, clients={"count": MOST, "reconnect": {"base": 0.1, "cap": longest}})
    run = KernelRun(scenario, 0, small_profile())
    run.kept["fifos"]["delay"] = CONSTANT
    numbers, times = np.zeros(len(steps) + 1, np.int64), np.zeros(len(steps) + 1)
    whats, delays = np.array([what for what, _ in steps]), np.array([float(delay) for _, delay in steps])
    n = drive(run.world[0], whats, delays, numbers, times)
    return list(zip(numbers[:n].tolist(), times[:n].tolist(), strict=True))


def expected(steps):
    """Return the same from a heap, as SimPy has it."""
    pending, now, found = [], 0.0, []

    def take_one():
        nonlocal now
        if not pending or pending[0][0] >= DURATION:
            return False
        now, _, number = heappop(pending)
        found.append((number, now))
        return True

    for number, (what, delay) in enumerate(steps):
        if what == TAKE:
            take_one()
        else:
            wait = {FIFO: lambda d: CONSTANT[int(d)], NOW: lambda d: 0.0, FIRST: lambda d: 0.0}.get(what, float)(delay)
            heappush(pending, (now + wait, what != FIRST, number))
    while take_one():
        pass
    return found


DELAYS = st.one_of(
    st.sampled_from([0.0, 1e-9, 0.001, 0.1, 0.25, 0.5, 1.0, 2.0, 33.0, 59.0, 61.0]),
    st.floats(0.0, 70.0),
    st.floats(0.0, 0.01),
)
STEPS = st.one_of(
    st.just((TAKE, 0.0)),
    st.tuples(st.sampled_from([HEAP, TIMER]), DELAYS),
    st.tuples(st.just(FIFO), st.integers(0, FIFOS - 1)),
    st.tuples(st.sampled_from([NOW, FIRST]), st.just(0.0)),
)


@settings(max_examples=80)
@given(steps=st.lists(STEPS, max_size=200), longest=st.sampled_from([0.1, 1.0, 30.0, 3600.0]))
def test_events_come_in_order_of_time_urgency_and_number(steps, longest):
    assert taken(steps, longest) == expected(steps)


@pytest.mark.parametrize("spread", [0.0, 1e-6, 0.01, 5.0, 50.0])
@pytest.mark.parametrize("digits", [2, 12])
def test_thousands_of_timers_come_in_order_however_close_they_lie(spread, digits):
    """Few digits make many equal times; a small spread puts all of them into one bucket, or one part of it."""
    times = np.round(5.0 + spread * np.random.default_rng(1).random(MOST), digits)
    steps = [(TIMER, t) for t in times.tolist()]
    assert taken(steps) == expected(steps)


def test_a_timer_set_while_its_bucket_is_taken_comes_in_its_turn():
    steps = [
        (TIMER, 5.0),
        (TIMER, 5.0001),
        (TIMER, 5.0003),
        (TAKE, 0.0),
        (TIMER, 0.0001),
        (TIMER, 0.0002),
        (HEAP, 0.0002),
    ]
    assert taken(steps) == expected(steps)


def test_nothing_comes_at_or_after_the_end_of_the_run():
    assert taken([(HEAP, DURATION), (TIMER, DURATION), (TIMER, 59.0)]) == [(2, 59.0)]
