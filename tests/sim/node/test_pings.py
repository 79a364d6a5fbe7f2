"""Which connections a node gives up over its pings when it goes on after a hang, against times computed by hand."""

import pytest

from sim import simulate
from sim.world import World
from tests.costs import cost_of
from tests.strategies import COST, small

CPU = 0.05
SILENT = {"heartbeat": {"interval": 0.0}, "connect_rate": 30.0}
PINGS = {"ping_interval": 1.0, "ping_timeout": 0.5}


def world(profile, *happens, **more):
    more = {"duration": 12.0, "clients": SILENT, "nodes": PINGS} | more
    return World(small(faults=list(happens), **more), 0, profile)


def hang(t, duration):
    return {"kind": "hang", "at": t, "node": 1, "duration": duration}


def lost(rows):
    return [(t, client, detail) for t, event, client, *_, detail in rows if event == "disconnected"]


def pings(profile, after=2.0):
    """Return the clients of node 1 in the order of its pings to them, and when it first pings each after a time."""
    found = world(profile)
    node = found.nodes[0]
    return sorted((node.pings.first(one) % 1.0 + after, one.client.number) for one in node.tunnels)


def test_a_node_that_hung_for_longer_than_its_ping_timeout_keeps_its_clients(profile):
    """Pings that were due meanwhile are sent when it goes on, and have all their time then."""
    assert not lost(world(profile, hang(2.3, 3.0)).run())


@pytest.mark.parametrize(("duration", "gone"), [(3.0, 1), (0.4, 0)])
def test_a_ping_under_way_ends_the_connection_when_its_timeout_ended_in_the_hang(duration, gone, profile):
    t, client = pings(profile)[4]
    found = lost(world(profile, hang(t + COST, duration)).run())
    assert [(one, detail) for _, one, detail in found] == [(client, "1011")] * gone
    assert all(when == pytest.approx(t + duration, abs=CPU) for when, *_ in found)


def test_a_ping_that_had_its_pong_before_the_hang_ends_nothing(profile):
    t, _ = pings(profile)[4]
    round_trip = world(profile).nodes[0].pings.round_trip
    assert round_trip == pytest.approx(cost_of("balancer_frame", "client_goodbye", "balancer_frame"))
    assert not lost(world(profile, hang(t + 1.1 * round_trip, 3.0)).run())


def test_a_pong_that_waits_for_a_node_that_hangs_does_not_save_the_connection(profile):
    """The link is dead from 2 to 3 s and brings the pongs back at 3 s; the node hangs from 2.4 to 5 s."""
    dark = {"kind": "blackhole", "at": 2.0, "node": 1, "duration": 1.0}
    pinged = {client for t, client in pings(profile) if 2.0 <= t < 2.4}
    found = lost(world(profile, dark, hang(2.4, 2.6)).run())
    assert 0 < len(pinged) < 10
    assert {client for _, client, _ in found} == pinged
    assert {detail for *_, detail in found} == {"1011"}
    assert all(5.0 <= t < 5.0 + CPU for t, *_ in found)
    in_time = {client for t, client in pings(profile) if 2.0 <= t < 2.4 and t + 0.5 <= 2.6}
    found = lost(world(profile, dark | {"duration": 0.5}, hang(2.4, 0.2)).run())
    assert {client for _, client, _ in found} == in_time


def test_pings_that_were_due_in_a_hang_are_all_sent_at_its_end(profile):
    """From 3.2 s on node 1 pings everybody at once; so no ping falls into the dead time from 3.3 to 4 s."""
    dark = {"kind": "blackhole", "at": 3.3, "node": 1, "duration": 0.7}
    assert not lost(world(profile, hang(2.0, 1.2), dark).run())
    late = {client for t, client in pings(profile) if 3.3 <= t + 1.0 <= 3.5}
    assert {client for _, client, _ in lost(world(profile, dark).run())} == late
    assert late


@pytest.mark.parametrize(("reads_at", "goes_on", "seen_at"), [(6.0, 5.0, 6.0), (4.0, 5.0, 5.0), (2.4, 2.5, None)])
def test_a_client_that_did_not_read_is_given_up_when_its_node_goes_on(reads_at, goes_on, seen_at, profile):
    """Client 0 does not read from 1.1 s on; its node pings it by 2.1 s, waits 1.5 s, and hangs from 2.15 s on."""
    scenario = small(
        duration=9.0,
        clients=SILENT,
        nodes=PINGS | {"ping_timeout": 1.5},
        bus={"kind": "stream"},
        publisher={"rate": 5.0},
        faults=[{"kind": "stall", "at": 1.1, "client": 0, "duration": reads_at - 1.1}, hang(2.15, goes_on - 2.15)],
    )
    found = simulate(scenario, 0, profile).select("disconnected")
    assert found["client"].tolist() == ([0] if seen_at else [])
    if seen_at:
        assert found["detail"].tolist() == ["1011"]
        assert found["t"].iloc[0] == pytest.approx(seen_at, abs=CPU)


def test_a_ping_to_a_client_that_does_not_read_waits_its_whole_time_after_a_hang(profile):
    """Due in the hang from 1.2 to 3 s, sent at its end, and given up half a second later, not before."""
    stall = {"kind": "stall", "at": 1.1, "client": 0, "duration": 6.0}
    more = {"clients": SILENT, "nodes": PINGS, "bus": {"kind": "stream"}, "publisher": {"rate": 5.0}}
    found = World(small(duration=9.0, faults=[stall, hang(1.2, 1.8)], **more), 0, profile)
    tunnel = found.clients[0].tunnel or next(one for one in found.nodes[0].tunnels if one.client.number == 0)
    found.env.run(until=3.45)
    assert tunnel in found.nodes[0].tunnels
    found.env.run(until=3.5 + CPU)
    assert tunnel not in found.nodes[0].tunnels
