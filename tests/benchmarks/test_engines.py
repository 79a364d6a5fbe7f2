"""How much faster the compiled engine is than the SimPy model, and what an event and a client cost it.

Run with `-s` to see the figures; `STORMLAB_CLIENTS=1000,20000,200000` compares at other sizes, and
`STORMLAB_SCALE=10000,100000,1000000,10000000` runs the compiled engine alone at other sizes.
"""

import os
import subprocess
import sys
import time
from functools import partial
from pathlib import Path

import numpy as np
import pytest

from sim.compiled.engine import KernelRun
from sim.world import World
from twin.costs.profile import HostProfile
from twin.scenario.scenario import Scenario

COMPARED = [int(n) for n in os.environ.get("STORMLAB_CLIENTS", "1000,20000").split(",")]
SCALE = [int(n) for n in os.environ.get("STORMLAB_SCALE", "10000,100000,1000000").split(",")]
LEAST_RATIO = 75.0
"""Half of the 150 that are wanted: a bound that shows whether something has gone wrong. A slow hour found 103."""
RATIO_FROM = 20_000
ROUNDS, RUNS = 3, 20
"""Runs of SimPy, and compiled ones before and after each of them; medians are compared."""
MOST_BYTES = 300.0
MOST_SECONDS = 5.0
"""Most that a prediction of the million, in a process of its own, may take of one core, and (above) hold a client."""
MOST_GROWTH = 4.0
"""Most that an event may cost at the largest size, over what it costs at the smallest."""


def storm(clients):
    """The million's scenario with fewer clients and as long a storm for each of them, but 60 s long."""
    return Scenario.load("scenarios/million.toml").vary(
        clients={"count": clients, "connect_rate": 100_000.0},
        nodes={"count": 10},
        duration=60.0,
        faults=[{"at": 5.0, "kind": "outage", "duration": 10.0}],
    )


def peak():
    """Return the most bytes that this process has held, the time before `forget_peak` left out. Linux only."""
    return next(int(line.split()[1]) * 1024 for line in Path("/proc/self/status").open() if line.startswith("VmHWM"))


def forget_peak():
    Path("/proc/self/clear_refs").write_text("5")


def seconds_of(work):
    """Return the seconds of CPU that a piece of work takes."""
    began = time.process_time()
    work()
    return time.process_time() - began


def compiled(scenario, profile):
    return KernelRun(scenario, 0, profile).go().noted()


def compile_first(profile):
    KernelRun(storm(100), 0, profile).go()


@pytest.mark.timeout(900)
def test_the_compiled_engine_is_far_faster_and_says_the_same():
    profile = HostProfile.load("reference")
    compile_first(profile)
    for clients in COMPARED:
        scenario = storm(clients)
        took, slow = [], []
        for _ in range(ROUNDS):  # one after the other: the machine is fast for seconds, and slow for seconds
            took += [seconds_of(partial(compiled, scenario, profile)) for _ in range(RUNS)]
            slow.append(seconds_of(World(scenario, 0, profile).run))
        took += [seconds_of(partial(compiled, scenario, profile)) for _ in range(RUNS)]
        run, expected = KernelRun(scenario, 0, profile).go(), World(scenario, 0, profile).run()
        assert sorted(run.rows(), key=lambda row: row[0]) == sorted(expected, key=lambda row: row[0])
        events, ratio = len(run.noted()), np.median(slow) / np.median(took)
        text = (
            f"SimPy {np.median(slow):.2f} s ({min(slow):.2f} .. {max(slow):.2f}), "
            f"compiled {np.median(took):.4f} s ({min(took):.4f} .. {max(took):.4f}), {ratio:.0f} x"
        )
        print(f"\n{clients} clients, {events} events noted: {text}")  # noqa: T201
        if clients >= RATIO_FROM:
            assert ratio >= LEAST_RATIO


@pytest.mark.timeout(900)
def test_an_event_and_a_client_cost_little_at_any_size():
    profile = HostProfile.load("reference")
    compile_first(profile)
    million = Scenario.load("scenarios/million.toml")
    costs = []
    for clients in SCALE:
        scenario = million.vary(clients={"count": clients})
        run, took = None, []
        forget_peak()
        before = peak()
        for _ in range(3 if clients < 200_000 else 1):
            run = None
            began = time.process_time()
            run = KernelRun(scenario, 0, profile, full=False).go()
            took.append(time.process_time() - began)
        events = run.processed
        grown = (peak() - before) / clients
        costs.append(min(took) / events)
        text = f"{min(took):.3f} s, {events} events, {1e9 * costs[-1]:.0f} ns each, {grown:.0f} B a client"
        print(f"\n{clients} clients: {text}")  # noqa: T201
    assert costs[-1] <= MOST_GROWTH * costs[0]


ONE_PREDICTION = """
import time
import sim
from tests.benchmarks.test_engines import forget_peak, peak
from twin.scenario.scenario import Scenario
million = Scenario.load("scenarios/million.toml")
sim.predict(million.vary(clients={"count": 100}), 1, engine="compiled")
forget_peak()
before, began = peak(), time.process_time()
sim.predict(million, 1, engine="compiled")
took = time.process_time() - began
print(took, (peak() - before) / million.clients.count)
"""


@pytest.mark.timeout(300)
def test_a_million_clients_take_seconds_and_little_memory():
    """As `./lab predict scenarios/million.toml --engine compiled --replications 1 --json` does, in its own process."""
    done = subprocess.run([sys.executable, "-c", ONE_PREDICTION], capture_output=True, text=True, check=True)
    took, each = map(float, done.stdout.split())
    print(f"\na million clients: predicted in {took:.2f} s of CPU, {each:.0f} B a client")  # noqa: T201
    assert took < MOST_SECONDS
    assert each < MOST_BYTES
