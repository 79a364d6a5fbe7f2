"""Sweeps give the same table wherever and however often they run."""

import json
import re
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pandas as pd
import psutil
import pytest

import sim
from live.machine.placement import free_ports
from sim import sweeping
from stormlab.commands.sweep import sweep
from tests.files import files
from tests.strategies import small, small_profile
from twin.errors import HostError, ScenarioError

VARY = {"nodes.count": [2, 3], "clients.reconnect.cap": [0.5, 1]}
SCENARIO = small(clients={"count": 12}, duration=4.0, faults=[{"at": 1.0, "kind": "kill", "node": 1}])


@pytest.fixture(scope="module")
def alone(profile):
    """The sweep done one part after the other in this process, without a folder."""
    return sim.sweep(SCENARIO, VARY, 7, profile, jobs=1)


def assert_identical(one, other):
    pd.testing.assert_frame_equal(one.table, other.table, check_exact=True)


def test_a_row_is_what_the_replication_of_the_variant_gives(alone, profile):
    variant = SCENARIO.vary(nodes={"count": 3}, clients={"reconnect": {"cap": 1}})
    expected = sim.predict(variant, 7, profile, jobs=1).measures.iloc[6].dropna()
    row = alone.table.query("`nodes.count` == 3 and `clients.reconnect.cap` == 1 and replication == 6").iloc[0]
    assert row[expected.index].equals(expected)
    assert len(alone.table) == 28
    assert (alone.made, alone.reused) == (8, 0)


def test_both_engines_give_the_same_table(alone, profile, tmp_path):
    slow = sim.sweep(SCENARIO, VARY, 7, profile, tmp_path, jobs=1, engine="simpy")
    pd.testing.assert_frame_equal(slow.table, alone.table, rtol=1e-9)
    assert sim.sweep(SCENARIO, VARY, 7, profile, tmp_path, jobs=1, engine="compiled").reused == 0
    with pytest.raises(ScenarioError, match="engine is 'fast'; allowed is auto, simpy or compiled"):
        sim.sweep(SCENARIO, VARY, 7, profile, engine="fast")


def test_processes_give_the_identical_table(alone, profile):
    assert_identical(sim.sweep(SCENARIO, VARY, 7, profile, jobs=2), alone)


def test_an_interrupted_sweep_goes_on_where_it_stopped(alone, profile, tmp_path):
    class Stop(Exception):  # noqa: N818
        pass

    def stop(done, total):
        if done == 3:
            raise Stop

    with pytest.raises(Stop):
        sim.sweep(SCENARIO, VARY, 7, profile, tmp_path, jobs=1, progress=stop)
    assert len(list((tmp_path / "parts").iterdir())) == 3
    resumed = sim.sweep(SCENARIO, VARY, 7, profile, tmp_path, jobs=1)
    assert (resumed.reused, resumed.made) == (3, 5)
    assert_identical(resumed, alone)
    again = sim.sweep(SCENARIO, VARY, 7, profile, tmp_path, jobs=1)
    assert (again.reused, again.made) == (8, 0)
    assert_identical(again, alone)
    pd.testing.assert_frame_equal(pd.read_parquet(tmp_path / "table.parquet"), alone.table, check_exact=True)


