"""The labs' transfer questions: right answers at the edge, five kinds of wrong ones, and how rare right ones are."""

from functools import cache
from itertools import product
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pandas as pd
import pytest

import sim
from twin.costs.profile import HostProfile
from twin.course import (
    balancing,
    broadcast,
    drain,
    failover,
    heartbeats,
    registry,
    sessions,
    sizing,
    storm_checks,
    storms,
    whole,
)
from twin.course.answers import Answer
from twin.rules.drain import drain_time
from twin.rules.registry import removal_bounds
from twin.scenario.scenario import Scenario

FOLDER = Path(__file__).parents[3] / "scenarios"
PEAK, BACK, TARGET = 24.0, 12.0, 60.0
HUGE = 1e6
SCALE = 50
"""How many clients one stands for in the question on sizing."""


@cache
def reference():
    return HostProfile.load("reference")


@cache
def load(name):
    return Scenario.load(FOLDER / f"{name}.toml")


@cache
def _predicted(text, replications, given):
    host = storms.given_host(handshake_rate=200) if given else reference()
    return sim.predict(Scenario.parse(pd.io.json.ujson_loads(text)), replications, host, jobs=1, engine="auto")


def predicts(replications, given=False):
    """Return a predict function that predicts each scenario once."""
    return lambda scenario: _predicted(scenario.model_dump_json(exclude_none=True), replications, given)


def failover_asked(inter, fall, expected=1.4):
    return failover.check_answer(load("failover"), inter, fall, predicts(24), expected)


def broadcast_asked(ack_timeout, max_resends, expected=3.2):
    lab = load("broadcast-pubsub-no-recovery")
    slow = broadcast.with_slow_bus(lab)
    return broadcast.check_resends(slow, ack_timeout, max_resends, predicts(12), expected, lab)


def storm_asked(base, cap, jitter, expected=22):
    outage = storms.outage(clients=300, nodes=3, seconds=20, after=40, base=1.0, cap=8.0, jitter="full")
    return storm_checks.check_storm(outage, PEAK, BACK, predicts(8, True), expected, base=base, cap=cap, jitter=jitter)


@cache
def _size_predicted(text):
    host = storms.given_host(500.0, 20_000.0, SCALE)
    return sim.predict(Scenario.parse(pd.io.json.ujson_loads(text)), 2, host, jobs=1)


