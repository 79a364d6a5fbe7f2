"""Envoy in the model, by times computed by hand."""

import pytest

from sim import simulate
from tests.costs import EXIT_DELAY, LET_IN, cost_of
from tests.strategies import CHECK_OVERHEAD, small
from twin.draws import Purpose, stratified
from twin.scenario.combinations import WARM_UP_SLACK
from twin.scenario.scenario import Scenario

KILL = [{"at": 1.0, "kind": "kill", "node": 1}]
HANG = [{"at": 1.0, "kind": "hang", "node": 1}]
CHECK = {"interval": 0.5, "no_traffic_interval": 0.5, "timeout": 0.3, "unhealthy_threshold": 2, "healthy_threshold": 1}
PAUSE = 0.5 + CHECK_OVERHEAD
TOGETHER = 0.002
"""Seconds by which some checks may be late: those of all nodes come at once, and the nodes share a core."""


def behind(faults=(), clients=(), check=(), nodes=(), **balancer):
    """Return a small cluster behind Envoy."""
    given = {"kind": "envoy", "check": CHECK | dict(check), **balancer}
    plain = small().model_dump(exclude_none=True) | {"balancer": given, "faults": list(faults)}
    return Scenario.parse(plain).vary(clients=dict(clients), nodes=dict(nodes))


def phase_of(scenario):
    return 0.5 * stratified(scenario.seed, 0, 0, Purpose.CHECK_PHASE)


def next_check(scenario, after):
    """Return when every node is checked next after a time, if all checks before were answered at once."""
    t = phase_of(scenario)
    while t < after:
        t += PAUSE + cost_of("node_handshake")
    return t


def first(record, event, node=1):
    found = record.select(event)
    return found[found["node"] == node]["t"].iloc[0]


def test_a_killed_node_is_marked_at_the_threshold_and_its_clients_learn_later(profile):
    scenario = behind(KILL)
    record = simulate(scenario, 0, profile)
    gone = 1.0 + EXIT_DELAY
    assert first(record, "marked_down") == pytest.approx(next_check(scenario, gone) + PAUSE, abs=TOGETHER)
    lost = record.select("disconnected")
    assert len(lost) == 10
    assert lost["t"].min() == pytest.approx(
        gone + cost_of("node_exit", "client_closed") + 1.0 + cost_of("balancer_close", balancer="envoy"), abs=2e-3
    )
    assert set(lost["reason"]) == {"1006"}


def test_edges_have_intervals_of_their_own(profile):
    every = {
        "unhealthy_threshold": 3,
        "unhealthy_edge_interval": 0.2,
        "unhealthy_interval": 0.7,
        "healthy_threshold": 2,
    }
    scenario = behind([{**KILL[0], "duration": 3.0}], check=every | {"healthy_edge_interval": 0.3})
    record = simulate(scenario, 0, profile)
    down = next_check(scenario, 1.0 + EXIT_DELAY) + 2 * (0.2 + CHECK_OVERHEAD)
    assert first(record, "marked_down") == pytest.approx(down, abs=TOGETHER)
    started = first(record, "node_started")
    t = down
    while t < started:
        t += 0.7 + CHECK_OVERHEAD
    up = t + 0.3 + CHECK_OVERHEAD + 2 * cost_of("node_handshake")
    assert first(record, "marked_up") == pytest.approx(up, abs=TOGETHER)


def test_the_first_check_after_the_start_comes_with_the_interval_without_traffic(profile):
    scenario = behind(KILL, check={"no_traffic_interval": 60.0, "unhealthy_threshold": 1})
    assert len(simulate(scenario, 0, profile).select("marked_down")) == 0
    soon = behind(KILL, check={"no_traffic_interval": 4.0, "unhealthy_threshold": 1})
    down = first(simulate(soon, 0, profile), "marked_down")
    assert 4.0 - 0.5 - soon.warm_up - 0.5 < down < 4.0
    assert (down - phase_of(soon)) % 0.5 == pytest.approx(0.0, abs=1e-6)


