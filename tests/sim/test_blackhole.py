"""A link that drops every packet, and a killed node that is started again, against times computed by hand."""

import pytest

from sim import simulate
from sim.world import World
from tests.checks import next_check
from tests.costs import AT_THE_CORE, GOODBYE, GOODBYE_AT_THE_CORE, LET_IN, cost_of
from tests.loops import timer
from tests.strategies import CHECK_OVERHEAD, NODE_START, small
from twin.invariants import audit
from twin.scenario.combinations import WARM_UP_SLACK
from twin.scenario.scenario import Scenario

GOODBYES = 10 * cost_of(*GOODBYE_AT_THE_CORE) + cost_of("client_goodbye", "client_closed")
"""Seconds in which a node closes ten connections."""
CHECK = {"inter": 0.5, "fall": 2, "rise": 1, "timeout": 0.3}
BEAT = {"interval": 1.0, "timeout": 0.5}


def dark(duration=8.0, until=4.0, kind="blackhole", **more):
    more = {"clients": {"heartbeat": BEAT}, "balancer": {"check": CHECK, "retries": 3, "redispatch": 1}} | more
    return small(duration=duration, faults=[{"at": 1.0, "kind": kind, "node": 1, "duration": until}], **more)


def lost(record):
    return record.select("disconnected")


def test_a_dead_link_is_noticed_by_the_heartbeat_like_a_hang(profile):
    ends = [lost(simulate(dark(kind=kind), 3, profile)) for kind in ("blackhole", "hang")]
    assert ends[0]["t"].tolist() == pytest.approx(ends[1]["t"].tolist(), abs=1e-9)
    assert len(ends[0]) == 10
    assert set(ends[0]["detail"]) == {"heartbeat"}
    soonest, latest = timer(0.5)[0], timer(1.5)[1]
    assert ends[0]["t"].between(1.0 + soonest, 1.0 + latest + cost_of("client_closed")).all()


def test_a_check_of_a_dead_link_fails_after_connect_timeout_or_inter(profile):
    for connect, each in ((5.0, 0.5), (0.2, 0.2)):
        balancer = {"check": CHECK, "connect_timeout": connect}
        for replication in range(4):
            scenario = dark(balancer=balancer)
            down = simulate(scenario, replication, profile).select("marked_down")["t"].iloc[0]
            expected = next_check(scenario, replication, 1.0) + each + 0.5 + CHECK_OVERHEAD + each
            assert down == pytest.approx(expected, abs=1e-9)


def test_a_connect_to_a_dead_link_goes_elsewhere_but_to_a_hung_node_it_waits(profile):
    balancer = {"check": CHECK | {"inter": 60.0}, "retries": 3, "redispatch": 1, "connect_timeout": 0.3}
    more = {"balancer": balancer, "duration": 12.0, "until": 9.0, "nodes": {"count": 2}}
    more["clients"] = {"heartbeat": BEAT, "open_timeout": 2.0}
    gone, hung = (simulate(dark(kind=kind, **more), 0, profile) for kind in ("blackhole", "hang"))
    assert not len(gone.select("connect_failed"))
    back = gone.select("connected").query("t > 1 and t < 10")
    assert set(back["node"]) == {2}
    assert set(hung.select("connect_failed")["detail"]) == {"timeout"}


@pytest.mark.parametrize(("kind", "times_out"), [("blackhole", False), ("hang", True)])
def test_nginx_counts_a_dead_link_and_not_a_hang(kind, times_out, profile):
    data = dark(kind=kind).model_dump(exclude_none=True)
    data["balancer"] = {"kind": "nginx", "algorithm": "round_robin", "connect_timeout": 0.4}
    data["clients"]["open_timeout"] = 1.0
    record = simulate(Scenario.parse(data), 0, profile)
    assert set(record.select("marked_down")["node"]) == (set() if times_out else {1})
    assert bool(len(record.select("connect_failed"))) == times_out


def test_after_a_dead_link_the_node_is_up_again_and_forgets_those_who_left(profile):
    world = World(dark(duration=12.0), 0, profile)
    world.run()
    healed = [one for one in world.rows if one[1] == "healed"]
    assert [(one[0], one[3], one[6]) for one in healed] == [(5.0, 1, "blackhole")]
    assert world.balancer.up == [True, True, True]
    assert not any(tunnel.client_left for node in world.nodes for tunnel in node.tunnels)
    assert sum(len(node.tunnels) for node in world.nodes) == 30
    result = audit(simulate(dark(duration=16.0), 0, profile))
    assert result.verdict == "pass", result


