"""Pools of real nodes before real stores."""

import os
import time
from collections.abc import Callable
from typing import Any

import psutil
import pytest

from live.control.process import Stage
from live.pool.store import EmbeddedStore
from live.pool.stores import start_store
from live.runs import run
from sim import simulate
from tests.sound import assert_sound
from twin.costs.profile import HostProfile
from twin.errors import ScenarioError
from twin.measures import measure_record
from twin.record.record import Record
from twin.rules.pool import Store
from twin.scenario.scenario import Scenario

pytestmark = [pytest.mark.live, pytest.mark.timeout(120)]

STORES: list[Store] = ["redis", "postgresql"]
QUIET: dict[str, Any] = {"handshake": False}


@pytest.fixture
def outcome(small: Callable[..., Scenario], store_installed: Callable[[str], None]) -> Callable[..., Record]:
    """Runs some clients on two nodes with pools."""

    def make(pool: dict[str, Any], duration: float = 3.0, **changes: Any) -> Record:
        store_installed(pool["store"])
        return run(small(duration=duration, nodes={"count": 2, "pool": pool}, **changes), replication=1)

    return make


def uses(record: Record, node: int) -> dict[str, dict[int, float]]:
    """Return when the uses of a node did what, by event and number."""
    found = {}
    for event in ("borrow_asked", "borrowed", "given_back"):
        table = record.select(event)
        mine = table[table["node"] == node]
        found[event] = dict(zip(mine["version"].tolist(), mine["t"].tolist(), strict=True))
    return found


