"""What each place of the compiled engine's queue saves against the one heap that could hold all events.

`./lab test tests/benchmarks/test_structures.py -s` prints the figures. A place is taken away by linking the kernel with
functions that put its events into the heap instead; each round runs all kernels one after the other, and user CPU time
is compared round by round.
"""

import os
import resource
import statistics

import numpy as np
import pytest

from sim.compiled.client import ahead
from sim.compiled.engine import KernelRun
from sim.compiled.events import queue, wheel
from sim.compiled.events.queue import push_heap
from sim.compiled.kernel import run
from sim.compiled.memory.layout import client_at, ring_at
from sim.compiled.rules import draw
from sim.compiled.toolchain.jit import jit, kernel, whole
from sim.compiled.toolchain.linking import linked
from sim.compiled.vocabulary import Exit
from twin.costs.profile import HostProfile
from twin.scenario.scenario import Scenario

ROUNDS = int(os.environ.get("STORMLAB_ROUNDS", "5"))
LEAST_SAVED = 0.20
"""How much longer a run must take somewhere without a place, for that to be worth its lines."""


@jit
def never_in_wheel(w, t, eid, client, kind):
    return False


@jit
def constant_in_heap(w, fifo, kind, a, b):
    w.eid += 1
    push_heap(w, w.now + ring_at(w.fifos, fifo).delay, w.eid, kind, a, b)


@jit
def nothing_ahead(w):
    pass


@jit
def drawn_when_needed(w, c):
    who = client_at(w.clients, c)
    n = whole(who.draws)
    who.draws += 1
    return draw(w, c, ahead.RECONNECT, n)


WITHOUT = {
    "wheel": {wheel.put_in_wheel: never_in_wheel},
    "queues of constant delays": {queue.schedule_constant: constant_in_heap},
    "numbers drawn ahead": {ahead.draw_ahead: nothing_ahead, ahead.draw_next: drawn_when_needed},
}
CASES = {  # scenario: its changes, runs a round
    "failover-full-jitter-1000": ({}, 100),
    "million": ({"clients": {"count": 100_000}}, 2),
}


def seconds(scenario, profile, one, runs):
    """Return the seconds of user CPU that the kernel takes for a run, and the measures of the last run."""
    total = 0.0
    for replication in range(runs):
        state, fresh = KernelRun(scenario, replication, profile, full=False), True
        began = resource.getrusage(resource.RUSAGE_SELF).ru_utime
        while one(state.world[0], fresh) != Exit.FINISHED:
            fresh = False
            state.make_room()
        total += resource.getrusage(resource.RUSAGE_SELF).ru_utime - began
    return total / runs, np.array(list(state.course().measures().values()))


@pytest.mark.timeout(1800)
def test_each_place_saves_a_fifth_somewhere_and_changes_nothing():
    profile = HostProfile.load("reference")
    saved = {name: [] for name in WITHOUT}
    kernels = {name: kernel(linked(run.__wrapped__, replaced)) for name, replaced in {"": {}, **WITHOUT}.items()}
    for case, (changes, runs) in CASES.items():
        scenario = Scenario.load(f"scenarios/{case}.toml").vary(**changes)
        told = {name: seconds(scenario, profile, one, 1)[1] for name, one in kernels.items()}
        for name in WITHOUT:
            assert np.array_equal(told[name], told[""], equal_nan=True)
        rounds = [
            {name: seconds(scenario, profile, one, runs)[0] for name, one in kernels.items()} for _ in range(ROUNDS)
        ]
        for name in WITHOUT:
            saved[name].append(statistics.median(one[name] / one[""] for one in rounds) - 1.0)
            text = (
                f"{case}, {scenario.clients.count} clients: {1e3 * statistics.median(one[''] for one in rounds):.2f} ms"
            )
            print(f"\n{text} a run, {saved[name][-1]:+.0%} without the {name}")  # noqa: T201
    for name, some in saved.items():
        assert max(some) >= LEAST_SAVED, name
