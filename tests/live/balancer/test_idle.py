"""The idle timeouts of the real balancers, and what keeps a connection through them."""

import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
from websockets.exceptions import ConnectionClosed
from websockets.sync.client import connect

from live import measure
from twin.config import haproxy
from twin.errors import ScenarioWarning
from twin.measures import lifetimes, measure_record
from twin.scenario.balancer.haproxy import HAProxy
from twin.scenario.scenario import Scenario

pytestmark = pytest.mark.live

KINDS = pytest.mark.parametrize("kind", ["haproxy", "nginx"])
NAME = {"haproxy": "tunnel_timeout", "nginx": "read_timeout"}


@KINDS
def test_a_silent_connection_is_cut_after_the_timeout_and_one_with_pings_is_not(
    kind: str, farm: Callable[..., SimpleNamespace], balancer_installed: Callable[[str], None]
) -> None:
    balancer_installed(kind)
    one = farm(1, kind=kind, **{NAME[kind]: 1.0})
    options: dict[str, Any] = {"compression": None, "proxy": None, "ping_interval": None}
    with connect(f"ws://127.0.0.1:{one.port}/", **options) as silent:
        began = time.monotonic()
        with pytest.raises(ConnectionClosed) as caught:
            silent.recv(timeout=10)
        assert caught.value.rcvd is None  # no close frame: 1006
        assert time.monotonic() - began == pytest.approx(1.0, abs=0.25)
    with connect(f"ws://127.0.0.1:{one.port}/", **options) as talking:
        for _ in range(5):
            time.sleep(0.6)
            assert talking.ping().wait(5)


