import numpy as np
import pytest

from sim import simulate
from tests.costs import cost_of
from tests.loops import timer
from tests.strategies import small
from twin.draws import Purpose, uniform
from twin.rules.heartbeat import detection_bounds
from twin.rules.presets import CLIENTS

KILL = [{"at": 1.0, "kind": "kill", "node": 1}]
HANG = [{"at": 2.0, "kind": "hang", "node": 1}]
DIAL, CLOSED = cost_of("client_dial"), cost_of("client_closed")


def waited(seconds, found):
    """Tell whether a client of thirty waited so long from a failure to the end of its next dial."""
    soonest, latest = timer(seconds)
    return soonest + DIAL <= found <= latest + 30 * DIAL


def waits(record):
    """Return for each client the times from a loss or failure to the attempt that follows it."""
    found, left = {}, {}
    for event in record.events.itertuples():
        if event.event in ("disconnected", "connect_failed"):
            left[event.client] = event.t
        elif event.event == "attempt_connect" and event.client in left:
            found.setdefault(event.client, []).append(event.t - left.pop(event.client))
    return found


def test_a_client_waits_as_its_policy_says(profile):
    policy = {"jitter": "none", "base": 0.1, "factor": 2.0, "cap": 0.3}
    scenario = small(clients={"reconnect": policy}, balancer={"check": {"inter": 5.0}}, faults=KILL, nodes={"count": 1})
    found = waits(simulate(scenario, 0, profile))
    assert len(found) == 30
    for client in found.values():
        assert all(map(waited, [0.1, 0.2, 0.3, 0.3, 0.3], client))


def test_a_client_waits_as_its_list_says_and_stops_at_its_end(profile):
    policy = {"policy": "list", "delays": [0.0, 0.4, [0.2, 0.6]], "then": "stop"}
    scenario = small(clients={"reconnect": policy}, nodes={"count": 1}, faults=KILL)
    record = simulate(scenario, 0, profile)
    found = np.array(list(waits(record).values()))
    assert found.shape == (30, 3)
    assert found[:, 0] == pytest.approx(DIAL, abs=1e-9)
    assert all(waited(0.4, wait) for wait in found[:, 1])
    assert timer(0.2)[0] + DIAL <= found[:, 2].min() < 0.23
    assert 0.57 < found[:, 2].max() < timer(0.6)[1] + 30 * DIAL
    assert (record.events["event"] == "gave_up").sum() == 30


@pytest.mark.parametrize("first", ["immediate", "jittered", "backoff"])
def test_clients_whose_connections_are_cut_over_and_over_wait_longer_and_longer(first, profile):
    policy = {"jitter": "none", "base": 0.1, "factor": 2.0, "cap": 5.0, "first": first}
    scenario = small(duration=10.0, clients={"reconnect": policy}, nodes={"lifetime": {"mean": 0.066, "jitter": 0.0}})
    record = simulate(scenario, 0, profile)
    assert len(record.select("connect_failed")) == 0
    for client in waits(record).values():
        assert all(map(waited, [0.2, 0.4, 0.8, 1.6, 3.2], client[-5:]))
    hasty = simulate(scenario.vary(clients={"reconnect": {"stable_time": 0.0}}), 0, profile)
    assert len(hasty.select("attempt_connect")) > 5 * len(record.select("attempt_connect"))


def test_a_client_has_been_connected_since_its_own_turn_in_the_warm_up(profile):
    policy = {"policy": "fixed", "jitter": "none", "base": 0.5, "first": "immediate", "stable_time": 2.0}
    scenario = small(clients={"count": 30, "connect_rate": 10.0, "reconnect": policy}, nodes={"count": 1}, faults=KILL)
    found = waits(simulate(scenario, 0, profile))
    at_once = [client for client, times in found.items() if times[0] <= 30 * DIAL]
    # killed at 1.0; connected at number / 10 - 3, and the run begins 0.3 s after the last has
    assert at_once == list(range(24))
    assert all(waited(0.5, found[client][0]) for client in range(24, 30))


@pytest.mark.parametrize("name", sorted(CLIENTS))
def test_every_preset_brings_its_clients_back_or_gives_up(name, profile):
    beat = {"reconnect": name, "heartbeat": name}
    record = simulate(small(duration=30.0, clients=beat, faults=KILL), 0, profile)
    lost = set(record.select("disconnected")["client"])
    back = set(record.select("connected").query("attempt > 1")["client"])
    assert len(lost) == 10
    assert back | set(record.select("gave_up")["client"]) == lost


