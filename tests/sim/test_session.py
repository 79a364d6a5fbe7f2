"""Sessions in the model, against hand-computed outcomes; every part costs 0.1 ms in the profile of the tests."""

import pytest

from sim import simulate
from sim.world import World
from tests.strategies import COST, DISK_WAIT_AGAIN, disk_profile, small
from twin.errors import ScenarioError
from twin.invariants import audit
from twin.measures import measure_record

KILL = [{"at": 1.0, "kind": "kill", "node": 1}]
CHEAP = {"login_iterations": 1}


def sessions(store="memory", faults=KILL, duration=8.0, balancer=None, bus=None, **more):
    balancer = balancer or {"retries": 3, "redispatch": 1}
    settings = {"store": store, **CHEAP, **more}
    return small(duration=duration, balancer=balancer, bus=bus or {}, sessions=settings, faults=faults)


def after(record, *names):
    table = record.select(*names)
    return table[table["t"] > 1.0]


def test_with_the_memory_of_the_dead_node_all_its_clients_log_in_again(profile):
    record = simulate(sessions(), 0, profile)
    assert len(after(record, "session_lost")) == 10
    assert set(after(record, "session_lost")["detail"].str.split().str[1]) == {"unknown"}
    assert len(after(record, "session_started")) == 10
    assert len(after(record, "session_resumed")) == 0
    assert measure_record(record)["login_share"] == 1.0
    assert audit(record).verdict == "pass"


def test_with_a_shared_store_nobody_does(profile):
    record = simulate(sessions("redis"), 0, profile)
    resumed = after(record, "session_resumed")
    assert len(resumed) == 10
    assert set(resumed["version"]) == {2}
    assert len(after(record, "session_lost", "session_started")) == 0
    assert measure_record(record)["login_share"] == 0.0
    assert audit(record).verdict == "pass"


def test_a_client_that_comes_back_to_its_node_finds_its_session_there(profile):
    """After a reload every node still has its sessions: who meets its own node again resumes."""
    reload = [{"at": 1.0, "kind": "reload"}]
    cut = {"hard_stop_after": 1.0, "retries": 3, "redispatch": 1}
    record = simulate(sessions(faults=reload, balancer=cut, duration=12.0), 0, profile)
    homes = record.select("connected").query("t < 0").set_index("client")["node"]
    back = after(record, "session_resumed")
    assert 0 < len(back) < 30
    assert (back["node"].to_numpy() == homes[back["client"]].to_numpy()).all()
    lost = after(record, "session_lost")
    assert (lost["node"].to_numpy() != homes[lost["client"]].to_numpy()).all()
    assert len(back) + len(lost) == 30
    sticky = simulate(
        sessions(faults=reload, balancer={**cut, "algorithm": "source"}, duration=12.0).vary(clients={"addresses": 30}),
        0,
        profile,
    )
    assert measure_record(sticky)["login_share"] == 0.0


def test_a_library_that_takes_a_401_for_final_gives_up(profile):
    record = simulate(sessions(on_refusal="stop"), 0, profile)
    assert len(after(record, "gave_up")) == 10
    assert measure_record(record)["gave_up_share"] == pytest.approx(1 / 3)


def test_a_look_at_the_shared_store_adds_its_parts_to_a_handshake(profile):
    """One client alone: reading, asking, and answering cost three parts instead of one, the clocks of all idle."""
    one = {"clients": {"count": 1}, "nodes": {"count": 2}}
    times = {
        store: measure_record(simulate(sessions(store).vary(**one), 0, profile))["connect_p50"]
        for store in ("redis", "none")
        if store != "none"
    }
    plain = simulate(sessions("none").vary(**one), 0, profile)
    up, tried = (plain.select(name).query("t > 1")["t"].iloc[-1] for name in ("connected", "attempt_connect"))
    assert times["redis"] - (up - tried) == pytest.approx(2 * COST, abs=2e-5)


def test_the_hash_of_a_password_keeps_the_node_busy(profile):
    """Ten logins at two nodes on one core, 330 hash units each: the last one waits for all the others."""
    slow = simulate(sessions(login_iterations=3_300_000), 0, profile)
    quick = simulate(sessions(), 0, profile)
    last = after(slow, "session_started")["t"].max() - after(quick, "session_started")["t"].max()
    each = 330 * COST
    assert last == pytest.approx(10 * each, rel=0.5)
    assert measure_record(slow)["connect_p99"] > 3 * each


