"""Pools in the model, against times computed by hand."""

import itertools

import pytest

from sim import simulate
from sim.machine.timers import MILLISECOND
from sim.world import World
from tests.costs import cost_of
from tests.loops import timer
from tests.strategies import knowing_profile, small
from twin.invariants import audit
from twin.measures import measure_record

QUIET = {"handshake": False}
WIDE = {"cores": 8, "placement": "free"}


def pooled(pool, duration=4.0, nodes=1, **changes):
    """Return a cluster of some nodes with pools, and few clients."""
    settings = {"clients": {"count": 2}, "host": WIDE, "duration": duration, "nodes": {"count": nodes, "pool": pool}}
    return small(**settings | changes)


def world_of(pool, **changes):
    """Return a model with one node whose uses the test orders, and its pool."""
    world = World(pooled({"rate": 1e-6, "handshake": True, **pool}, **changes), 0, knowing_profile())
    return world, world.pools.of[0]


def use_at(world, pool, *times):
    """Let uses come at some times."""
    found = []

    def one(t):
        yield world.env.timeout(t)
        found.append((t, (yield from pool.use())))

    for t in times:
        world.env.process(one(t))
    return found


def times_of(rows, event):
    return {version: t for t, name, *_, version, _ in rows if name == event}


HALF_REDIS, HALF_PG = cost_of("node_redis_use") / 2, cost_of("node_postgresql_use") / 2


def test_the_first_use_of_a_slot_opens_its_connection():
    world, pool = world_of({"service": 0.0})
    use_at(world, pool, 1.0)
    rows = world.run()
    assert times_of(rows, "borrow_asked") == {0: 1.0}
    opens = cost_of("node_redis_connect", "store_redis_connect")
    assert times_of(rows, "borrowed")[0] == pytest.approx(1.0 + opens)
    uses = cost_of("node_redis_use", "store_redis_use")
    assert times_of(rows, "given_back")[0] == pytest.approx(1.0 + opens + uses)


def test_redis_holds_the_connection_at_the_node_for_the_service_time():
    world, pool = world_of({"service": 0.25})
    use_at(world, pool, 1.0)
    rows = world.run()
    began = times_of(rows, "borrowed")[0] + cost_of("node_redis_use", "store_redis_use")
    least, most = timer(0.25)
    assert began + least <= times_of(rows, "given_back")[0] <= began + most


def test_postgresql_sleeps_whole_milliseconds_in_the_server():
    world, pool = world_of({"store": "postgresql", "min_size": 1, "service": 0.0012})
    use_at(world, pool, 1.0)
    rows = world.run()
    assert times_of(rows, "borrowed") == {0: 1.0}
    ends = 1.0 + cost_of("node_postgresql_use", "store_postgresql_use") + 2 * MILLISECOND
    assert times_of(rows, "given_back")[0] == pytest.approx(ends)


def test_a_third_use_waits_until_one_of_two_connections_is_back():
    world, pool = world_of({"store": "postgresql", "size": 2, "min_size": 2, "service": 1.0})
    use_at(world, pool, 1.0, 1.1, 1.2)
    rows = world.run()
    back = times_of(rows, "given_back")
    assert times_of(rows, "borrowed")[2] == back[0] > 2.0
    assert back[2] == pytest.approx(back[0] + cost_of("node_postgresql_use", "store_postgresql_use") + 1.0, abs=1e-3)


@pytest.mark.parametrize(("store", "least"), [("redis", {}), ("postgresql", {"min_size": 1})])
def test_who_waits_for_too_long_or_comes_as_one_too_many_gets_none(store, least):
    pool = {"store": store, "size": 1, "service": 3.0, "timeout": 0.5, "max_waiting": 1, **least}
    world, pool = world_of(pool, duration=6.0)
    found = use_at(world, pool, 1.0, 1.1, 1.2, 2.0)
    rows = world.run()
    failed = {version: (t, detail) for t, name, *_, version, detail in rows if name == "borrow_failed"}
    reasons = {use: reason for use, (_, reason) in failed.items()}
    # psycopg_pool still counts the one that has timed out when the last one comes
    assert reasons == {1: "timeout", 2: "full", 3: "timeout" if store == "redis" else "full"}
    least_wait, most_wait = timer(0.5)
    assert 1.1 + least_wait <= failed[1][0] <= 1.1 + most_wait
    assert failed[2][0] == 1.2
    assert sorted(found) == [(1.0, ""), (1.1, "timeout"), (1.2, "full"), (2.0, reasons[3])]


