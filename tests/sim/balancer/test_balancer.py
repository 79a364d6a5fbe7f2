import pytest

from sim import simulate
from sim.world import World
from tests.checks import next_check
from tests.costs import EXIT_DELAY, LET_IN, cost_of
from tests.loops import timer
from tests.strategies import BALANCER_START, CHECK_OVERHEAD, FIRST_PARTS, NGINX_START, small
from twin.rules.health import detection_bounds

KILL = [{"at": 1.0, "kind": "kill", "node": 1}]
HANG = [{"at": 1.0, "kind": "hang", "node": 1}]
REFUSED = cost_of("client_request", "balancer_refused", "client_refused")
"""Seconds from the SYN to a 503 that is given at once."""


def first_mark(record, node=1, event="marked_down"):
    found = record.select(event)
    return found[found["node"] == node]["t"].iloc[0]


def spans(record):
    """Return how long each attempt after the start took, and how it ended."""
    events = record.select("attempt_connect", "connected", "connect_failed")
    pairs = events[events["t"] > 0].groupby(["client", "attempt"])
    ends = pairs.last()
    over = ends["event"] != "attempt_connect"
    return (ends["t"] - pairs["t"].first())[over], ends[over]


@pytest.mark.parametrize("fall", [1, 2, 3])
@pytest.mark.parametrize("replication", range(6))
def test_haproxy_marks_a_killed_node_down_at_the_fall_th_failed_check(fall, replication, profile):
    scenario = small(balancer={"check": {"fall": fall}}, faults=KILL)
    down = first_mark(simulate(scenario, replication, profile))
    gone = 1.0 + EXIT_DELAY
    expected = next_check(scenario, replication, gone) + (fall - 1) * (0.5 + CHECK_OVERHEAD)
    assert down == pytest.approx(expected, abs=1e-9)
    low, high = detection_bounds(0.5, fall)
    assert low <= down - gone <= high + fall * CHECK_OVERHEAD + cost_of("node_handshake")


@pytest.mark.parametrize("replication", range(6))
def test_haproxy_marks_a_hung_node_down_within_the_bounds_of_a_black_hole(replication, profile):
    scenario = small(faults=HANG)
    down = first_mark(simulate(scenario, replication, profile))
    expected = next_check(scenario, replication, 1.0) + 0.3 + 0.5 + CHECK_OVERHEAD + 0.3
    assert down == pytest.approx(expected, abs=1e-9)
    low, high = detection_bounds(0.5, 2, 0.3)
    assert low <= down - 1.0 <= high + 2 * CHECK_OVERHEAD + cost_of("node_handshake")


def test_haproxy_marks_a_node_up_again_after_rise_good_checks(profile):
    fault = [{"at": 1.0, "kind": "hang", "node": 1, "duration": 2.0}]
    scenario = small(balancer={"check": {"rise": 3}}, faults=fault)
    record = simulate(scenario, 0, profile)
    t, pause = next_check(scenario, 0, 1.0), 0.5 + CHECK_OVERHEAD
    while t + 0.3 < 3.0:  # the node does not answer in time
        t += 0.3 + pause
    good = max(t, 3.0) + cost_of("node_handshake")
    expected = good + 2 * (pause + cost_of("node_handshake"))
    assert first_mark(record, event="marked_up") == pytest.approx(expected, abs=1e-9)
    assert record.select("marked_up")["detail"].tolist() == ["check"]


def test_retries_without_redispatch_hold_a_request_for_three_turnarounds(profile):
    scenario = small(balancer={"retries": 3, "check": {"inter": 10.0}}, faults=KILL)
    record = simulate(scenario, 0, profile)
    took, ends = spans(record)
    failed = took[ends["event"] == "connect_failed"]
    assert len(failed) >= 10
    assert set(ends[ends["event"] == "connect_failed"]["detail"]) == {"503"}
    soonest, latest = timer(1.0, 3)
    assert failed.between(soonest + REFUSED, latest + 2 * REFUSED).all()


