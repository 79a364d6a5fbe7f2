"""Clients that come in the run: when, and what they are like from then on."""

import pytest

from sim import simulate
from sim.world import World
from tests.costs import cost_of
from tests.strategies import small

LATE = {"arrivals": {"count": 10, "at": 1.0, "rate": 20.0}}


def test_clients_come_one_after_the_other_and_not_before(profile):
    record = simulate(small(clients=LATE), 0, profile)
    first = record.select("attempt_connect").groupby("client")["t"].first()
    assert (first.loc[:19] < 0).all()
    dialled = [1.0 + i / 20 + cost_of("client_dial") for i in range(10)]
    assert first.loc[20:].tolist() == pytest.approx(dialled, abs=0.002)  # a timer of the loop, in whole milliseconds
    assert record.select("connected")["client"].nunique() == 30
    assert sorted(record.select("server_connections")["count"]) == [10, 10, 10]


def test_all_clients_may_come_in_the_run(profile):
    scenario = small(clients={"arrivals": {"count": 30, "at": 1.0, "rate": 100.0}})
    record = simulate(scenario, 0, profile)
    assert record.select("connected")["t"].min() > 1.0
    assert record.select("connected")["client"].nunique() == 30


def test_a_client_that_came_late_pings_from_then_on_and_comes_back_like_any_other(profile):
    heartbeat = {"interval": 1.0, "timeout": 0.5}
    hang = [{"at": 1.7, "kind": "hang", "node": 1}]
    clients = {**LATE, "heartbeat": heartbeat, "open_timeout": 1.0}
    record = simulate(small(clients=clients, faults=hang), 0, profile)
    came = record.select("connected").groupby("client")["t"].first()
    missed = record.select("heartbeat_missed").query("client >= 20").set_index("client")["t"]
    assert len(missed) >= 3
    assert (missed - came.loc[missed.index]).tolist() == pytest.approx([1.5] * len(missed), abs=0.01)
    assert record.select("connected").groupby("client")["t"].count().loc[missed.index].min() >= 2


def test_who_comes_late_learns_from_the_first_message_what_there_was_before(profile):
    talk = {"bus": {"kind": "stream"}, "publisher": {"rate": 5.0}}
    world = World(small(clients=LATE, **talk), 0, profile)
    rows = world.run()
    asked = [t for t, event, client, *_ in rows if event == "recovered" and client >= 20]
    came = {client: t for t, event, client, *_ in rows if event == "connected" and client >= 20}
    delivered = dict.fromkeys(came, 0)
    for _, event, client, *_ in rows:
        if event == "delivered" and client in delivered:
            delivered[client] += 1
    assert len(asked) == len([1 for _, event, client, *_ in rows if event == "gap" and client >= 20]) == 10
    assert set(delivered.values()) == {max(delivered.values())}  # everything, as those of before
    assert all(any(0 < t - at < 0.3 for t in asked) for at in came.values())
