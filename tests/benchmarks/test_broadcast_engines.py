"""How much faster the compiled engine is than the SimPy model where messages are broadcast.

Run with `-s` to see the figures; `STORMLAB_SUBSCRIBERS=1000,20000` compares at other sizes.
"""

import os
import time

import pytest

from sim.compiled.engine import Run
from sim.world import World
from twin.profile import HostProfile
from twin.scenario import Scenario

COMPARED = [int(n) for n in os.environ.get("STORMLAB_SUBSCRIBERS", "100,1000").split(",")]
LEAST_RATIO = 20.0
RATIO_FROM = 1000


def talk(clients):
    """Return ten messages a second to so many clients over a stream."""
    return Scenario.load("scenarios/broadcast-1000.toml").vary(clients={"count": clients, "connect_rate": 100_000.0})


@pytest.mark.timeout(900)
def test_the_compiled_engine_is_far_faster_in_a_broadcast_and_says_the_same():
    profile = HostProfile.load("reference")
    Run(talk(10), 0, profile).go()
    for clients in COMPARED:
        scenario = talk(clients)
        took = []
        for _ in range(3):
            began = time.process_time()
            run = Run(scenario, 0, profile).go()
            took.append(time.process_time() - began)
        began = time.process_time()
        rows = run.rows()
        listed = time.process_time() - began
        began = time.process_time()
        expected = World(scenario, 0, profile).run()
        slow = time.process_time() - began
        assert sorted(rows, key=lambda row: row[0]) == sorted(expected, key=lambda row: row[0])
        delivered, ratio = sum(row[1] == "delivered" for row in rows), slow / min(took)
        whole = slow / (min(took) + listed)
        text = f"SimPy {slow:.2f} s, compiled {min(took):.4f} s, {ratio:.0f} x"
        text += f", {whole:.0f} x with the {listed:.3f} s in which the record is made"
        print(f"\n{clients} clients, {delivered} deliveries: {text}")  # noqa: T201
        if clients >= RATIO_FROM:
            assert ratio >= LEAST_RATIO