def test_the_turnaround_is_no_longer_than_the_connect_timeout(profile):
    scenario = small(balancer={"retries": 2, "connect_timeout": 0.2, "check": {"inter": 10.0}}, faults=KILL)
    took, ends = spans(simulate(scenario, 0, profile))
    soonest, latest = timer(0.2, 2)
    assert took[ends["event"] == "connect_failed"].between(soonest + REFUSED, latest + 2 * REFUSED).all()


@pytest.mark.parametrize("redispatch", [1, 3, -1])
def test_with_redispatch_leastconn_reaches_another_node_at_once(redispatch, profile):
    scenario = small(balancer={"retries": 3, "redispatch": redispatch, "check": {"inter": 10.0}}, faults=KILL)
    took, ends = spans(simulate(scenario, 0, profile))
    assert len(ends) == 10
    assert set(ends["event"]) == {"connected"}
    assert took.min() == pytest.approx(cost_of(*LET_IN), abs=1e-9)
    assert took.max() < 2 * cost_of(*LET_IN)  # hardly two come at once


def test_a_source_hash_waits_until_the_nth_retry(profile):
    balancer = {"algorithm": "source", "retries": 3, "redispatch": 2, "check": {"inter": 10.0}}
    took, ends = spans(simulate(small(balancer=balancer, faults=KILL, clients={"addresses": 3}), 0, profile))
    # source chooses the dead node again: it hashes over the servers that are marked up
    assert set(ends["event"]) == {"connect_failed"}
    soonest, latest = timer(1.0, 2)
    assert took.between(soonest + REFUSED, latest + 2 * REFUSED).all()


def test_without_retries_a_refused_connect_answers_503_at_once(profile):
    took, ends = spans(simulate(small(faults=KILL), 0, profile))
    failed = ends["event"] == "connect_failed"
    assert failed.any()
    assert set(ends[failed]["detail"]) == {"503"}
    assert took[failed].min() == pytest.approx(REFUSED, abs=1e-9)
    assert took[failed].max() < 2 * REFUSED


@pytest.mark.parametrize("heartbeat", [{"interval": 0.0}, {"interval": 0.3, "timeout": 0.1}])
def test_shutdown_sessions_cuts_every_session_at_the_mark_down(heartbeat, profile):
    scenario = small(
        balancer={"on_marked_down": "shutdown-sessions"}, clients={"heartbeat": heartbeat}, faults=HANG, duration=4.0
    )
    world = World(scenario, 0, profile)
    world.run()
    down = next(one[0] for one in world.rows if one[1] == "marked_down")
    lost = [one for one in world.rows if one[1] == "disconnected"]
    assert len({one[2] for one in lost}) == 10
    cut, closed = cost_of("haproxy_cut"), cost_of("client_closed")
    assert max(one[0] for one in lost) <= down + 10 * (cut + closed)
    if not heartbeat["interval"]:
        assert min(one[0] for one in lost) == pytest.approx(down + cut + closed, abs=1e-9)
        assert {one[6] for one in lost} == {"1006"}
    assert world.balancer.rule.connections[0] == 0


def test_a_mark_down_alone_leaves_the_sessions(profile):
    record = simulate(small(faults=HANG, clients={"heartbeat": {"interval": 0.0}}), 0, profile)
    assert len(record.select("marked_down"))
    assert not len(record.select("disconnected"))


def test_haproxy_goes_on_counting_the_sessions_of_a_hung_node_and_nginx_does_not(profile):
    beat = {"interval": 0.3, "timeout": 0.2}
    for kind, counted in (("haproxy", 10), ("nginx", 0)):
        balancer = {"kind": kind} | ({"check": {"inter": 0.5, "fall": 1}} if kind == "haproxy" else {})
        clients = {"heartbeat": beat, "open_timeout": 0.3}
        world = World(small(balancer=balancer, clients=clients, faults=HANG), 0, profile)
        world.env.run(until=1.0 + 0.5 - 0.2)
        before = world.balancer.rule.connections[0]
        assert before >= 10 or kind == "nginx"
        world.run()
        left = sum(tunnel.client_left for tunnel in world.nodes[0].tunnels)
        assert left >= 10
        assert (world.balancer.rule.connections[0] >= 10) == bool(counted)