def size_asked(nodes, cap, expected=55):
    def build(many, longest):
        lab = storms.outage(100_000 // SCALE, many, 30.0, 150.0, inter=5.0, base=1.0, cap=longest, jitter="full")
        return lab.vary(nodes={"backlog": 1000 // SCALE})

    def predict(scenario):
        return _size_predicted(scenario.model_dump_json(exclude_none=True))

    return sizing.check_size(build, nodes, cap, TARGET, predict, 500.0 / SCALE, expected)


def heartbeat_asked(interval, timeout, expected=7.5, predict=None):
    lab = load("hang")
    silent = lab.vary(duration=26.0, balancer={"tunnel_timeout": 10.0}, faults=[{"at": 2.0, "kind": "hang", "node": 1}])
    return heartbeats.check_heartbeat(silent, interval, timeout, predict or predicts(12), expected, lab)


def heartbeat_by_hand(scenario):
    """A client notices at any time between its bounds."""
    beat = scenario.clients.heartbeat
    late = [heartbeats.notice_by_hand(beat.interval, beat.timeout, 0.99)]
    return SimpleNamespace(measures=pd.DataFrame({"notice_p99": late}), bounds=pd.DataFrame())


@cache
def _simulated(text, k):
    return sim.simulate(Scenario.parse(pd.io.json.ujson_loads(text)), k, reference())


def balancing_asked(algorithm, slowstart, base, expected=35):
    lab = load("node-returns")
    return balancing.check_balancing(
        balancing.quick_checks(lab),
        lambda scenario, k: _simulated(scenario.model_dump_json(exclude_none=True), k),
        2,
        {"algorithm": algorithm, "slowstart": slowstart},
        {"base": base, "cap": 5.0 if not isinstance(base, float) or base < 5.0 else base},
        expected,
        lab,
    )


def store_asked(store, persist, cap, expected=3.8):
    down = load("sessions-store-down")
    return sessions.check_store(down, store, persist, cap, predicts(3), expected, down)


def lease_asked(ttl, heartbeat, expected=1.1, predict=None):
    return registry.check_lease(load("registry-death"), ttl, heartbeat, predict or predicts(6), expected)


def lease_by_hand(scenario):
    """The removal comes at any time between its bounds."""
    low, high = removal_bounds(scenario.registry.ttl, scenario.registry.heartbeat, scenario.registry.sync)
    return SimpleNamespace(
        measures=pd.DataFrame({"mark_down_delay": np.linspace(low, high, 40)}), bounds=pd.DataFrame()
    )


def lifetime_asked(mean, jitter, expected=30):
    return registry.check_spread(load("autoscale-empty"), mean, jitter, predicts(4), expected)


def single():
    return drain.single_drain(load("rolling-restart"), 25.0, 2.5)


def drain_asked(lead, pace, expected=6.9, predict=None):
    return drain.check_drain(single(), lead, pace, predict or predicts(4), expected)


def drain_by_hand(scenario):
    """A lead that is longer than two checks refuses nobody; the closes come one by one."""
    (fault,) = scenario.faults
    took = drain_time(50, fault.lead, fault.pace)
    rate = fault.pace + 2
    attempts = 1.0 if fault.lead >= 1.8 else 1.2
    values = {"attempts_per_client": [attempts], "peak_reconnect_rate": [rate], "drain_time": [took]}
    return SimpleNamespace(measures=pd.DataFrame(values), bounds=pd.DataFrame())


def logins_asked(pace, iterations, expected=0.1, predict=None):
    return whole.check_logins(load("whole"), pace, iterations, predict or predicts(6), expected)


def logins_by_hand(scenario):
    """A message waits for the hash that is under way, and for a queue of them when they keep the core busy."""
    hashed = 4.4e-7 * scenario.sessions.login_iterations
    busy = scenario.faults[-1].pace * hashed
    late = [0.01 + hashed * (1 + 4 * busy / (1 - busy)) if busy < 1 else 10.0]
    values = {"latency_p99": late, "undelivered_share": [0.0 if busy < 1 else 0.2]}
    return SimpleNamespace(measures=pd.DataFrame(values), bounds=pd.DataFrame())


RIGHT = {
    failover_asked: [(0.45, 2), (0.3, 3), ("0.45", "2")],
    broadcast_asked: [(3.1, 1), (3.4, 1), ("3.3", "1")],
    storm_asked: [(3.7, 8, "full"), (3.7, 12, "full")],
    size_asked: [(4, 26), ("4", "26.0")],
    heartbeat_asked: [(4.0, 3.8), (6.0, 1.95), ("4", "3.8")],
    balancing_asked: [("leastconn", 0, 0.35), ("leastconn", 0, "0.35")],
    store_asked: [("redis", True, 1.0), ("redis", True, "1")],
    lease_asked: [(0.95, 0.315), ("0.95", "0.315")],
    lifetime_asked: [(12.0, 0.5), ("12", "0.5")],
    drain_asked: [(2.0, 10.0), ("2", "10")],
    logins_asked: [("20", 50_000)],
}
"""Answers at the edge of what is allowed, which texts may spell."""

WRONG = {
    failover_asked: {
        "the limits copied": [(0.2, 2)],
        "zero": [(0.0, 2), (0.3, 0)],
        "huge": [(HUGE, 2), (0.3, 1000)],
        "as it was": [(1.0, 2)],
        "no number": [("soon", 2), (None, 2), (0.3, 2.5), (float("nan"), 2), (True, 2), ([], {})],
    },
    broadcast_asked: {
        "the limits copied": [(3.5, 1), (3.0, 1), (0.6, 3), (2.9, 1)],
        "zero": [(0.0, 1), (3.2, 0)],
        "huge": [(HUGE, 1), (3.2, 10_000), (1e-3, 10_000)],
        "as it was": [(1.0, 3)],
        "no number": [("soon", 1), (3.2, None), (3.2, 1.5), (float("inf"), 1), ([], 1)],
    },
    storm_asked: {
        "the limits copied": [(12.0, 12.0, "full"), (24.0, 24.0, "full"), (8.0, 8.0, "full"), (5.5, 5.5, "full")],
        "zero": [(0.0, 8.0, "full"), (1e-6, 1e-6, "full")],
        "huge": [(HUGE, HUGE, "full"), (3.5, HUGE, "full"), (10.0, 12.0, "full")],
        "as it was": [(1.0, 8.0, "full"), (1.0, 8.0, "none")],
        "no number": [("soon", 8.0, "full"), (None, 8.0, "full"), (3.5, [], "full"), (3.5, 8.0, "much")],
    },
    size_asked: {
        "the limits copied": [(4, 60.0), (6, 60.0), (4, 5.0)],
        "zero": [(0, 5.0), (4, 0.0)],
        "huge": [(1000, 5.0), (4, HUGE), (8, 30.0), (50, 26.0)],
        "as it was": [(6, 30.0), (3, 5.0)],
        "no number": [("many", 5.0), (None, 5.0), (5.5, 30.0), (4, "soon"), ([], 26.0)],
    },
    heartbeat_asked: {
        "the limits copied": [(4.0, 1.0), (8.0, 1.0), (4.0, 8.0)],
        "zero": [(0.0, 3.0), (4.0, 0.0)],
        "huge": [(HUGE, 3.0), (4.0, HUGE)],
        "as it was": [(2.0, 1.0)],
        "no number": [("soon", 3.0), (4.0, None), (4.0, []), (float("nan"), 1.0)],
    },
    balancing_asked: {
        "the limits copied": [("leastconn", 40, 1.3), ("leastconn", 0, 1.3)],
        "zero": [("leastconn", 0, 0.0), ("leastconn", 0, 1e-4)],
        "huge": [("leastconn", 0, 3000.0), ("leastconn", HUGE, 0.35)],
        "as it was": [("leastconn", 0, 0.2), ("roundrobin", 0, 0.35)],
        "no number": [("leastconn", 0, "soon"), ("leastconn", "long", 0.35), ("best", 0, 0.35), ("leastconn", 0, [])],
    },
    store_asked: {
        "the limits copied": [("redis", True, 4.0), ("redis", True, 2.5)],
        "zero": [("redis", True, 0), ("redis", True, 1e-6), ("redis", True, 0.01), ("redis", True, 0.2)],
        "huge": [("redis", True, HUGE), ("redis", True, 60.0)],
        "as it was": [("memory", False, 5.0), ("redis", False, 1.0), ("redis", True, 5.0), ("none", True, 1.0)],
        "no number": [("redis", True, "soon"), ("redis", "yes", 1.0), ("disk", True, 1.0), ("redis", True, None)],
    },
    lease_asked: {
        "the limits copied": [(0.6, 0.2), (1.2, 0.2), (1.2, 0.4)],
        "zero": [(0.0, 0.2), (0.9, 0.0)],
        "huge": [(HUGE, 0.3), (0.9, HUGE)],
        "as it was": [(2.0, 0.5), (1.5, 0.5)],
        "no number": [("soon", 0.3), (0.9, None), (0.9, []), (float("nan"), 0.3)],
    },
    lifetime_asked: {
        "the limits copied": [(6.0, 0.8), (8.0, 0.5)],
        "zero": [(0.0, 0.5), (12.0, 0.0), (1e-3, 0.5)],
        "huge": [(HUGE, 0.5), (12.0, HUGE)],
        "as it was": [(10.0, 0.1)],
        "no number": [("soon", 0.5), (12.0, None), (12.0, [])],
    },
    drain_asked: {
        "the limits copied": [(7.0, 40.0), (2.5, 40.0), (2.0, 39.0)],
        "zero": [(0.0, 10.0), (2.0, 0.0), (0.0, 25.0)],
        "huge": [(HUGE, 10.0), (2.0, HUGE)],
        "as it was": [(2.5, 25.0), (1.0, 100.0)],
        "no number": [("soon", 10.0), (2.0, None), (2.0, [])],
    },
    logins_asked: {
        "the limits copied": [(100 / 6, 50_000), (20.0, 115_000)],
        "zero": [(0.0, 50_000), (20.0, 0), (20.0, 1)],
        "huge": [(HUGE, 50_000), (20.0, 10_000_000), (40.0, 50_000)],
        "as it was": [(50.0, 600_000)],
        "no number": [("soon", 50_000), (20.0, None), (20.0, 0.5), (20.0, [])],
    },
}

RANGES = {
    failover_asked: (np.geomspace(0.1, 3.0, 12), range(1, 6)),
    broadcast_asked: (np.linspace(0.25, 8.0, 24), range(5)),
    storm_asked: (np.geomspace(0.25, 16.0, 8), (4.0, 8.0, 12.0), ("equal", "full")),
    size_asked: ((3, 4, 5, 6, 8), np.geomspace(2.0, 90.0, 7)),
    heartbeat_asked: (np.linspace(0.5, 12.0, 24), np.linspace(0.5, 10.0, 40), (7.5,), (heartbeat_by_hand,)),
    balancing_asked: (("leastconn", "roundrobin"), (0, 10), np.geomspace(0.05, 3.2, 7)),
    store_asked: (("memory", "redis"), (False, True), np.geomspace(0.2, 8.0, 7)),
    lease_asked: (np.linspace(0.2, 4.0, 20), np.linspace(0.1, 1.0, 12), (1.1,), (lease_by_hand,)),
    lifetime_asked: (np.linspace(3.0, 30.0, 8), (0.0, 0.3, 0.6, 1.0)),
    drain_asked: (np.linspace(0.0, 6.0, 13), np.geomspace(5.0, 80.0, 20), (6.9,), (drain_by_hand,)),
    logins_asked: (np.geomspace(5, 200, 20), np.geomspace(1e4, 1e6, 25).astype(int), (0.1,), (logins_by_hand,)),
}
"""What a reader may try, evenly."""
MOST_ACCEPTED = 0.1


def named(check):
    return check.__name__.removesuffix("_asked")


@pytest.mark.parametrize(
    ("check", "settings"),
    [pytest.param(check, one, id=f"{named(check)}-{one}") for check, some in RIGHT.items() for one in some],
)
def test_an_answer_at_the_edge_is_right(check, settings):
    answer = check(*settings)
    assert answer.right, answer
    assert "You expected " in answer.why
    assert answer.found > 0


@pytest.mark.parametrize("kind", ["the limits copied", "zero", "huge", "as it was", "no number"])
@pytest.mark.parametrize("check", WRONG, ids=named)
def test_five_kinds_of_wrong_answers_are_not_right_and_are_told_why(check, kind):
    for settings in WRONG[check][kind]:
        answer = check(*settings)
        assert isinstance(answer, Answer)
        assert not answer.right, (settings, answer)
        assert len(answer.why) > 20


@pytest.mark.parametrize("check", RANGES, ids=named)
def test_a_search_over_the_whole_range_seldom_finds_a_right_answer(check):
    tried = [check(*settings).right for settings in product(*RANGES[check])]
    assert np.mean(tried) <= MOST_ACCEPTED


@pytest.mark.parametrize("check", RIGHT, ids=named)
def test_nothing_is_judged_before_a_number_is_expected(check):
    settings = RIGHT[check][0]

    def answer(expected):
        return check(*settings, expected=expected)

    first = answer(None)
    assert not first.right
    assert first.why.startswith("first say what you expect: `expected` is ")
    for odd in ("soon", -1.0, float("nan"), [], True):
        assert not answer(odd).right
        assert answer(odd).found is None
    told = answer("1")
    assert told.right
    assert told.expected == 1.0
    assert told.why.endswith(f"You expected 1; it is {told.found:.3g}.")


def test_what_is_beyond_the_run_cannot_be_expected():
    answer = failover_asked(0.45, 2, 11.0)
    assert (
        "expected is 11, but the upper end of the 95 % interval of reconnect_p50 in s lies from 0 to 10" in answer.why
    )


def test_other_settings_than_those_of_the_lab_are_said():
    said = "Asked under other settings than those of the lab: "
    why = broadcast_asked(3.2, 1).why
    assert why.startswith(said)
    assert "publisher.rate 20 (in the lab 40)" in why
    assert "bus.retry.cap 3 (in the lab 1)" in why
    why = heartbeat_asked(11.0, 1.0).why
    assert "balancer.tunnel_timeout 10 (in the lab " in why
    assert "faults hang of node 1 at 2 s (in the lab hang of node 1 at 2 s for 7 s). The balancer cuts what is " in why
    assert said not in store_asked("redis", True, 1.0).why
    assert "whose outage they feel, so it is left out. Between " in store_asked("memory", False, 1.0).why


def test_what_is_just_too_much_is_told_apart_from_its_bound():
    many = [24.0] * 195 + [25.0] * 5

    def predict(scenario):
        measures = pd.DataFrame({"peak_attempts": many, "time_to_99": [21.0] * 200})
        return SimpleNamespace(scenario=scenario, measures=measures, bounds=pd.DataFrame())

    outage = storms.outage(clients=300, nodes=3, seconds=20, after=40, base=4.0, cap=8.0, jitter="full")
    answer = storm_checks.check_storm(outage, PEAK, BACK, predict, 22, base=4.0, cap=8.0, jitter="full")
    assert answer.found == pytest.approx(24.025)
    assert not answer.right
    assert "at most 24.03 attempts in 100 ms" in answer.why or "at most 24.02 attempts in 100 ms" in answer.why
