"""When each process ends the step that it does: one time a process, and a tournament tree that tells the next.

Nearly all that a heap of events would hold are these. Who does its next step takes part again from its own leaf, which
costs the same comparisons each time; none of them is a branch that the processor would have to guess.
Source: Knuth, "The Art of Computer Programming", vol. 3, 5.4.1 (replacement selection by a tree of winners).
"""

from typing import Any

import numpy as np

from sim.compiled.memory.layout import step_at
from sim.compiled.toolchain.jit import jit, whole

NOBODY = -1
WINNER = 1
"""The place in the tree of the step that ends first; its children are at 2 and 3, and so on."""


@jit
def begin_step(w: Any, process: int, t: float) -> None:
    """Let a process's step end at `t` > now."""
    w.eid += 1
    if w.step_gap == process:
        w.step_gap = NOBODY
    play(w, process, t, w.eid)


@jit
def end_step(w: Any) -> int:
    """Take the step that ends first, and return its process. It leaves a gap, which its next step may fill."""
    w.step_gap = step_at(w.steps, WINNER).process
    return whole(w.step_gap)


@jit
def close_step_gap(w: Any) -> None:
    """Take a process off the tree whose step has ended and that has not begun another one."""
    if w.step_gap != NOBODY:
        play(w, w.step_gap, np.inf, 0)
        w.step_gap = NOBODY


@jit
def play(w: Any, process: int, t: float, eid: int) -> None:
    """Give a process's leaf a time, and find the winners of all matches on its way to the root."""
    place = w.n_leaves + process
    put_step(step_at(w.steps, place), t, eid, process)
    while place > WINNER:
        other = step_at(w.steps, place ^ 1)
        its_t, its_eid, its_process = other.t, other.eid, other.process
        wins = (its_t < t) | ((its_t == t) & (its_eid < eid))
        t = its_t if its_t < t else t  # not `if wins`: this is one instruction
        eid = its_eid if wins else eid
        process = its_process if wins else process
        place >>= 1
        put_step(step_at(w.steps, place), t, eid, process)


@jit
def put_step(place: Any, t: float, eid: int, process: int) -> None:
    """Write down when a process's step ends."""
    place.t = t
    place.eid = eid
    place.process = process
