"""The balancer's idle timeout, against times computed by hand."""

import pytest

from sim import simulate
from sim.world import World
from tests.costs import cost_of
from tests.loops import timer
from tests.strategies import small
from twin.measures import lifetimes, measure_record
from twin.scenario.combinations import WARM_UP_SLACK

BASE = {"reconnect": {"base": 0.1, "cap": 1.0, "jitter": "none"}}


def idle(timeout, interval, kind="haproxy", node=0.0, duration=10.0, beat_timeout=20.0, **more):
    name = "tunnel_timeout" if kind == "haproxy" else "read_timeout"
    balancer = {"kind": kind, name: timeout}
    clients = {**BASE, "heartbeat": {"interval": interval, "timeout": beat_timeout}}
    return small(duration=duration, balancer=balancer, clients=clients, nodes={"ping_interval": node}, **more)


def lost(record):
    return record.select("disconnected")


@pytest.mark.parametrize("kind", ["haproxy", "nginx"])
def test_without_pings_every_connection_lives_as_long_as_the_timeout(kind, profile):
    scenario = idle(3.0, 0.0, kind)
    cut = cost_of("haproxy_cut" if kind == "haproxy" else "balancer_close", "client_closed", balancer=kind)
    record = simulate(scenario, 0, profile)
    first = lost(record).groupby("client")["t"].first()
    assert sorted(first.index) == list(range(30))
    for number, t in first.items():
        opened = number / 800 - scenario.warm_up - WARM_UP_SLACK
        assert t == pytest.approx(opened + 3.0 + cut, abs=1e-9)
    assert set(lost(record)["detail"]) == {"1006"}
    found = measure_record(record)
    # the balancer counts from its answer, the client from when it has read that
    assert lifetimes(record) == pytest.approx(3.0, abs=3 * cut)
    assert found["losses_per_client"] == 3.0
    assert 0.0 < found["away_share"] < 0.1


@pytest.mark.parametrize("kind", ["haproxy", "nginx"])
@pytest.mark.parametrize(("interval", "node"), [(2.9, 0.0), (0.0, 2.9), (20.0, 2.0), (2.0, 20.0)])
def test_pings_of_either_side_that_are_close_enough_keep_every_connection(kind, interval, node, profile):
    record = simulate(idle(3.4, interval, kind, node, duration=20.0), 0, profile)
    assert not len(lost(record))
    found = measure_record(record)
    assert found["losses_per_client"] == found["away_share"] == 0.0


@pytest.mark.parametrize("kind", ["haproxy", "nginx"])
def test_connections_of_the_warm_up_count_when_they_end_in_a_run_of_their_timeout(kind, profile):
    """They are 0.3 s older than the run."""
    record = simulate(idle(3.0, 0.0, kind, duration=3.0), 0, profile)
    assert measure_record(record)["losses_per_client"] == 1.0
    assert "losses_per_client" not in measure_record(simulate(idle(4.0, 0.0, kind, duration=3.0), 0, profile))


def test_a_ping_that_comes_just_too_late_finds_the_connection_cut(profile):
    # the first connections ping at a drawn phase; all later ones live exactly the timeout
    record = simulate(idle(3.0, 3.5), 0, profile)
    events = record.select("connected", "disconnected").query("t > 0")
    spans = events[events["event"] == "disconnected"].merge(events[events["event"] == "connected"], on="client")
    spans = (spans["t_x"] - spans["t_y"])[lambda one: one > 0]
    read = cost_of("client_open")  # the balancer counts from its answer, the client from when it has read that
    assert spans.min() == pytest.approx(3.0 + cost_of("haproxy_cut", "client_closed") - read, abs=read)


@pytest.mark.parametrize("kind", ["haproxy", "nginx"])
def test_pings_as_far_apart_as_the_timeout_is_long_lose_every_connection(kind, profile):
    record = simulate(idle(2.0, 2.0, kind, duration=20.0), 0, profile)
    assert set(lost(record)["client"]) == set(range(30))
    assert set(lost(record)["detail"]) == {"1006"}
    # a ping is in time now and then: measured are 0.4 pings a connection with nginx, and one more with HAProxy
    lives = lifetimes(record) / 2.0
    assert 1.0 < lives.mean() < 2.5
    assert lives == pytest.approx(lives.round(), abs=0.005)


@pytest.mark.parametrize("kind", ["haproxy", "nginx"])
def test_the_nearer_pings_are_to_the_timeout_the_more_connections_are_lost(kind, profile):
    def losses(margin):
        # the drawn phases of the first pings play no part: the timeout is longer than the warm-up and one interval
        return len(lost(simulate(idle(2.0 + margin, 2.0, kind, duration=20.0), 0, profile)))

    found = [losses(margin) for margin in (-0.002, 0.0, 0.001, 0.01)]
    assert found[0] > found[1] > found[2] > found[3]
    again = idle(2.001, 2.0, kind, duration=20.0)
    one, other = (lost(simulate(again, 0, profile))["t"].tolist() for _ in range(2))
    assert one == other


