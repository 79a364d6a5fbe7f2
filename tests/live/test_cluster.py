"""A whole run: its record, its swarm, its start-up, and what happens when a part dies."""

import os
import signal
import socket
import threading
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from live import runs
from live.balancer.base import Balancer
from live.cluster import Cluster
from live.machine import placement
from live.runs import STARTS, measure, run
from twin.errors import ClusterError, LateError, VoidError
from twin.record.record import EVENTS, Record
from twin.scenario.scenario import Scenario

pytestmark = pytest.mark.live


@pytest.fixture(scope="module")
def pair(small: Callable[..., Scenario]) -> tuple[list[Record], list[tuple[float, str]]]:
    """Two quiet runs with a swarm in two processes, and what `progress` was told."""
    told: list[tuple[float, str]] = []
    scenario = small(duration=1.0, seed=5, clients={"count": 30, "per_process": 20})
    return measure(scenario, runs=2, first=4, progress=lambda t, what: told.append((t, what))), told


def test_a_swarm_in_two_processes_connects_every_client_once(pair: tuple[list[Record], object]) -> None:
    for record in pair[0]:
        connected = record.select("connected")
        assert sorted(connected["client"]) == list(range(30))
        assert set(connected["attempt"]) == {1}
        assert sum(int(n) for n in record.select("server_connections")["detail"]) == 30
        assert record.select("connect_failed", "disconnected", "heartbeat_missed").empty


def test_all_clients_are_connected_before_the_run_begins(pair: tuple[list[Record], object]) -> None:
    for record in pair[0]:
        assert record.select("connected")["t"].max() < 0


def test_successive_runs_are_successive_replications(pair: tuple[list[Record], object]) -> None:
    assert [record.replication for record in pair[0]] == [4, 5]
    assert {record.scenario.seed for record in pair[0]} == {5}


def test_a_record_of_a_run_says_where_it_came_from_and_survives_a_file(
    pair: tuple[list[Record], object], folder: Path
) -> None:
    record = pair[0][0]
    assert set(record.events["event"]) <= EVENTS
    assert record.provenance["world"] == "live"
    assert record.provenance["balancer"]["version"].startswith("HAProxy")
    assert record.provenance["bus"]["server"] == "valkey"
    assert "--appendonly" in record.provenance["bus"]["command"]
    assert record.provenance["bus"]["configuration"]["appendonly"] == "no"
    assert {"python", "websockets", "uvloop", "stormlab"} <= set(record.provenance["versions"])
    assert "profile" in record.provenance
    assert record.provenance["machine"]["cores"] == os.cpu_count()
    assert set(record.provenance["host"]) == {"scheduling_delay", "others_cores", "starved"}
    assert record.starved == record.provenance["host"]["starved"]
    assert Record.load(record.save(folder / "run.parquet")).digest() == record.digest()


def test_progress_is_told_over_all_runs_and_never_goes_back(
    pair: tuple[list[Record], list[tuple[float, str]]],
) -> None:
    times = [t for t, _ in pair[1]]
    assert times == sorted(times)
    assert times[0] < 0.5
    assert 1.5 < times[-1] <= 2.0


def test_a_cluster_starts_within_nine_seconds(pair: tuple[list[Record], object]) -> None:
    for record in pair[0]:
        assert 0 < record.provenance["start_up"] < 9.0


def test_a_cluster_has_as_many_processes_as_the_scenario_asks_for(small: Callable[..., Scenario]) -> None:
    with Cluster(small(clients={"count": 45, "per_process": 20}, nodes={"count": 3}), 0) as cluster:
        names = [part.name for part in cluster.stage.parts]
    expected = ["canary", "haproxy", "node 1", "node 2", "node 3", "swarm 0", "swarm 20", "swarm 40", "valkey"]
    assert sorted(names) == expected


@pytest.mark.parametrize("name", ["haproxy", "swarm 0"])
def test_a_part_that_dies_during_the_run_is_an_error_that_names_it(name: str, small: Callable[..., Scenario]) -> None:
    with Cluster(small(), 0) as cluster:
        cluster.warm_up()
        cluster.attend()
        part = next(part for part in cluster.stage.parts if part.name == name)
        os.kill(part.pid, signal.SIGKILL)
        assert part.wait(10)
        with pytest.raises(ClusterError, match=rf"^{name} \(process \d+\) was ended by SIGKILL, and nothing"):
            cluster.attend()


def test_a_run_whose_swarm_is_killed_ends_with_an_error_and_leaves_nothing(
    small: Callable[..., Scenario], monkeypatch: pytest.MonkeyPatch
) -> None:
    attend, seen = Cluster.attend, []

    def sabotage(cluster: Cluster) -> None:
        if not seen:
            seen.extend(part.pid for part in cluster.stage.parts)
            os.kill(cluster.swarm[0].pid, signal.SIGKILL)
            cluster.swarm[0].wait(10)
        attend(cluster)

    monkeypatch.setattr(Cluster, "attend", sabotage)
    began = time.monotonic()
    monkeypatch.setattr(runs, "STARTS", 1)
    with pytest.raises(VoidError, match=r"^swarm 0 \(process \d+\) was ended by SIGKILL"):
        run(small(duration=60.0))
    assert time.monotonic() - began < 30
    assert len(seen) == 6


def test_a_node_that_cannot_listen_is_an_error_that_names_it_and_leaves_nothing(
    small: Callable[..., Scenario], monkeypatch: pytest.MonkeyPatch
) -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        port = taken.getsockname()[1]
        free_ports = placement.free_ports
        monkeypatch.setattr(placement, "free_ports", lambda count: [*free_ports(count - 1), port])
        with pytest.raises(ClusterError, match=r"^node 2 ended with exit status 1: .*address already in use"):
            Cluster(small(bus={"kind": "none"}), 0)


def test_clients_that_connect_too_late_for_the_start_of_the_run_are_an_error(small: Callable[..., Scenario]) -> None:
    with Cluster(small(), 0) as cluster:
        cluster.nodes[1].signal(signal.SIGSTOP)
        later = threading.Timer(1.5, cluster.nodes[1].signal, [signal.SIGCONT])
        later.start()
        with pytest.raises(LateError, match=r"could not connect at clients\.connect_rate 100 a second \(.* s late\)"):
            cluster.warm_up()
        later.join()


@pytest.mark.parametrize("late", [1, STARTS])
def test_a_run_whose_clients_are_late_begins_anew_but_not_for_ever(
    late: int, small: Callable[..., Scenario], monkeypatch: pytest.MonkeyPatch
) -> None:
    right, begun = Cluster.warm_up, []

    def warm_up(cluster: Cluster) -> float:
        begun.append(cluster.stage.folder)
        if len(begun) <= late:
            raise LateError("late")
        return right(cluster)

    monkeypatch.setattr(Cluster, "warm_up", warm_up)
    if late < STARTS:
        assert len(run(small(duration=0.5)).select("connected")) == 20
        assert len(begun) == late + 1
    else:
        with pytest.raises(LateError):
            run(small(duration=0.5))
        assert len(begun) == STARTS
    assert not any(folder.exists() for folder in begun)


def test_a_balancer_that_does_not_start_leaves_no_thread(
    small: Callable[..., Scenario], monkeypatch: pytest.MonkeyPatch
) -> None:
    def fails(balancer: Balancer, timeout: float) -> None:
        raise ClusterError("it does not start")

    monkeypatch.setattr(Balancer, "wait_ready", fails)
    before = set(threading.enumerate())
    with pytest.raises(ClusterError, match="it does not start"):
        Cluster(small(), 0)
    assert set(threading.enumerate()) <= before