def test_full_jitter_spreads_the_first_attempts_over_the_base(profile):
    scenario = small(clients={"count": 90, "reconnect": {"base": 1.0}}, faults=KILL)
    first = sorted(client[0] for client in waits(simulate(scenario, 0, profile)).values())
    assert len(first) == 30
    assert first[0] < 0.2
    assert 0.8 < first[-1] < 1.0


def test_a_client_that_fails_max_attempts_times_gives_up_and_tries_no_more(profile):
    scenario = small(clients={"reconnect": {"max_attempts": 3}}, nodes={"count": 1}, faults=KILL)
    events = simulate(scenario, 0, profile).events
    assert (events["event"] == "gave_up").sum() == 30
    assert (events["event"] == "connect_failed").sum() == 90
    assert set(events[events["event"] == "gave_up"]["attempt"]) == {4}


@pytest.mark.parametrize("close_timeout", [0.0, 0.5])
@pytest.mark.parametrize("replication", [0, 1, 2])
def test_a_hang_is_found_by_the_heartbeat_within_the_bounds(close_timeout, replication, profile):
    beat = {"interval": 1.5, "timeout": 0.6, "close_timeout": close_timeout}
    scenario = small(clients={"heartbeat": beat}, faults=HANG)
    record = simulate(scenario, replication, profile)
    assert set(record.select("disconnected")["detail"]) == {"heartbeat"}
    first = record.select("disconnected").groupby("client")["t"].first()
    missed = record.select("heartbeat_missed").groupby("client")["t"].first()
    assert len(first) == 10
    low, high = detection_bounds(1.5, 0.6)
    for client, t in missed.items():
        beats = 1.5 * uniform(scenario.seed, replication, client, Purpose.PING_PHASE, 0)
        while beats <= 2.0:
            beats += 1.5
        assert low <= beats + 0.6 - 2.0 <= high
        soonest, latest = timer(beats + 0.6 - 2.0)
        assert soonest <= t - 2.0 <= latest
        soonest, latest = timer(close_timeout) if close_timeout else (0.0, 0.0)
        assert soonest + CLOSED - 1e-9 <= first[client] - t <= latest + 2 * CLOSED
    assert first.max() - first.min() > 0.5  # the clients' pings are out of step


def test_without_a_heartbeat_nobody_notices_a_hang(profile):
    beat = {"interval": 0.0}
    events = simulate(small(clients={"heartbeat": beat}, faults=HANG), 0, profile).events
    assert not (events["event"] == "disconnected").any()


def test_a_hang_shorter_than_the_timeout_is_forgiven(profile):
    beat = {"interval": 0.2, "timeout": 1.0}
    fault = [{"at": 2.0, "kind": "hang", "node": 1, "duration": 0.9}]
    record = simulate(small(clients={"heartbeat": beat}, faults=fault), 0, profile)
    assert not len(record.select("disconnected"))
    assert record.select("healed")[["t", "node", "detail"]].to_numpy().tolist() == [[2.9, 1, "hang"]]


def test_a_client_that_connects_just_as_its_node_hangs_finds_out_too(profile):
    beat = {"interval": 0.5, "timeout": 0.5}
    for ms in range(0, 60):
        scenario = small(
            nodes={"count": 2},
            clients={"heartbeat": beat, "reconnect": {"jitter": "none", "base": 0.5}},
            balancer={"check": {"fall": 1, "inter": 0.1}},
            faults=[{"at": 1.0, "kind": "kill", "node": 1}, {"at": 1.5 + ms / 4000, "kind": "hang", "node": 2}],
        )
        events = simulate(scenario, 0, profile).events
        hung = events[(events["event"] == "connected") & (events["node"] == 2)]
        lost = events[(events["event"] == "disconnected") & (events["node"] == 2)]
        assert len(hung) == len(lost) > 0
        assert lost["t"].min() >= 1.5 + 0.5


def test_an_attempt_is_abandoned_after_the_open_timeout(profile):
    scenario = small(
        nodes={"count": 1},
        clients={"open_timeout": 0.7, "heartbeat": {"interval": 0.5, "timeout": 0.5}},
        balancer={"check": {"fall": 100}},
        faults=HANG,
    )
    record = simulate(scenario, 0, profile)
    tries = record.select("attempt_connect", "connect_failed").groupby(["client", "attempt"])["t"].agg(["min", "max"])
    failed = record.select("connect_failed")
    assert set(failed["detail"]) == {"timeout"}
    lasted = (tries["max"] - tries["min"])[tries["max"] > tries["min"]]
    assert len(lasted) >= 30
    refused = cost_of("client_refused")
    assert lasted.min() == pytest.approx(0.7 + refused, abs=1e-9)
    assert lasted.max() <= 0.7 + 2 * refused  # hardly two at once