@pytest.mark.parametrize("algorithm", ["round_robin", "least_conn", "random_two"])
def test_with_nginx_a_kill_costs_every_client_exactly_one_attempt(algorithm, profile):
    record = simulate(small(balancer={"kind": "nginx", "algorithm": algorithm}, faults=KILL), 0, profile)
    took, ends = spans(record)
    lost = set(record.select("disconnected")["client"])
    assert lost == set(ends.index.get_level_values("client"))
    assert len(ends) == len(lost) >= 5
    assert set(ends["event"]) == {"connected"}
    assert took.min() == pytest.approx(cost_of(*LET_IN, balancer="nginx"), abs=1e-9)
    assert took.max() < 2 * cost_of(*LET_IN, balancer="nginx")
    assert record.select("marked_down")[["node", "detail"]].to_numpy().tolist() == [[1, "passive"]]


def test_nginx_answers_502_when_no_peer_is_left(profile):
    faults = [{"at": 1.0, "kind": "kill", "node": node} for node in (1, 2, 3)]
    record = simulate(small(balancer={"kind": "nginx"}, faults=faults), 0, profile)
    failed = record.select("connect_failed")
    assert set(failed["detail"]) == {"502"}
    assert not len(record.select("connected").query("t > 0"))


def test_nginx_tries_a_peer_again_after_fail_timeout(profile):
    faults = [{"at": 1.0, "kind": "kill", "node": 1}, {"at": 2.0, "kind": "restart", "node": 1}]
    faults += [{"at": 6.5, "kind": "kill", "node": 2}]
    balancer = {"kind": "nginx", "fail_timeout": 2}
    record = simulate(small(balancer=balancer, faults=faults, clients={"count": 60}), 0, profile)
    late = record.select("connected").query("t > 6.5")
    assert (late["node"] == 1).any()
    assert not record.select("connected").query("node == 1 and t > 1 and t < 3")["t"].size


def test_the_end_of_a_connection_clears_nginxs_memory_of_failures_before_its_trial(profile):
    world = World(small(balancer={"kind": "nginx"}), 0, profile)
    peer, tunnel, other = world.balancer.passive[0], *list(world.nodes[0].tunnels)[:2]
    assert peer.failed(1e6)
    world.balancer.client_left(tunnel)
    world.env.run(until=0.01)
    assert peer.fails == 1  # it was there before the failure and proves nothing
    peer.chosen(1e6 + 11.0)
    world.balancer.client_left(other)
    world.env.run(until=0.02)
    assert peer.fails == 0


def test_a_single_nginx_peer_is_never_taken_out(profile):
    faults = [{"at": 1.0, "kind": "kill", "node": 1}, {"at": 2.0, "kind": "restart", "node": 1}]
    record = simulate(small(balancer={"kind": "nginx"}, nodes={"count": 1}, faults=faults), 0, profile)
    assert not len(record.select("marked_down"))
    assert len(record.select("connected").query("t > 2")) == 30


def test_ip_hash_keeps_each_24_on_its_peer(profile):
    scenario = small(balancer={"kind": "nginx", "algorithm": "ip_hash"}, clients={"addresses": 6})
    homes = simulate(scenario, 0, profile).select("connected")
    by_address = homes.groupby(homes["client"] % 6)["node"].nunique()
    assert (by_address == 1).all()
    assert homes["node"].nunique() > 1


def test_a_consistent_hash_moves_only_the_dead_nodes_addresses_and_hashes_ports(profile):
    balancer = {"kind": "nginx", "algorithm": "hash_consistent"}
    faults = [{"at": 1.0, "kind": "kill", "node": 1}]
    scenario = small(balancer=balancer, clients={"count": 60, "addresses": 30}, faults=faults)
    homes = []
    for replication in range(2):
        found = simulate(scenario, replication, profile).select("connected")
        nodes = found.groupby(found["client"] % 30)["node"].unique()
        assert all(len(one) == (2 if one[0] == 1 else 1) for one in nodes)
        assert {one[1] for one in nodes if one[0] == 1} == {2, 3}, "its addresses are spread over the others"
        homes.append([one[0] for one in nodes])
    assert homes[0] != homes[1], "each run has other ports"