def test_a_syn_that_was_dropped_is_sent_again_when_the_link_is_back(profile):
    # one node, dead from 1 to 3 s; the balancer waits 5 s for it, and its kernel sends the SYN again 1 and 2 s later
    balancer = {"check": CHECK | {"inter": 60.0}, "connect_timeout": 5.0}
    reconnect = {"policy": "fixed", "base": 0.1, "cap": 0.1, "jitter": "none"}
    clients = {"heartbeat": {"interval": 0.2, "timeout": 0.3}, "reconnect": reconnect, "open_timeout": 10.0}
    record = simulate(dark(until=2.0, balancer=balancer, nodes={"count": 1}, clients=clients), 0, profile)
    took = []
    tries = record.select("attempt_connect").query("t > 1").set_index("client")["t"]
    for client, t in record.select("connected").query("t > 1").set_index("client")["t"].items():
        took.append(t - tries[client])
    assert len(took) == 30
    assert min(took) == pytest.approx(2.0 + cost_of(*LET_IN), abs=1e-9)
    assert max(took) < 2.0 + 2 * cost_of(*LET_IN)  # hardly two at once


def test_a_node_that_pings_has_given_up_those_whose_pongs_were_dropped(profile):
    clients = {"heartbeat": {"interval": 0.0}}
    nodes = {"ping_interval": 1.0, "ping_timeout": 0.5}
    record = simulate(dark(clients=clients, nodes=nodes), 0, profile)
    ends = lost(record)
    assert set(ends["detail"]) == {"1011"}
    assert len(ends) == 10
    assert ends["t"].between(5.0 + cost_of(*GOODBYE), 5.0 + GOODBYES).all()  # the clients see it when the link is back
    short = simulate(dark(clients=clients, nodes=nodes, until=0.4), 0, profile)
    assert not len(lost(short))


def test_a_killed_node_with_a_duration_is_started_again(profile):
    scenario = dark(kind="kill", until=1.0)
    world = World(scenario, 0, profile)
    world.run()
    events = [(one[1], one[3]) for one in world.rows if one[1] in ("fault", "node_stopped", "node_started", "healed")]
    assert events == [("fault", 1), ("node_stopped", 1), ("node_started", 1), ("healed", 1)]
    started = next(one[0] for one in world.rows if one[1] == "node_started")
    others = 10 * cost_of(*AT_THE_CORE)  # have their turns on its core
    assert 2.0 + NODE_START <= started <= 2.0 + NODE_START + others
    assert world.nodes[0].listening
    result = audit(simulate(scenario, 0, profile))
    assert result.verdict == "pass", result


def test_a_rolling_kill_under_a_stream_loses_no_message(profile):
    faults = [{"at": t, "kind": "kill", "node": node, "duration": 0.5} for node, t in enumerate((1, 4, 7), 1)]
    scenario = dark().vary(duration=13.0, faults=faults, bus={"kind": "stream"}, publisher={"rate": 10.0, "stop": 10.0})
    record = simulate(scenario, 0, profile)
    assert len(record.select("node_started")) == 3
    result = audit(record)
    assert result.verdict == "pass", result


def test_a_close_frame_waits_for_the_link(profile):
    """Lifetimes of 1.5 s end in the dark from 1 to 5 s: the clients of that node hear of it when the link is back."""
    clients = {"heartbeat": {"interval": 0.0}}
    scenario = dark(clients=clients, nodes={"lifetime": {"mean": 1.5, "jitter": 0.0}})
    record = simulate(scenario, 0, profile)
    first = lost(record).groupby("client").first()
    for client, node, t in first.reset_index()[["client", "node", "t"]].itertuples(index=False):
        opened = client / 800 - scenario.warm_up - WARM_UP_SLACK
        soonest, latest = timer(opened + 1.5)
        if node == 1:
            assert 5.0 + cost_of(*GOODBYE) - cost_of("node_goodbye") <= t <= 5.0 + GOODBYES
        else:
            assert soonest + cost_of(*GOODBYE) <= t <= latest + 2 * cost_of(*GOODBYE)
    assert set(first["detail"]) == {"1012"}