@pytest.mark.parametrize("short", ["client", "server"])
def test_without_a_timeout_tunnel_haproxys_shorter_other_timeout_cuts_websockets(
    short: str, farm: Callable[..., SimpleNamespace], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Which is why `balancer.tunnel_timeout` describes a HAProxy that has none."""

    told = haproxy.defaults

    def defaults(balancer: HAProxy) -> str:
        lines = [line for line in told(balancer).splitlines() if "timeout tunnel" not in line]
        return "\n".join(lines).replace(f"timeout {short} 60s", f"timeout {short} 1s") + "\n"

    monkeypatch.setattr(haproxy, "defaults", defaults)
    one = farm(1)
    options: dict[str, Any] = {"compression": None, "proxy": None, "ping_interval": None}
    with connect(f"ws://127.0.0.1:{one.port}/", **options) as silent:
        with pytest.raises(ConnectionClosed) as caught:
            silent.recv(timeout=10)
        assert caught.value.rcvd is None
    with connect(f"ws://127.0.0.1:{one.port}/", **options) as talking:  # a byte of either side counts for both
        for _ in range(5):
            time.sleep(0.6)
            assert talking.ping().wait(5)


@KINDS
def test_a_ping_soon_after_another_one_does_not_move_the_timer_of_nginx(
    kind: str, farm: Callable[..., SimpleNamespace], balancer_installed: Callable[[str], None]
) -> None:
    """nginx does not move a timer by less than 0.3 s: the second ping gains nothing. The best of three connections
    counts, because a loaded machine sends the second one too late.
    """
    balancer_installed(kind)
    one = farm(1, kind=kind, **{NAME[kind]: 1.0})
    lasted = []
    for _ in range(3):
        with connect(f"ws://127.0.0.1:{one.port}/", compression=None, proxy=None, ping_interval=None) as link:
            time.sleep(0.5)
            for _ in range(2):
                time.sleep(0.2)
                second = time.monotonic()
                link.ping()
            with pytest.raises(ConnectionClosed):
                link.recv(timeout=10)
            lasted.append(time.monotonic() - second)
    assert min(lasted) < 0.95 if kind == "nginx" else min(lasted) > 0.98


@KINDS
def test_pings_as_far_apart_as_the_timeout_is_long_lose_the_connections(
    kind: str, small: Callable[..., Scenario], balancer_installed: Callable[[str], None]
) -> None:
    """One ping or another comes too late, on a quiet machine by a fraction of a millisecond."""
    balancer_installed(kind)
    scenario = small(
        duration=7.0,
        balancer={"kind": kind, NAME[kind]: 1.0},
        clients={"heartbeat": {"interval": 1.0}, "reconnect": {"base": 0.1, "jitter": "none"}},
    )
    lost = measure(scenario, 1)[0].select("disconnected")
    assert lost["client"].nunique() > 0.7 * scenario.clients.count
    assert set(lost["detail"]) == {"1006"}


def test_a_measurement_warns_of_a_timeout_that_ends_after_the_run(small: Callable[..., Scenario]) -> None:
    scenario = small(duration=1.0, clients={"count": 3, "heartbeat": {"interval": 0.0}})
    with pytest.warns(ScenarioWarning, match="nobody pings: idle connections are cut, though not within the run"):
        measure(scenario, 1)


@pytest.mark.patient
def test_a_comparison_gives_each_warning_once(small: Callable[..., Scenario], tmp_path: Path) -> None:
    path = tmp_path / "quiet.toml"
    quiet = {"count": 3, "heartbeat": {"interval": 0.0}}
    path.write_text(small(duration=1.0, clients=quiet, host={"profile": "reference"}).to_toml())
    done = subprocess.run(
        [sys.executable, "-m", "stormlab.app", "compare", str(path), "--runs", "1", "--replications", "8", "--json"],
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    assert done.stderr.count("nobody pings") == 1


@KINDS
def test_pings_do_not_need_an_answer_to_keep_a_connection(
    kind: str, farm: Callable[..., SimpleNamespace], balancer_installed: Callable[[str], None]
) -> None:
    """What hides a frozen node from the balancer."""
    import signal

    balancer_installed(kind)
    one = farm(1, kind=kind, **{NAME[kind]: 1.0})
    with connect(f"ws://127.0.0.1:{one.port}/", compression=None, proxy=None, ping_interval=None) as link:
        one.nodes[0].signal(signal.SIGSTOP)
        pongs = []
        for _ in range(4):
            time.sleep(0.6)
            pongs.append(link.ping())
        one.nodes[0].signal(signal.SIGCONT)
        assert all(pong.wait(5) for pong in pongs)


@KINDS
@pytest.mark.parametrize("node", [0.0, 0.4])
def test_in_a_run_the_nodes_own_pings_keep_what_the_balancer_would_cut(
    kind: str, node: float, small: Callable[..., Scenario], balancer_installed: Callable[[str], None]
) -> None:
    balancer_installed(kind)
    scenario = small(
        duration=4.0,
        balancer={"kind": kind, NAME[kind]: 1.0},
        clients={"heartbeat": {"interval": 0.0}, "reconnect": {"base": 0.1, "jitter": "none"}},
        nodes={"ping_interval": node},
    )
    record = measure(scenario, 1)[0]
    found = measure_record(record)
    if node:
        assert found["losses_per_client"] == 0.0
    else:
        assert np.median(lifetimes(record)) == pytest.approx(1.0, abs=0.15)
        assert found["losses_per_client"] == pytest.approx(4.0, abs=1.0)


def test_a_node_closes_the_connection_of_a_client_that_does_not_read(small: Callable[..., Scenario]) -> None:
    scenario = small(
        duration=6.0,
        bus={"kind": "stream"},
        publisher={"rate": 10.0},
        clients={"count": 4, "heartbeat": {"interval": 0.0}},
        nodes={"ping_interval": 0.5, "ping_timeout": 1.0},
        faults=[{"at": 1.0, "kind": "stall", "client": 2, "duration": 3.5}],
    )
    record = measure(scenario, 1)[0]
    lost = record.select("disconnected")
    assert lost["client"].tolist() == [2]
    assert lost["detail"].tolist() == ["1011"]
    assert lost["t"].iloc[0] >= 4.5


@pytest.mark.patient
def test_a_client_that_adapts_finds_an_interval_that_the_balancer_lets_live(small: Callable[..., Scenario]) -> None:
    """The search goes 1.2, 2.2 (cut), 1.7 s and ends there: 0.3 s below the timeout, which a loaded machine keeps."""
    scenario = small(
        duration=14.0,
        balancer={"tunnel_timeout": 2.0},
        clients={
            "count": 10,
            "heartbeat": {"interval": 1.2, "timeout": 2.0, "max_interval": 3.2},
            "reconnect": {"base": 0.05, "jitter": "none"},
        },
    )
    record = measure(scenario, 1)[0]
    lost = record.select("disconnected")
    assert set(lost["client"]) == set(range(10))  # each has tried an interval that is too long
    assert set(lost["detail"]) == {"1006"}
    assert measure_record(record)["losses_per_client"] < 2.0  # and then knows better; pings of 2.2 s lose five times