@pytest.mark.parametrize("kind", ["haproxy", "nginx"])
def test_a_reload_with_a_hard_stop_drops_everyone_then_and_without_one_nobody(kind, profile):
    faults = [{"at": 2.0, "kind": "reload"}]
    record = simulate(small(balancer={"kind": kind, "hard_stop_after": 1}, faults=faults), 0, profile)
    lost = record.select("disconnected")
    assert sorted(lost["client"]) == list(range(30))
    start, cut = (BALANCER_START, "haproxy_cut") if kind == "haproxy" else (NGINX_START, "balancer_close")
    one = cost_of(cut, "client_closed", balancer=kind)
    soonest, latest = (2.0 + start + t for t in timer(1.0))
    # HAProxy cuts one after the other, nginx begins with the first part of all
    burst = 0.0 if kind == "haproxy" else FIRST_PARTS["nginx"] * 29 * cost_of(cut, balancer=kind)
    assert soonest + burst + one <= lost["t"].min() <= latest + burst + one
    assert lost["t"].max() <= latest + 30 * one
    assert len(record.select("connected")) == 60
    assert not len(simulate(small(balancer={"kind": kind}, faults=faults), 0, profile).select("disconnected"))


def test_after_a_reload_the_old_process_cuts_its_tunnels_in_their_order(profile):
    scenario = small(
        balancer={"hard_stop_after": 1},
        clients={"reconnect": {"first": "immediate", "stable_time": 0.0}},
        faults=[{"at": 2.0, "kind": "reload"}],
    )
    world = World(scenario, 0, profile)
    world.env.run(until=2.0 + BALANCER_START + 0.001)
    old, new = world.balancer.workers
    spent = old.used
    world.run()
    # it cuts, and passes on the clients' ends
    assert old.used - spent == pytest.approx(30 * cost_of("haproxy_cut", "balancer_release"))
    assert new.used == pytest.approx(30 * cost_of("balancer_accept", "balancer_request", "balancer_response"))
    lost = [one for one in world.rows if one[1] == "disconnected"]
    assert [one[2] for one in lost] == list(range(30))
    assert [one[3] for one in lost] == [1, 2, 3] * 10
    again = [one[0] for one in world.rows if one[1] == "attempt_connect" and one[0] > 2.0]
    assert again[0] < lost[-1][0]  # the first is back while the last is still connected


def test_a_reload_forgets_the_counts_and_whom_it_had_marked_down(profile):
    faults = [{"at": 1.0, "kind": "kill", "node": 3}, {"at": 4.0, "kind": "reload"}]
    world = World(small(faults=faults), 0, profile)
    world.env.run(until=3.99)
    assert world.balancer.up == [True, True, False]
    assert sum(world.balancer.rule.connections) == 30
    assert world.balancer.generation == 0
    world.env.run(until=4.0 + BALANCER_START + 0.0001)
    assert world.balancer.up == [True, True, True]
    assert sum(world.balancer.rule.connections) == 0
    world.run()
    assert world.balancer.up == [True, True, False]
    marked = [one[0] for one in world.rows if one[1] == "marked_down"]
    assert marked[1] - 4.0 <= 0.5 + BALANCER_START  # the first failed check of a fresh server is enough


def test_a_reloaded_haproxy_checks_its_servers_spread_over_one_interval_from_then(profile):
    faults = [{"at": 1.0, "kind": "kill", "node": node} for node in (1, 2, 3)] + [{"at": 4.3, "kind": "reload"}]
    record = simulate(small(balancer={"check": {"inter": 0.9, "fall": 1}}, faults=faults), 0, profile)
    again = record.select("marked_down").query("t > 4.2")
    assert again["node"].tolist() == [1, 2, 3]
    expected = [t + BALANCER_START for t in (4.3, 4.6, 4.9)]
    assert again["t"].tolist() == pytest.approx(expected, abs=1e-6)


def test_a_handshake_under_way_survives_a_reload_and_counts_for_who_took_it(profile):
    scenario = small(faults=[{"at": 1.0, "kind": "hang", "node": 1, "duration": 1.0}, {"at": 1.5, "kind": "reload"}])
    world = World(scenario.vary(balancer={"check": {"fall": 100}}), 0, profile)
    world.env.run(until=1.2)
    client = world.clients[1]
    attempt = client.new_attempt()
    for server in (1, 2):
        world.balancer.rule.connections[server] += 50  # leave only the hung node
    world.env.process(world.balancer.serve(attempt))
    world.env.run(until=1.4)
    assert attempt in world.balancer.waiting[0]
    world.env.run(until=3.0)
    assert attempt.answer.value.generation == 0
    assert world.balancer.rule.connections == [0, 0, 0]