def test_a_pool_without_connections_grows_by_one_after_the_other():
    world, pool = world_of({"store": "postgresql", "size": 3, "service": 1.0})
    use_at(world, pool, 1.0, 1.0, 1.0, 1.0)
    rows = world.run()
    opens = cost_of("node_postgresql_connect", "store_postgresql_connect")
    opened = [t for t, name, *_ in rows if name == "pool_opened"]
    assert opened[0] == pytest.approx(1.0 + opens)
    assert len(opened) == 3
    assert all(later - t >= opens - 1e-9 for t, later in itertools.pairwise(opened))
    assert times_of(rows, "borrowed")[3] == times_of(rows, "given_back")[0]


def test_what_is_not_needed_is_closed_once_an_idle_timeout():
    world, pool = world_of({"store": "postgresql", "size": 3, "service": 0.2, "idle_timeout": 1.0}, duration=6.5)
    use_at(world, pool, 0.5, 0.5, 0.5)
    rows = world.run()
    closed = [(round(t, 1), detail) for t, name, *_, detail in rows if name == "pool_closed"]
    assert closed == [(2.0, "idle"), (3.0, "idle"), (4.0, "idle")]


def test_a_connection_past_its_lifetime_is_replaced():
    world, pool = world_of({"store": "postgresql", "size": 1, "min_size": 1, "service": 0.0, "lifetime": 1.0})
    use_at(world, pool, 0.5, 1.5, 2.0)
    rows = world.run()
    (closed,) = [(t, detail) for t, name, *_, detail in rows if name == "pool_closed"]
    assert closed == (times_of(rows, "given_back")[1], "lifetime")
    (opened,) = [t for t, name, *_ in rows if name == "pool_opened"]
    opens = cost_of("node_postgresql_connect", "store_postgresql_connect")
    assert opened == pytest.approx(closed[0] + opens)


DOWN = [{"at": 1.0, "kind": "store_down", "duration": 1.5}]


def test_redis_py_opens_a_connection_again_as_soon_as_the_store_is_back():
    world, pool = world_of({"service": 0.0}, faults=DOWN)
    found = use_at(world, pool, 0.5, 1.2, 2.6)
    rows = world.run()
    assert sorted(found) == [(0.5, ""), (1.2, "down"), (2.6, "")]
    noted = [(name, detail) for _, name, *_, detail in rows if name in ("pool_closed", "pool_opened", "healed")]
    assert noted == [("pool_opened", ""), ("pool_closed", "broken"), ("healed", "store_down"), ("pool_opened", "")]


@pytest.mark.parametrize("check", [False, True])
def test_psycopgs_pool_comes_back_later_than_the_store(check):
    """Its connection is found broken at 1.2 s, and replaced after waits of 1 and 2 s: the store is back at 2.5 s."""
    pool = {"store": "postgresql", "size": 1, "min_size": 1, "service": 0.0, "check": check, "timeout": 9.0}
    world, pool = world_of(pool, faults=DOWN, duration=8.0)
    found = use_at(world, pool, 0.5, 1.2, 2.6)
    rows = world.run()
    # without a check the use finds out, and fails; with one it waits for a connection that works
    assert dict(found) == {0.5: "", 1.2: "" if check else "broken", 2.6: ""}
    (opened,) = [t for t, name, *_ in rows if name == "pool_opened"]
    assert 1.2 + 0.9 * 3 < opened < 1.2 + 1.1 * 3 + 0.1
    assert times_of(rows, "borrowed")[2] >= opened
    if check:
        asks = cost_of("node_postgresql_check", "store_postgresql_check")
        assert times_of(rows, "borrowed")[0] == pytest.approx(0.5 + asks)


def test_a_query_breaks_at_once_when_its_server_is_killed():
    world, pool = world_of({"store": "postgresql", "min_size": 1, "service": 2.0}, faults=DOWN)
    found = use_at(world, pool, 0.9)
    rows = world.run()
    assert found == [(0.9, "broken")]
    assert times_of(rows, "given_back")[0] == pytest.approx(1.0 + HALF_PG)


