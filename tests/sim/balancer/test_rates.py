"""Who comes too often is refused: HAProxy counts what it refuses, too, and nginx does not."""

import pytest

from sim import simulate
from tests.strategies import small

TEN = {"limit": 10, "period": 60.0}
AGAIN = {"policy": "fixed", "base": 1.0, "jitter": "none"}


def late_comers(balancer, count=12, **changes):
    """Return clients of one address who all come in the run, ten a second."""
    clients = {"count": count, "reconnect": AGAIN, "arrivals": {"count": count, "at": 0.5, "rate": 10.0}}
    return small(clients=clients, balancer=balancer, **{"duration": 8.0, **changes})


def answers(record):
    return record.select("connect_failed")["reason"].value_counts().to_dict()


def test_the_eleventh_connect_of_an_address_in_a_minute_gets_429(profile):
    record = simulate(late_comers({"address_rate": TEN}), 0, profile)
    connected = record.select("connected")
    assert connected["client"].tolist() == list(range(10))
    refused = record.select("connect_failed")
    assert (refused["client"].iloc[0], refused["t"].iloc[0].round(1), set(answers(record))) == (10, 1.5, {"429"})


def test_each_address_has_a_count_of_its_own(profile):
    scenario = late_comers({"address_rate": TEN}, count=20)
    record = simulate(scenario.vary(clients={"addresses": 2}), 0, profile)
    assert (len(record.select("connected")), answers(record)) == (20, {})


@pytest.mark.parametrize(("base", "inside"), [(1.0, 10), (30.0, 12)])
def test_a_client_without_backoff_stays_locked_out(profile, base, inside):
    scenario = late_comers({"address_rate": TEN}, duration=200.0).vary(
        clients={"reconnect": {"base": base, "cap": 60.0}}
    )
    record = simulate(scenario, 0, profile)
    assert record.select("connected")["client"].nunique() == inside
    if inside == 10:
        assert len(record.select("connect_failed")) > 390  # two clients, each second


def test_nginx_lets_one_in_each_time_its_bucket_has_run_out(profile):
    limit = {"rate": 60, "burst": 9}
    record = simulate(late_comers({"kind": "nginx", "limit_req": limit}, count=13), 0, profile)
    times = record.select("connected")["t"]
    assert (len(times), set(answers(record))) == (13, {"429"})
    assert (times.diff().iloc[-2:] >= 1.0 - 1e-6).all()  # one a second, whoever tries in between


def test_limit_conn_counts_what_is_open(profile):
    scenario = late_comers({"kind": "nginx", "limit_conn": 10})
    record = simulate(scenario, 0, profile)
    assert (len(record.select("connected")), set(answers(record))) == (10, {"429"})
    kill = [{"at": 4.0, "kind": "kill", "node": node} for node in (1, 2, 3)]
    ended = simulate(scenario.vary(faults=kill), 0, profile)
    assert set(ended.select("connect_failed").query("t > 5")["reason"]) == {"502"}  # nobody is open any more


def test_retry_after_makes_clients_wait_as_long_as_it_says(profile):
    limit = {"limit": 10, "period": 2.0, "retry_after": 3}
    asked = {"refusals": {"retry_after": True}}
    record = simulate(late_comers({"address_rate": limit}).vary(clients=asked), 0, profile)
    late = record.select("attempt_connect").query("client >= 10")
    waits = late.groupby("client")["t"].diff().dropna()
    assert waits.round(1).tolist() == [3.0, 3.0]
    assert record.select("connected")["client"].nunique() == 12
    deaf = simulate(late_comers({"address_rate": limit}), 0, profile)
    assert deaf.select("attempt_connect").query("client >= 10").groupby("client")["t"].diff().max() < 1.1


def test_a_fatal_status_ends_the_client(profile):
    scenario = late_comers({"address_rate": TEN}).vary(clients={"refusals": {"fatal": [429]}})
    record = simulate(scenario, 0, profile)
    assert sorted(record.select("gave_up")["client"]) == [10, 11]
    assert len(record.select("attempt_connect")) == 12
    other = simulate(scenario.vary(clients={"refusals": {"fatal": [503]}}), 0, profile)
    assert len(other.select("gave_up")) == 0


def test_a_rate_of_the_frontend_lets_connections_wait_and_refuses_nobody(profile):
    scenario = late_comers({"session_rate": 10}, count=40).vary(clients={"arrivals": {"rate": 1000.0}})
    record = simulate(scenario, 0, profile)
    times = record.select("connected")["t"]
    assert (len(times), answers(record)) == (40, {})
    assert record.select("connected")["client"].tolist() == list(range(40))
    assert (times < 1.0).sum() == 10
    for since in (0.5, 1.5, 2.5):
        assert times.between(since, since + 0.999).sum() <= 11
    assert times.max() == pytest.approx(4.5, abs=0.2)  # what came in the second before counts until that has passed