def test_a_token_has_a_lifetime_of_its_own(profile):
    record = simulate(sessions("redis", token_lifetime=0.5), 0, profile)
    assert set(after(record, "session_lost")["detail"].str.split().str[1]) == {"expired"}


def test_a_connection_keeps_its_session_alive_only_if_it_counts_as_use(profile):
    late = [{"at": 5.0, "kind": "kill", "node": 1}]
    for store in ("memory", "redis"):
        kept = simulate(sessions(store, late, expiry=2.0), 0, profile)
        lost = simulate(sessions(store, late, expiry=2.0, refresh=False), 0, profile)
        assert measure_record(kept)["login_share"] == (0.0 if store == "redis" else 1.0)
        assert measure_record(lost)["login_share"] == 1.0
        assert audit(kept).verdict == audit(lost).verdict == "pass"


OUTAGE = [{"at": 0.5, "kind": "bus_down", "duration": 3.0}, *KILL]


def test_while_the_store_is_down_a_node_refuses_and_afterwards_the_sessions_are_gone(profile):
    record = simulate(sessions("redis", OUTAGE, duration=12.0), 0, profile)
    refused = after(record, "connect_failed").query("detail == '503' and t > 1.1")
    assert refused["t"].between(1.0, 4.5).all()
    assert len(refused) > 10
    assert len(record.select("bus_lost")) == 3
    assert len(record.select("bus_joined")) == 2
    assert measure_record(record)["login_share"] == 1.0
    assert measure_record(record)["refused_per_client"] > 0.3
    assert audit(record).verdict == "pass"


def test_a_store_with_a_disk_still_has_them(profile):
    record = simulate(sessions("redis", OUTAGE, duration=12.0, bus={"persist": True}), 0, profile)
    assert measure_record(record)["login_share"] == 0.0
    assert audit(record).verdict == "pass"


def test_a_disk_delays_who_looks_a_session_up_and_changes_it():
    def median(persist):
        record = simulate(sessions("redis", KILL, bus={"persist": persist}), 0, disk_profile())
        return measure_record(record)["reconnect_p50"]

    assert median(True) > median(False) + DISK_WAIT_AGAIN


def test_a_node_that_trusts_lets_everybody_in_at_once(profile):
    record = simulate(sessions("redis", OUTAGE, duration=12.0, when_down="trust"), 0, profile)
    back = after(record, "session_resumed")
    assert len(back) == 10
    assert back["detail"].str.endswith(" trusted").all()
    assert back["t"].max() < 3.5
    assert measure_record(record)["refused_per_client"] == 0.0


def test_a_new_process_has_an_empty_memory_and_its_own_connection(profile):
    restart = [{"at": 1.0, "kind": "restart", "node": 1}]
    memory = simulate(sessions(faults=restart), 0, profile)
    assert measure_record(memory)["login_share"] == 1.0
    world = World(sessions("redis", restart), 0, profile)
    world.run()
    assert world.sessions.desks[1].joined
    assert world.sessions.desks[1].life == world.nodes[0].life > 0


def test_a_node_that_joins_connects_to_the_store_only_then(profile):
    scenario = sessions("redis").vary(registry={}, faults=[{"at": 1.0, "kind": "join", "node": 4}])
    world = World(scenario, 0, profile)
    assert [desk.joined for desk in world.sessions.desks.values()] == [True, True, True, False]
    world.run()
    assert world.sessions.desks[4].joined


def test_nginx_relays_a_refusal_too(profile):
    nginx = {"kind": "nginx", "max_fails": 1, "fail_timeout": 5}
    record = simulate(
        small(balancer=nginx, sessions={"store": "memory", **CHEAP}, faults=KILL, duration=12.0), 0, profile
    )
    assert len(after(record, "session_lost")) == len(after(record, "session_started")) == 10


def test_a_profile_without_sessions_is_refused_in_one_sentence(profile):
    old = profile.model_copy(update={"parts": {n: p for n, p in profile.parts.items() if n != "node_session"}})
    with pytest.raises(ScenarioError, match=r"sessions\.store is not 'none'; this host profile was calibrated without"):
        simulate(sessions(), 0, old)