def test_with_one_of_three_left_envoy_chooses_among_all(profile):
    dead = [{"at": 1.0, "kind": "kill", "node": node} for node in (1, 2)]
    record = simulate(behind(dead, update_merge_window=0.0), 0, profile)
    calm = simulate(behind(dead, update_merge_window=0.0, panic_threshold=0.0), 0, profile)
    late = max(first(record, "marked_down"), first(record, "marked_down", 2)) + 0.01
    failed = record.select("connect_failed")
    assert set(failed["reason"]) == {"503"}
    assert (failed["t"] > late).sum() > 5
    assert not (calm.select("connect_failed")["t"] > late).any()
    counted = {row["counter"]: row["count"] for _, row in record.select("balancer_counted").iterrows()}
    assert counted["lb_healthy_panic"] > 5
    assert counted["upstream_cx_connect_fail"] == len(failed)
    assert counted["upstream_rq_total"] == 30 + len(record.select("connected")) - 30
    assert "lb_healthy_panic" not in set(calm.select("balancer_counted")["counter"])


def test_a_request_to_a_hung_node_ends_with_504_at_the_routes_timeout(profile):
    never = {"interval": 20.0, "no_traffic_interval": 20.0}
    scenario = behind(HANG, {"open_timeout": 3.0, "heartbeat": {"interval": 0.2, "timeout": 0.2}}, never, timeout=0.7)
    record = simulate(scenario, 0, profile)
    events = record.select("attempt_connect", "connect_failed", "connected")
    pairs = events[events["t"] > 0].groupby(["client", "attempt"])
    took = (pairs.last()["t"] - pairs["t"].first())[pairs.last()["event"] == "connect_failed"]
    assert len(took) >= 5
    assert set(record.select("connect_failed")["reason"]) == {"504"}
    assert took.between(0.7, 0.71).all()
    counted = record.select("balancer_counted").set_index("counter")["count"]
    assert counted["upstream_rq_timeout"] >= len(took)


def test_a_silent_connection_is_cut_and_its_client_told_later(profile):
    scenario = behind((), {"heartbeat": {"interval": 0.0}}, stream_idle_timeout=3.0, delayed_close_timeout=0.5)
    lost = simulate(scenario, 0, profile).select("disconnected")
    assert len(lost) >= 30
    opened = -scenario.warm_up - WARM_UP_SLACK
    assert lost["t"].iloc[0] == pytest.approx(opened + 3.5, abs=0.05)


def test_a_stream_lasts_as_long_as_it_may_whatever_passes_over_it(profile):
    busy = {"heartbeat": {"interval": 0.5, "timeout": 0.4}}
    scenario = behind((), busy, max_stream_duration=3.0, delayed_close_timeout=0.5)
    lost = simulate(scenario, 0, profile).select("disconnected")
    assert len(lost) >= 60
    assert lost["t"].iloc[0] == pytest.approx(3.5 - scenario.warm_up - WARM_UP_SLACK, abs=0.05)
    again = lost[lost["client"] == lost["client"].iloc[0]]["t"]
    assert again.diff().iloc[1] == pytest.approx(3.5, abs=1.1), "and the wait before it comes back"


@pytest.mark.parametrize(("policy", "nodes"), [("source_ip", 1), ("header", 3)])
def test_clients_of_one_address_are_spread_where_the_header_is_hashed(policy, nodes, profile):
    scenario = behind((), {"addresses": 1}, algorithm="maglev", hash_policy=policy, table_size=251)
    opened = simulate(scenario, 0, profile).select("connected")
    assert opened["node"].nunique() == nodes


