"""How much faster a sweep is on two cores; both numbers come from this run. Run with `-s` to see them."""

import os
import sys
import time

import pandas as pd
import pytest

import sim
from tests.strategies import small_profile
from twin.course.storms import outage

VARY = {
    "clients.reconnect.cap": [2, 4, 6, 8, 10, 15, 20, 30],
    "nodes.backlog": [10, 20, 50, 100, 200, 300, 500, 1000],
}
REPLICATIONS = 50
LEAST_SPEED_UP = 1.7


@pytest.mark.skipif((os.cpu_count() or 1) < 2, reason="needs two cores")
@pytest.mark.timeout(300)
def test_a_sweep_of_64_variants_scales_on_two_cores() -> None:
    """Start of the worker included; one core comes before and after, as the machine is fast for seconds, and slow."""
    profile, scenario = small_profile(), outage(1000, 3, 20.0, 40.0, base=1.0, cap=8.0, jitter="full")
    took, tables = {1: [], 2: []}, {}
    for jobs in (1, 2, 1):
        begin = time.perf_counter()
        tables[jobs] = sim.sweep(scenario, VARY, REPLICATIONS, profile, jobs=jobs).table
        took[jobs].append(time.perf_counter() - begin)
    pd.testing.assert_frame_equal(tables[1], tables[2], check_exact=True)
    one, two = sum(took[1]) / 2, took[2][0]
    ratio = one / two
    text = f"{one:.1f} s on one core, {two:.1f} s on two: {ratio:.2f} x"
    sys.stdout.write(f"\n64 variants x {REPLICATIONS} replications: {text}\n")
    assert ratio >= LEAST_SPEED_UP