def test_a_leak_empties_a_pool_and_the_alarm_says_so():
    pool = {**QUIET, "store": "postgresql", "size": 4, "min_size": 4, "rate": 50.0, "leak": 0.05, "service": 0.001}
    pool |= {"timeout": 0.3, "alarms": {"out": 1.0}}
    record = simulate(pooled(pool, duration=8.0), 0, knowing_profile())
    leaked = record.select("leaked")
    assert len(leaked) == 4
    alarms = record.select("pool_alarm")
    assert alarms[alarms["alarm"] == "leak"]["version"].tolist() == leaked["version"].tolist()
    out = record.select("borrowed").set_index("version")["t"][leaked["version"]]
    assert alarms[alarms["alarm"] == "leak"]["t"].to_numpy() == pytest.approx(out.to_numpy() + 1.0)
    after = record.select("borrow_failed")
    assert set(after["reason"]) == {"timeout"}
    assert after["t"].min() > leaked["t"].max()
    found = measure_record(record)
    assert found["pool_empty_at"] == leaked["t"].max()
    assert found["pool_timeouts"] == len(after) / len(record.select("borrow_asked"))
    assert audit(record).verdict == "pass"


@pytest.mark.parametrize("store", ["redis", "postgresql"])
def test_a_storm_at_a_small_pool_is_refused_with_503(store):
    pool = {"store": store, "size": 2, "min_size": 2, "service": 0.1, "timeout": 0.12, "max_waiting": 3}
    kill = [{"at": 1.0, "kind": "kill", "node": 1}]
    scenario = pooled(pool, nodes=2, duration=8.0, clients={"count": 30}, faults=kill, balancer={"retries": 3})
    record = simulate(scenario.vary(balancer={"redispatch": 1}), 0, knowing_profile())
    refused = record.select("connect_failed")
    refused = refused[refused["reason"] == "503"]
    failed = record.select("borrow_failed")
    assert set(failed["reason"]) == {"full", "timeout"}
    assert len(failed) == len(refused[refused["t"] > failed["t"].min()]) > 5
    assert measure_record(record)["pool_refused"] > 0
    assert audit(record).verdict == "pass"


def test_a_handshake_waits_for_its_use_and_pays_for_both(profile):
    pool = {"service": 0.0}
    reload = [{"at": 1.0, "kind": "reload"}]
    scenario = pooled(pool, clients={"count": 1}, faults=reload, balancer={"hard_stop_after": 0.5}, duration=5.0)
    record = simulate(scenario, 0, knowing_profile())
    tries = record.select("attempt_connect", "connected").query("t > 0")["t"]
    plain = simulate(scenario.vary(nodes={"pool": {"handshake": False, "rate": 1e-6}}), 0, knowing_profile())
    before = plain.select("attempt_connect", "connected").query("t > 0")["t"]
    store = cost_of("node_redis_connect", "store_redis_connect", "node_redis_use", "store_redis_use")
    assert tries.max() - tries.min() == pytest.approx(before.max() - before.min() + store, abs=1e-6)


def test_a_restarted_node_has_a_pool_and_uses_of_its_own():
    pool = {**QUIET, "rate": 20.0, "service": 0.01}
    kill = [{"at": 1.0, "kind": "kill", "node": 1, "duration": 0.5}]
    record = simulate(pooled(pool, nodes=2, duration=5.0, faults=kill), 0, knowing_profile())
    asked = record.select("borrow_asked")
    mine = asked[asked["node"] == 1]
    assert mine[mine["t"] < 1.0]["version"].max() < 100_000
    assert mine[mine["t"] > 1.0]["version"].min() == 100_000
    assert mine[mine["t"] > 1.0]["t"].min() > 1.5
    assert audit(record).verdict == "pass"


def test_the_times_of_uses_are_those_of_a_poisson_process(profile):
    record = simulate(pooled({**QUIET, "rate": 100.0, "service": 0.0}, duration=20.0), 0, profile)
    t = record.select("borrow_asked")["t"].to_numpy()
    assert len(t) == pytest.approx(2000, abs=4 * 2000**0.5)
    gaps = t[1:] - t[:-1]
    assert gaps.std() == pytest.approx(gaps.mean(), rel=0.1)


def test_a_service_time_can_be_exponential(profile):
    pool = {**QUIET, "rate": 100.0, "size": 50, "service": {"mean": 0.05, "distribution": "exponential"}}
    record = simulate(pooled(pool, duration=20.0), 0, profile)
    out, back = (record.select(name).set_index("version")["t"] for name in ("borrowed", "given_back"))
    held = (back - out).dropna()
    assert held.mean() == pytest.approx(0.05, rel=0.1)
    assert held.std() == pytest.approx(0.05, rel=0.15)
