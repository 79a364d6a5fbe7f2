"""What a ping and its pong cost the CPU of client, balancer and node; run with `-s` to see it."""

import sys

import pytest

from live.calibration import pings

MOST = 1e-3
"""Seconds that a ping may cost one process; far more than it does."""


@pytest.mark.live
def test_a_ping_costs_a_fraction_of_a_millisecond(tmp_path):
    path = tmp_path / "costs.json"
    pings.main(path)
    found = pings.recorded(path)
    assert tuple(found) == pings.INTERVALS
    for interval, costs in found.items():
        told = ", ".join(f"{name} {1e6 * each:.0f} us" for name, each in costs.items())
        sys.stdout.write(f"\n{pings.CLIENTS / interval:.0f} pings a second: {told} a ping\n")
        assert set(costs) == {"client", "balancer", "node"}
        assert all(0.0 < each < MOST for each in costs.values())
