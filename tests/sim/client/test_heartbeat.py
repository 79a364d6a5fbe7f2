"""Clients that look for the longest interval that the balancer's timeout lets them have."""

import pytest

from sim import simulate
from sim.machine.timers import MILLISECOND
from sim.world import World
from tests.strategies import small
from twin.measures import measure_record

BASE = {"base": 0.1, "cap": 1.0, "jitter": "none"}


def searching(timeout=3.0, duration=60.0, max_interval=8.0, **more):
    beat = {"interval": 0.5, "timeout": 2.0, "max_interval": max_interval}
    clients = {"count": 10, "reconnect": BASE, "heartbeat": beat}
    return small(duration=duration, balancer={"tunnel_timeout": timeout}, clients=clients, **more)


def test_the_clients_find_the_timeout_and_are_cut_no_more(profile):
    world = World(searching(), 0, profile)
    world.run()
    for one in world.clients:
        assert 3.0 - 0.5 <= one.beats.rule.interval < 3.0
    lost = [row for row in world.rows if row[1] == "disconnected"]
    assert 10 <= len(lost) <= 50
    assert {row[6] for row in lost} == {"1006"}
    assert max(row[0] for row in lost) < 45.0


def test_by_hand(profile):
    # 0.5 twice, then (0.5 + 8) / 2 = 4.25: cut 3 s after the ping before it; 0.5 holds again
    world = World(searching(duration=8.0), 0, profile)
    first = world.clients[3].first_beat
    world.run()
    cut = next(row[0] for row in world.rows if row[1] == "disconnected" and row[2] == 3)
    assert cut == pytest.approx(first + 0.5 + 0.5 + 3.0, abs=3 * MILLISECOND)  # three timers
    assert world.clients[3].beats.rule.bad == 4.25


def test_without_a_timeout_the_interval_grows_to_its_longest(profile):
    world = World(searching(timeout=3600.0), 0, profile)
    world.run()
    assert all(8.0 - 0.5 <= one.beats.rule.interval <= 8.0 for one in world.clients)
    assert not [row for row in world.rows if row[1] == "disconnected"]


def test_a_hung_node_is_noticed_by_the_next_ping_and_its_timeout(profile):
    fault = {"at": 20.0, "kind": "hang", "node": 1}
    record = simulate(searching(timeout=3600.0, max_interval=2.0, duration=30.0, faults=[fault]), 0, profile)
    lost = record.select("disconnected")
    assert set(lost["detail"]) == {"heartbeat"}
    assert lost["t"].between(22.0, 24.1).all()
    assert len(lost) >= 3


def test_a_fixed_heartbeat_costs_more_pings_than_the_one_that_was_found(profile):
    found = measure_record(simulate(searching(duration=60.0), 0, profile))
    assert found["losses_per_client"] <= 5.0
    assert found["away_share"] < 0.02
