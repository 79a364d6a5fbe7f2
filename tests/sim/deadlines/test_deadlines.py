"""Nodes that drop silent connections and those whose clients take nothing, against times by hand."""

import pytest

from sim import simulate
from tests.strategies import knowing_profile, small

STALL = [{"at": 1.0, "kind": "stall", "client": 0, "duration": 5.0}]


def ends(scenario):
    return simulate(scenario, 0, knowing_profile()).select("disconnected")


def quiet(interval, **changes):
    clients = {"count": 20, "heartbeat": {"interval": interval, "timeout": 20.0}}
    clients |= {"reconnect": {"policy": "fixed", "base": 0.2, "jitter": "none"}}
    return small(clients=clients | changes.pop("clients", {}), **changes)


def test_clients_that_ping_too_rarely_are_dropped_again_and_again():
    found = ends(quiet(0.0, nodes={"read_deadline": 2.0}, duration=6.0))
    assert set(found["reason"]) == {"1006"}
    mine = found.query("client == 7")["t"].tolist()
    assert mine == pytest.approx([1.7, 3.9], abs=0.05)  # the warm-up was 0.3 s before the run
    assert len(found) == 40


@pytest.mark.parametrize("heard", [{"interval": 1.0}, {"sends": 2.0}, {"ping": 1.0}])
def test_whatever_comes_from_a_client_moves_the_deadline(heard):
    nodes = {"read_deadline": 2.0, "ping_interval": heard.get("ping", 0.0)}
    clients = {"sends": {"rate": heard.get("sends", 0.0)}}
    assert not len(ends(quiet(heard.get("interval", 0.0), nodes=nodes, clients=clients, duration=6.0)))


def test_a_client_that_does_not_read_answers_no_pings_and_is_dropped():
    talk = {"publisher": {"rate": 1.0}, "bus": {"kind": "stream"}}
    nodes = {"read_deadline": 2.0, "ping_interval": 0.5, "ping_timeout": 20.0}
    clients = {"recovery": {"recover": False}}
    found = ends(quiet(0.0, nodes=nodes, faults=STALL, clients=clients, **talk))
    assert found["client"].tolist() == [0]
    assert found["t"].iloc[0] == pytest.approx(6.0, abs=0.01)  # it notices when it reads again


def test_a_client_that_takes_nothing_is_dropped_after_the_write_deadline():
    talk = {"publisher": {"rate": 50.0, "payload_bytes": 20_000}, "bus": {"kind": "stream"}}
    lags = {"policy": "drop", "limit_bytes": 400_000}
    dropped = {}
    for deadline in (0.0, 1.0, 2.0):
        scenario = quiet(20.0, nodes={"write_deadline": deadline}, faults=STALL, slow_consumer=lags, **talk)
        record = simulate(scenario, 0, knowing_profile())
        lost = record.select("disconnected")
        assert lost["client"].tolist() == ([0] if deadline else [])
        dropped[deadline] = record.select("connected").query("client == 0 and t > 0")["t"].tolist()
    assert len(dropped[1.0]) == len(dropped[2.0]) == 1