def test_a_sweep_that_is_killed_goes_on_where_it_stopped(tmp_path):
    words = [
        "sweep",
        "scenarios/outage.toml",
        "--vary",
        "nodes.backlog=10,20,30",
        "--replications",
        "10",
        "--jobs",
        "1",
        "--engine",
        "simpy",  # slow enough to be killed
    ]
    words += ["--set", "host.profile=reference", "--set", "clients.count=60", "--folder", str(tmp_path), "--json"]
    command = [sys.executable, "-m", "stormlab.app", *words]
    root = Path(__file__).parents[2]
    first = subprocess.Popen(command, cwd=root, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    try:
        while not list(tmp_path.glob("parts/*.parquet")):
            assert first.poll() is None, "it ended before a part was finished"
            time.sleep(0.01)
    finally:
        first.kill()
        first.wait()
    assert not (tmp_path / "table.parquet").exists()
    second = subprocess.run(command, cwd=root, capture_output=True, text=True, check=False)
    assert second.returncode == 0, second.stderr
    parts = json.loads(second.stdout)["parts"]
    assert parts["reused"] >= 1
    assert parts["reused"] + parts["made"] == 6


def test_more_replications_or_values_reuse_what_is_there(alone, profile, tmp_path):
    sim.sweep(SCENARIO, {"nodes.count": [2]}, 10, profile, tmp_path, jobs=1)
    wider = sim.sweep(SCENARIO, {"nodes.count": [2, 3]}, 15, profile, tmp_path, jobs=1)
    assert (wider.reused, wider.made) == (2, 4)
    other = sim.sweep(SCENARIO.vary(seed=9), {"nodes.count": [2]}, 10, profile, tmp_path, jobs=1)
    assert (other.reused, other.made) == (0, 2)
    dearer = small_profile(node_stop=[0.5])
    assert sim.sweep(SCENARIO, {"nodes.count": [2]}, 10, dearer, tmp_path, jobs=1).reused == 0


def test_results_of_other_code_are_not_reused(profile, tmp_path, monkeypatch):
    sim.sweep(SCENARIO, {"nodes.count": [2]}, 2, profile, tmp_path, jobs=1)
    monkeypatch.setattr(sweeping, "fingerprint", lambda: "other")
    assert sim.sweep(SCENARIO, {"nodes.count": [2]}, 2, profile, tmp_path, jobs=1).reused == 0


def test_variants_share_their_random_numbers(alone):
    """With the same luck in both, the difference of two variants varies less than their results do."""
    sweep = alone.table.pivot_table("mark_down_delay", "replication", ["clients.reconnect.cap"], aggfunc="first")
    difference = sweep[1.0] - sweep[0.5]
    assert np.ptp(sweep[1.0]) > 0.1  # the phase of the check
    assert np.abs(difference).max() < 0.01  # it is the same in both


def test_a_sweep_that_is_not_possible_gives_one_sentence(profile, tmp_path):
    with pytest.raises(ScenarioError, match=r"^replications is 0; allowed is 1 to 100000\.$"):
        sim.sweep(SCENARIO, VARY, 0, profile)
    with pytest.raises(ScenarioError, match=r"^jobs is 0; allowed is -1 \(one a core\) or 1 to 1024\.$"):
        sim.sweep(SCENARIO, VARY, 1, profile, jobs=0)
    with pytest.raises(ScenarioError, match="calibrated without nginx"):
        sim.sweep(SCENARIO, {"balancer": ["nginx"]}, 1, small_profile(nginx_parts={}))
    with pytest.raises(HostError, match=r"^--scheduler nonsense://x: no Dask scheduler answers there"):
        sim.sweep(SCENARIO, VARY, 1, profile, scheduler="nonsense://x")


def documented(text):
    """Return the words of Dask's commands in a help text or document."""
    joined = re.sub(r"\\\n\s*", "", text)
    return [line.split()[1:] for line in joined.splitlines() if line.strip().startswith(".venv/bin/dask ")]


@pytest.fixture(scope="module")
def cluster(tmp_path_factory):
    """A Dask scheduler with two workers, started by the commands of `./lab sweep --help` on another port."""
    folder, root = tmp_path_factory.mktemp("dask"), str(Path(__file__).parents[2])
    port = str(free_ports(1)[0])
    commands = [[word.replace("8786", port) for word in words] for words in documented(sweep.__doc__)]
    assert [words[0] for words in commands] == ["scheduler", "worker"]
    commands[1] += ["--local-directory", str(folder)]
    parts = [subprocess.Popen([sys.executable, "-m", "dask", *words], cwd=root) for words in commands]
    try:
        from distributed import Client

        with Client(f"tcp://127.0.0.1:{port}", timeout=60, set_as_default=False) as client:
            client.wait_for_workers(2, timeout=60)
            yield client.scheduler.address, parts
    finally:
        for part in reversed(parts):
            part.terminate()
        for part in parts:
            part.wait(30)


@pytest.fixture(scope="module")
def scheduler(cluster):
    return cluster[0]


def test_the_document_has_the_commands_of_the_help_which_warns_of_the_open_ports():
    said = (Path(__file__).parents[2] / "docs" / "sweeps.md").read_text()
    assert documented(said) == documented(sweep.__doc__) != []
    for text in (sweep.__doc__, said):
        assert "Whoever reaches the port of a Dask scheduler or worker runs code there" in text
        assert "HOST:" not in text


def test_no_other_document_shows_a_dask_that_listens_on_all_networks():
    root = Path(__file__).parents[2]
    texts = [*files(root, "*.md"), *files(root / "docs", "*.md"), *files(root / "notebooks", "*")]
    shown = [line for path in texts if path.is_file() for line in path.read_text().splitlines()]
    assert [line for line in shown if re.search(r"dask[ -](scheduler|worker) ", line) and "--host" not in line] == []


@pytest.mark.live
@pytest.mark.timeout(180)
def test_the_documented_commands_listen_on_loopback_only(cluster):
    parts = [psutil.Process(part.pid) for part in cluster[1]]
    everyone = [one for part in parts for one in (part, *part.children(recursive=True))]
    sockets = [one for process in everyone for one in process.net_connections("inet")]
    listening = [one.laddr.ip for one in sockets if one.status == psutil.CONN_LISTEN]
    assert len(listening) >= 6  # scheduler, nanny and two workers with their dashboards
    assert set(listening) == {"127.0.0.1"}


@pytest.mark.live
@pytest.mark.timeout(180)
def test_a_dask_cluster_gives_the_identical_table(scheduler, alone, profile, tmp_path):
    seen = []
    found = sim.sweep(
        SCENARIO, VARY, 7, profile, tmp_path, scheduler=scheduler, progress=lambda *args: seen.append(args)
    )
    assert_identical(found, alone)
    assert seen == [(i, 8) for i in range(9)]
    assert len(list((tmp_path / "parts").iterdir())) == 8