def test_a_new_process_leaves_the_old_ones_tunnels_alone_when_it_marks_down(profile):
    faults = [{"at": 1.0, "kind": "reload"}, {"at": 2.0, "kind": "hang", "node": 1}]
    scenario = small(
        balancer={"on_marked_down": "shutdown-sessions"}, clients={"heartbeat": {"interval": 0.0}}, faults=faults
    )
    record = simulate(scenario, 0, profile)
    assert len(record.select("marked_down"))
    assert not len(record.select("disconnected"))


def test_a_server_that_comes_back_gets_its_weight_second_by_second(profile):
    balancer = {"slowstart": 4, "check": {"inter": 0.2, "fall": 1}}
    faults = [{"at": 1.0, "kind": "hang", "node": 1, "duration": 1.0}]
    world = World(small(balancer=balancer, faults=faults, clients={"heartbeat": {"interval": 0.0}}), 0, profile)
    weights = world.balancer.rule.weights
    assert weights == [16, 16, 16]
    world.env.run(until=2.0)
    assert weights == [16, 16, 16]  # down, but nobody looks at its weight
    while not world.balancer.up[0]:
        world.env.step()
    up = world.env.now
    seen = []
    for steps in range(5):
        world.env.run(until=up + steps + 0.5)
        seen.append(list(weights))
    assert seen == [[weight, 16, 16] for weight in (1, 5, 9, 13, 16)]


def test_a_second_mark_down_ends_the_slow_start_of_the_first_return(profile):
    world = World(small(balancer={"slowstart": 10}), 0, profile)
    balancer = world.balancer
    balancer.mark(0, False, "test")
    balancer.mark(0, True, "test")
    world.env.run(until=0.5)
    balancer.mark(0, False, "test")
    balancer.mark(0, True, "test")
    world.env.run(until=1.4)
    assert balancer.rule.weights[0] == 1  # the first return would have made it 2 by now
    world.env.run(until=1.6)
    assert balancer.rule.weights[0] == 2


def test_with_slowstart_a_returned_node_does_not_take_the_whole_next_storm(profile):
    """Node 1 comes back empty, then node 2 dies: leastconn sends its clients to node 1, if it does not start slowly."""
    faults = [{"at": 1.0, "kind": "restart", "node": 1}, {"at": 4.0, "kind": "kill", "node": 2}]
    shares = {}
    for slowstart in (0, 60):
        check = {"inter": 0.05, "fall": 1}  # quick enough to see the restart
        balancer = {"slowstart": slowstart, "redispatch": 1, "retries": 3, "check": check}
        record = simulate(small(balancer=balancer, faults=faults), 0, profile)
        late = record.select("connected").query("t > 4.0")
        shares[slowstart] = (late["node"] == 1).mean()
    assert shares[0] > 0.9
    assert shares[60] < 0.5


def test_consistent_hashing_moves_only_the_clients_of_the_node_that_died(profile):
    clients = {"addresses": 15}
    moved = {}
    for algorithm in ("source", "consistent"):
        balancer = {"algorithm": algorithm, "check": {"fall": 1}}
        scenario = small(balancer=balancer, clients=clients, faults=[*KILL, {"at": 4.0, "kind": "reload"}])
        world = World(scenario, 0, profile)
        homes = {one.number: world.balancer.choose(one, []) for one in world.clients}
        world.env.run(until=3.5)
        assert world.balancer.up == [False, True, True]
        after = {one.number: world.balancer.choose(one, []) for one in world.clients}
        moved[algorithm] = {number for number in homes if homes[number] != after[number]}
        assert moved[algorithm] >= {number for number, home in homes.items() if home == 0}
        if algorithm == "consistent":
            assert moved[algorithm] == {number for number, home in homes.items() if home == 0}
    assert len(moved["consistent"]) < len(moved["source"])