def test_a_second_mark_within_the_window_takes_effect_later(profile):
    dead = [{"at": 1.0, "kind": "kill", "node": 1}, {"at": 1.5, "kind": "kill", "node": 2}]
    lasts = {}
    for window in (0.0, 1.0):
        scenario = behind(
            dead, {"count": 60}, panic_threshold=0.0, update_merge_window=window, delayed_close_timeout=0.0
        )
        record = simulate(scenario, 0, profile)
        first_mark, second = first(record, "marked_down"), first(record, "marked_down", 2)
        assert 0.3 < second - first_mark < 0.9
        lasts[window] = record.select("connect_failed")["t"].max() - second
    assert lasts[0.0] < 0.1
    assert 0.5 < lasts[1.0] < 1.1


def test_least_request_draws_five_of_nine_retries_to_a_dead_node(profile):
    """Until it is marked; sources: the rule's own test. All clients of the dead node count for nobody by then."""
    never = {"interval": 20.0, "no_traffic_interval": 20.0}
    shares = []
    for seed in range(8):
        scenario = behind(KILL, {"count": 90}, never, algorithm="least_request").vary(seed=seed)
        record = simulate(scenario, 0, profile)
        attempts = record.select("attempt_connect")
        shares.append((len(record.select("connect_failed")), (attempts["t"] > 0).sum()))
    failed, tried = (sum(one) for one in zip(*shares, strict=True))
    assert failed / tried == pytest.approx(5 / 9, abs=0.05)


def test_a_restarted_envoy_knows_at_once_who_is_dead(profile):
    scenario = behind([*KILL, {"at": 1.2, "kind": "reload"}], check={"unhealthy_threshold": 50}, hard_stop_after=2)
    record = simulate(scenario, 0, profile)
    assert first(record, "marked_down") == pytest.approx(1.2 + 0.14, abs=1e-6)
    lost = record.select("disconnected")
    assert (lost["t"] > 3.3).sum() == 20, "those of the old process"


def test_the_time_from_the_request_to_the_open_connection_is_that_of_its_parts(profile):
    record = simulate(behind(KILL, algorithm="ring_hash", table_size=13), 0, profile)
    events = record.select("attempt_connect", "connected")
    pairs = events[events["t"] > 0].groupby("client")
    took = pairs["t"].last() - pairs["t"].first()
    assert took.min() == pytest.approx(cost_of(*LET_IN, balancer="envoy"), abs=1e-9)


SELDOM = {"interval": 20.0, "no_traffic_interval": 20.0}


def counted(record):
    """Return what Envoy would have counted."""
    return dict(record.select("balancer_counted")[["counter", "count"]].itertuples(index=False))


def took(record):
    """Return the seconds that each attempt after the start took, and how it ended."""
    events = record.select("attempt_connect", "connected", "connect_failed")
    pairs = events[events["t"] > 0].groupby(["client", "attempt"])
    ends = pairs.last()
    over = ends["event"] != "attempt_connect"
    return (ends["t"] - pairs["t"].first())[over], ends[over]


def test_tries_at_a_hung_node_take_their_timeout_each_and_the_last_one_is_a_504(profile):
    policy = {"num_retries": 2, "retry_on": ["gateway-error"], "per_try_timeout": 0.3}
    hung = {"open_timeout": 3.0, "heartbeat": {"interval": 0.2, "timeout": 0.2}}
    scenario = behind(HANG, hung, SELDOM, {"count": 1}, retry_policy=policy, circuit_breakers={"max_retries": 1000})
    record = simulate(scenario, 0, profile)
    spans, ends = took(record)
    assert set(ends["event"]) == {"connect_failed"}
    assert set(ends["detail"]) == {"504"}
    assert spans.between(0.9, 0.9 + 0.024 + 0.049 + 0.02).all()
    found = counted(record)
    assert found["upstream_rq_per_try_timeout"] >= 3 * len(spans)
    assert found["upstream_rq_retry_limit_exceeded"] == len(spans)