@pytest.mark.parametrize(("kind", "cut"), [("haproxy", False), ("nginx", True)])
def test_a_ping_soon_after_another_one_does_not_move_the_timer_of_nginx(kind, cut, profile):
    """The client pings 2.65 s after the handshake, the node after 2.9 s and 5.8 s; nginx counts 3 s from the first."""
    world = World(idle(3.0, 60.0, kind, node=2.9, duration=8.0), 0, profile)
    opened = {one.number: one.number / 800 - world.scenario.warm_up - WARM_UP_SLACK for one in world.clients}
    for one in world.clients:
        one.first_beat = opened[one.number] + 2.65
    world.run()
    first = {}
    for t, event, client, *_ in world.rows:
        if event == "disconnected":
            first.setdefault(client, t)
    assert first == {n: pytest.approx(t + 5.65, abs=0.005) for n, t in opened.items()} if cut else not first


def test_a_client_that_pings_in_time_at_first_is_cut_after_its_last_ping(profile):
    scenario = idle(3.0, 8.0, duration=12.0)
    world = World(scenario, 0, profile)
    beats = {one.number: one.first_beat for one in world.clients}
    world.run()
    first = {}
    for t, event, client, *_ in world.rows:
        if event == "disconnected":
            first.setdefault(client, t)
    for number, beat in beats.items():
        opened = number / 800 - scenario.warm_up - WARM_UP_SLACK
        cut = opened + 3.0 if beat > opened + 3.0 else beat + 3.0
        assert first[number] == pytest.approx(cut + cost_of("haproxy_cut", "client_closed"), abs=1e-9)


def test_a_hung_node_is_noticed_by_a_timeout_shorter_than_the_heartbeats(profile):
    faults = [{"at": 2.0, "kind": "hang", "node": 1}]
    scenario = idle(3.0, 2.0, beat_timeout=20.0, faults=faults, duration=12.0)
    world = World(scenario, 0, profile)
    beats = {one.number: one.first_beat for one in world.clients}
    affected = lost(simulate(scenario, 0, profile)).groupby("client").first()
    assert len(affected) == 10
    assert set(affected["detail"]) == {"1006"}
    # the client pings once more after the hang, within 2 s, and then waits for the pong
    cut = cost_of("haproxy_cut", "client_closed")
    expected = [2.0 + beats[number] + 3.0 + cut for number in affected.index]
    assert affected["t"].tolist() == pytest.approx(expected, abs=1e-9)
    slow = simulate(scenario.vary(balancer={"tunnel_timeout": 60.0}), 0, profile)
    assert not len(lost(slow))  # the heartbeat's own timeout lies behind the end of the run


def test_messages_count_as_traffic(profile):
    broadcast = {"bus": {"kind": "stream"}, "publisher": {"rate": 1.0}}
    kept = simulate(idle(2.0, 0.0, duration=8.0, **broadcast), 0, profile)
    assert not len(lost(kept))
    ends = simulate(
        idle(2.0, 0.0, duration=8.0, bus={"kind": "stream"}, publisher={"rate": 1.0, "stop": 3.0}), 0, profile
    )
    last = ends.select("delivered").groupby("client")["t"].max()
    idle_for = lost(ends).groupby("client")["t"].first() - last
    # the balancer counts from when it has passed the message on, the client when it has read those of all
    soonest, latest = 30 * cost_of("client_delivery"), 30 * cost_of("haproxy_cut", "client_closed")
    assert len(idle_for) == 30
    assert idle_for.between(2.0 - soonest, 2.0 + latest).all()


def test_a_node_gives_up_a_client_that_does_not_answer_its_pings(profile):
    scenario = small(
        duration=12.0,
        bus={"kind": "stream"},
        publisher={"rate": 5.0},
        clients={"heartbeat": {"interval": 0.0}},
        nodes={"ping_interval": 1.0, "ping_timeout": 2.0},
        faults=[{"at": 2.0, "kind": "stall", "client": 4, "duration": 6.0}],
    )
    world = World(scenario, 0, profile)
    tunnel = world.broadcast.subscribers[4].tunnel
    node = world.nodes[tunnel.server]
    world.env.run(until=4.0)
    assert tunnel in node.tunnels
    given_up = tunnel.opened_at + 3.0 + 2.0  # the first ping after 2 s comes within 1 s and waits 2 s
    soonest, latest = (2.0 + t for t in timer(given_up - 2.0))
    assert 4.0 < soonest < latest < 5.01
    world.env.run(until=soonest)
    assert tunnel in node.tunnels
    world.env.run(until=latest)
    assert tunnel not in node.tunnels
    world.run()
    ends = [one for one in world.rows if one[1] == "disconnected"]
    assert [(one[2], one[6]) for one in ends] == [(4, "1011")]
    assert ends[0][0] >= 8.0  # it notices when it reads again