@pytest.mark.parametrize("store", STORES)
def test_uses_come_when_the_model_says_and_hold_a_connection_for_as_long(
    store: Store, outcome: Callable[..., Record], profile: HostProfile
) -> None:
    service = {"mean": 0.03, "distribution": "exponential"}
    record = outcome({**QUIET, "store": store, "size": 20, "min_size": 10, "rate": 40.0, "service": service})
    assert_sound(record)
    model = simulate(record.scenario, 1, profile)
    for node in (1, 2):
        real, own = uses(record, node), uses(model, node)
        both = real["borrow_asked"].keys() & own["borrow_asked"].keys()
        assert len(both) > 80
        late = sorted(real["borrow_asked"][n] - own["borrow_asked"][n] for n in both)
        assert late[0] > -0.003
        assert late[len(late) // 2] < 0.03
        ended = sorted(both & real["given_back"].keys() & own["given_back"].keys())
        held = [real["given_back"][n] - real["borrowed"][n] for n in ended]
        foreseen = [own["given_back"][n] - own["borrowed"][n] for n in ended]
        assert len(held) > 70
        more = sorted(some - other for some, other in zip(held, foreseen, strict=True))
        assert more[0] > -0.003
        assert more[len(more) // 2] < 0.03


@pytest.mark.parametrize("store", STORES)
def test_a_small_pool_times_out_and_refuses(store: Store, outcome: Callable[..., Record]) -> None:
    pool = {**QUIET, "store": store, "size": 1, "min_size": 1, "rate": 60.0, "service": 0.1, "timeout": 0.25}
    record = outcome({**pool, "max_waiting": 3})
    assert_sound(record)
    failed = record.select("borrow_failed")
    assert set(failed["reason"]) == {"timeout", "full"}
    asked = record.select("borrow_asked").set_index(["node", "version"])["t"]
    waits = failed.set_index(["node", "version"])["t"] - asked[failed.set_index(["node", "version"]).index]
    by_reason = waits.groupby(failed.set_index(["node", "version"])["reason"])
    assert 0.245 < by_reason.min()["timeout"] < 0.35
    assert by_reason.median()["full"] < 0.01
    found = measure_record(record)
    assert found["pool_in_use"] > 0.85
    assert set(record.select("pool_alarm")["alarm"]) == {"saturated"}


@pytest.mark.parametrize("store", STORES)
def test_a_leak_empties_a_pool(store: Store, outcome: Callable[..., Record]) -> None:
    pool = {**QUIET, "store": store, "size": 2, "rate": 50.0, "service": 0.002, "leak": 0.1, "timeout": 0.2}
    record = outcome({**pool, "alarms": {"out": 0.5}}, duration=4.0)
    assert_sound(record)
    leaked = record.select("leaked")
    assert leaked.groupby("node").size().tolist() == [2, 2]
    alarms = record.select("pool_alarm")
    told = alarms[alarms["alarm"] == "leak"]
    assert sorted(zip(told["node"], told["version"], strict=True)) == sorted(
        zip(leaked["node"], leaked["version"], strict=True)
    )
    assert set(record.select("borrow_failed")["reason"]) == {"timeout"}


@pytest.mark.parametrize("store", STORES)
def test_a_store_that_dies_and_returns(store: Store, outcome: Callable[..., Record]) -> None:
    pool = {**QUIET, "store": store, "size": 3, "min_size": 3, "rate": 40.0, "service": 0.01, "timeout": 0.5}
    down = [{"at": 1.0, "kind": "store_down", "duration": 1.5}]
    record = outcome(pool, duration=6.0, faults=down)
    assert_sound(record)
    assert len(record.select("healed")) == 1
    away = record.select("borrow_failed")
    assert set(away["reason"]) == ({"down"} if store == "redis" else {"timeout"})
    assert away["t"].min() > 1.0
    found = measure_record(record)
    # redis-py tries at each use; psycopg_pool 1 s and 3 s after the kill, give or take a tenth, and the store is back
    # after 1.5 s
    assert found["pool_back"] < 0.5 if store == "redis" else 0.5 < found["pool_back"] < 2.5
    assert found["pool_failed"] > 0


@pytest.mark.parametrize("store", STORES)
def test_handshakes_meet_the_pool_after_a_node_has_died(store: Store, outcome: Callable[..., Record]) -> None:
    pool = {"store": store, "size": 1, "min_size": 1, "service": 0.2, "timeout": 0.3, "max_waiting": 2}
    kill = [{"at": 0.5, "kind": "kill", "node": 1}]
    record = outcome(pool, duration=8.0, faults=kill, balancer={"retries": 3, "redispatch": 1})
    assert_sound(record)
    refused = record.select("connect_failed")
    assert len(refused[refused["reason"] == "503"]) >= 3
    assert {"full"} <= set(record.select("borrow_failed")["reason"]) <= {"full", "timeout"}
    assert record.select("borrow_asked")["t"].min() > 0.5  # those of the warm-up are none
    assert measure_record(record)["reconnect_p90"] > 0.6


@pytest.mark.parametrize("kind", STORES)
def test_nothing_of_a_store_is_left_and_strangers_are_not_let_in(
    kind: Store, store_installed: Callable[[str], None]
) -> None:
    store_installed(kind)
    with Stage() as stage:
        store = start_store(kind, stage, [0], 4)
        assert store.wait_ready()["server"] in ("valkey", "postgresql")
        assert store.address["host"] == "127.0.0.1"
        assert len(store.address["password"]) > 30
        folders = [stage.folder, *stage.folders]
        pids = pids_of(store)
        for pid in pids:
            assert store.address["password"] not in " ".join(psutil.Process(pid).cmdline())
        before = store.cpu_ns()
        assert before > 0
        store.kill()
        assert not any(map(runs, pids))
        store.start_again()
        store.wait_ready()
        pids = pids_of(store)
    deadline = time.monotonic() + 5
    while any(map(runs, pids)) and time.monotonic() < deadline:
        time.sleep(0.01)
    assert not any(map(runs, pids))
    assert not any(folder.exists() for folder in folders)


def runs(pid: int) -> bool:
    try:
        return psutil.Process(pid).status() != psutil.STATUS_ZOMBIE
    except psutil.NoSuchProcess:
        return False


def pids_of(store: EmbeddedStore) -> list[int]:
    part: Any = store.bus.part if hasattr(store, "bus") else store.part  # type: ignore[attr-defined]
    first = psutil.Process(part.pid)
    return [first.pid, *(one.pid for one in first.children(recursive=True))]


def test_postgresql_does_not_run_as_root(postgresql: None) -> None:
    with Stage() as stage:
        store = start_store("postgresql", stage, [0], 4)
        store.wait_ready()
        users = {psutil.Process(pid).uids().effective for pid in pids_of(store)}
        assert 0 not in users
        if os.geteuid() == 0:
            (folder,) = stage.folders
            assert {folder.stat().st_uid} == users
            assert folder.stat().st_mode & 0o077 == 0


def test_a_folder_of_a_stage_is_gone_when_the_lab_is_killed(until: Callable[..., None]) -> None:
    stage = Stage()
    folder = stage.further_folder()
    (folder / "data").write_text("x")
    stage.guard.process.stdin.close()  # type: ignore[union-attr]  # as the kernel does when the lab is gone
    until(lambda: not folder.exists())
    stage.close()


def test_a_live_run_needs_no_more_connections_than_a_store_takes(small: Callable[..., Scenario]) -> None:
    with pytest.raises(ScenarioError, match=r"nodes\.pool\.size"):
        small(nodes={"count": 3, "pool": {"size": 200}})