def test_retries_hide_a_dead_node_as_long_as_there_is_room_for_them(profile):
    policy = {"num_retries": 5, "previous_hosts": True, "host_selection_retry_max_attempts": 10}
    record = simulate(behind(KILL, {}, SELDOM, retry_policy=policy), 0, profile)
    found = counted(record)
    assert len(record.select("connect_failed")) == found.get("upstream_rq_retry_overflow", 0)
    assert found["upstream_rq_retry"] > 0
    at_once = {"policy": "fixed", "base": 0.01, "jitter": "none"}
    storm = behind(KILL, {"count": 300, "reconnect": at_once}, SELDOM, retry_policy=policy)
    full = simulate(storm, 0, profile)
    assert counted(full)["upstream_rq_retry_overflow"] == len(full.select("connect_failed")) > 10
    budget = storm.vary(balancer={"circuit_breakers": {"budget_percent": 100.0}})
    assert len(simulate(budget, 0, profile).select("connect_failed")) == 0


def test_who_finds_no_room_for_a_connection_waits_and_gets_a_504(profile):
    limits = {"max_connections": 25}
    scenario = behind(KILL, {"open_timeout": 3.0}, {}, timeout=0.7, circuit_breakers=limits)
    record = simulate(scenario, 0, profile)
    spans, ends = took(record)
    assert record.select("server_connections")["count"].sum() == 25
    refused = spans[ends["detail"] == "504"]
    assert len(refused) > 5
    assert refused.between(0.7, 0.71).all()
    assert counted(record)["upstream_cx_overflow"] >= len(refused)


def test_who_waits_gets_the_connection_that_is_freed(profile):
    """Both nodes that are left are full until they end connections, which they do after 3 s each."""
    limits = {"max_connections": 20, "max_pending_requests": 1000}
    nodes = {"lifetime": {"mean": 3.0, "jitter": 0.0}}
    scenario = behind(KILL, {"open_timeout": 8.0}, {}, nodes, timeout=8.0, circuit_breakers=limits)
    spans, ends = took(simulate(scenario, 0, profile))
    assert (spans[ends["event"] == "connected"] > 0.3).sum() > 3


def test_more_pending_requests_than_allowed_get_a_503_at_once(profile):
    limits = {"max_connections": 20, "max_pending_requests": 2}
    scenario = behind(KILL, {"open_timeout": 8.0}, {}, timeout=8.0, circuit_breakers=limits)
    record = simulate(scenario, 0, profile)
    late = record.select("connect_failed")
    assert set(late["reason"]) == {"503"}
    assert counted(record)["upstream_rq_pending_overflow"] > 5


def test_a_dead_node_is_ejected_and_returns_at_a_look(profile):
    ejecting = {"max_ejection_percent": 50, "base_ejection_time": 1.0, "interval": 0.5}
    at_once = {"policy": "fixed", "base": 0.02, "jitter": "none"}
    clients = {"count": 60, "reconnect": at_once}
    scenario = behind(KILL, clients, SELDOM, outlier_detection=ejecting)
    record = simulate(scenario, 0, profile)
    marks = record.select("marked_down", "marked_up")
    assert marks["event"].tolist()[:2] == ["marked_down", "marked_up"]
    assert set(marks["detail"]) == {"outlier"}
    first_span = marks["t"].iloc[1] - marks["t"].iloc[0]
    assert 1.0 <= first_span < 1.5
    assert marks["t"].iloc[0] < 1.0 + EXIT_DELAY + 0.1, "by the ends of its connections, before anybody dials"
    assert len(record.select("connect_failed")) == 0
    assert counted(record)["outlier_detection.ejections_enforced_total"] == 1
    drained = behind(
        [{"at": 1.0, "kind": "drain", "node": 1, "pace": 20.0}], clients, SELDOM, outlier_detection=ejecting
    )
    assert first(simulate(drained, 0, profile), "marked_down") == pytest.approx(1.25, abs=0.1), "the fifth close frame"
    never = behind(KILL, clients, SELDOM, outlier_detection=ejecting | {"max_ejection_percent": 10})
    other = simulate(never, 0, profile)
    assert len(other.select("marked_down")) == 0
    assert counted(other)["outlier_detection.ejections_overflow"] >= 1
