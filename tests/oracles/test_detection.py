"""How long a death goes unnoticed: the balancer's checks, and the keepalive of a client."""

import pytest

from sim import simulate
from tests.oracles.intervals import critical_distance, distance_to_uniform
from tests.strategies import small
from twin.measures import measure_record

SLACK = 0.012
"""Seconds that work adds to the timers: the kernel ends a node, a check takes its own time, a client waits its turn."""


@pytest.mark.parametrize(("inter", "fall"), [(1.0, 2), (0.5, 4), (2.0, 3)])
def test_haproxy_marks_a_dead_node_down_after_fall_minus_one_to_fall_intervals(inter, fall, profile):
    """U((fall - 1) * inter, fall * inter). Source: HAProxy 2.8 configuration manual, `inter` and `fall`; the death
    falls anywhere between two checks. Kolmogorov-Smirnov at 99 %.
    """
    check = {"inter": inter, "fall": fall, "timeout": 0.3}
    kill = [{"at": 1.0, "kind": "kill", "node": 1}]
    scenario = small(clients={"count": 3}, balancer={"check": check}, faults=kill, duration=1.5 + fall * inter)
    found = [measure_record(simulate(scenario, k, profile))["mark_down_delay"] for k in range(120)]
    low, high = (fall - 1) * inter, fall * inter
    assert low <= min(found)
    assert max(found) <= high + SLACK
    assert distance_to_uniform(found, low, high) < critical_distance(len(found))


@pytest.mark.parametrize(("interval", "timeout"), [(20.0, 20.0), (3.0, 1.0), (1.0, 2.5)])
def test_a_keepalive_finds_a_half_open_connection_within_its_bounds(interval, timeout, profile):
    """U(timeout, interval + timeout); U(20, 40) s with the defaults of `websockets`. Source: its documentation on
    keepalive, and `Connection.keepalive` in asyncio/connection.py: a ping every `ping_interval`, and the connection
    fails when there is no pong within `ping_timeout`. Kolmogorov-Smirnov at 99 %.
    """
    hang = [{"at": 30.0, "kind": "hang", "node": 1}]
    scenario = small(
        clients={"count": 300, "heartbeat": {"interval": interval, "timeout": timeout}},
        nodes={"count": 1},
        balancer={"check": {"inter": 60.0}},
        faults=hang,
        duration=30.0 + interval + timeout + 1.0,
    )
    events = simulate(scenario, 0, profile).events
    found = events[events["event"] == "disconnected"].groupby("client")["t"].first() - 30.0
    assert len(found) == 300
    late = 0.001 * (interval + timeout) + 0.05  # the kernel's slack, and a burst of many at once
    assert timeout <= found.min()
    assert found.max() <= interval + timeout + late
    assert distance_to_uniform(found, timeout, interval + timeout) < critical_distance(len(found))
