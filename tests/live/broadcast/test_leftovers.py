"""What a run leaves on the user's own server: nothing, or nothing for long."""

import contextlib
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
import redis

from live.broadcast.bus import Bus
from live.broadcast.leftovers import LEASE, OURS, clean
from live.cluster import Cluster
from live.control.address import PASSWORD_VARIABLE
from live.control.process import Stage
from live.control.resp import FIRST_LIFE
from live.machine import placement
from live.runs import measure
from tests.commands import lab
from twin.scenario.scenario import Scenario

pytestmark = [pytest.mark.live, pytest.mark.patient]

FOREIGN = ["mine", "stormlab:mine", "stormlab:12345:x"]
SLOWLY = {"clients": {"connect_rate": 20.0}}
"""What runs behind others is in no hurry."""
BROADCAST = SLOWLY | {"bus": {"kind": "stream"}, "publisher": {"rate": 20.0}}
SHARED = SLOWLY | {
    "bus": {"kind": "valkey"},
    "sessions": {"store": "redis"},
    "registry": {"ttl": 1.0, "heartbeat": 0.2},
}
LAB = "import sys; from live.runs import run; from twin.scenario.scenario import Scenario\n"
LAB += "run(Scenario.load(sys.argv[1]), redis_url=sys.argv[2], progress=lambda t, what: print(t, flush=True))"


@pytest.fixture
def own(stage: Stage) -> Iterator[tuple[Bus, redis.Redis]]:
    """A server of the user's, with keys of somebody else."""
    bus = Bus(stage, placement.free_ports(1)[0], [])
    bus.wait_ready(10)
    with contextlib.closing(bus.client()) as client:
        for name in FOREIGN:
            client.set(name, "1")
        yield bus, client


def left(client: redis.Redis) -> set[str]:
    return {key.decode() for key in client.keys("*")} - set(FOREIGN)


@pytest.mark.parametrize("settings", [BROADCAST, SHARED], ids=["broadcast", "shared"])
def test_a_run_that_succeeds_leaves_no_key(
    settings: dict[str, Any], own: tuple[Bus, redis.Redis], small: Callable[..., Scenario]
) -> None:
    measure(small(duration=1.0, **settings), 1, redis_url=own[0].address)
    assert left(own[1]) == set()
    assert {key.decode() for key in own[1].keys("*")} == set(FOREIGN)


@pytest.mark.parametrize(
    ("settings", "needed"),
    [(BROADCAST, {"head", "log"}), (SHARED, {"registry:log", "registry:generations"})],
    ids=["broadcast", "shared"],
)
def test_every_key_of_a_run_has_an_end_that_is_near_once_the_lab_renews_it(
    settings: dict[str, Any],
    needed: set[str],
    own: tuple[Bus, redis.Redis],
    small: Callable[..., Scenario],
    until: Callable[..., None],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr("live.broadcast.leftovers.EVERY", 0.1)
    client = own[1]
    with Cluster(small(**settings), 0, own[0].address) as cluster:
        cluster.warm_up()
        until(lambda: needed <= {key.split(":", 2)[2] for key in left(client)})
        assert all(0 < client.pttl(key) <= FIRST_LIFE for key in left(client))
        kept = [key for key in left(client) if key.split(":", 2)[2] in needed]
        until(lambda: all(client.pttl(key) <= LEASE * 1000 for key in kept))
        for key in kept:
            client.pexpire(key, 5000)
        until(lambda: all(client.pttl(key) > 10_000 for key in kept))


def test_new_keys_end_within_two_minutes_even_if_the_lab_never_renews_one(
    own: tuple[Bus, redis.Redis],
    small: Callable[..., Scenario],
    until: Callable[..., None],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr("live.broadcast.leftovers.Keeper.begin", lambda keeper: None)
    client = own[1]
    for settings, count in ((BROADCAST, 3), (SHARED, 4)):
        with Cluster(small(**settings), 0, own[0].address) as cluster:
            cluster.warm_up()
            until(lambda count=count: len(left(client)) >= count)
            kept = ("head", "log", "generations")  # sessions have an end of their own
            ends = {key: client.pttl(key) for key in left(client) if key.rpartition(":")[2] in kept}
            assert len(ends) == 2
            assert all(0 < life <= LEASE * 1000 for life in ends.values()), ends


@pytest.mark.parametrize("end", ["SIGTERM", "SIGHUP", "SIGINT", "SIGKILL"])
def test_an_end_by_a_signal_leaves_no_key_but_after_kill_9_for_two_minutes(
    end: str,
    own: tuple[Bus, redis.Redis],
    small: Callable[..., Scenario],
    folder: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    bus, client = own
    (folder / "one.toml").write_text(small(duration=60.0, **BROADCAST).to_toml())
    words = [sys.executable, "-c", LAB, str(folder / "one.toml"), f"redis://127.0.0.1:{bus.address.port}"]
    monkeypatch.setenv(PASSWORD_VARIABLE, bus.address.password)
    with subprocess.Popen(words, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as one:
        assert one.stdout is not None
        for line in one.stdout:
            if float(line) > 0.5 and len(left(client)) > 3:
                break
        one.send_signal(signal.Signals[end])
        one.communicate(timeout=120)
    assert one.returncode != 0
    if end != "SIGKILL":
        assert left(client) == set()
        return
    assert left(client)
    assert all(0 < client.pttl(key) <= LEASE * 1000 for key in left(client))
    deadline = time.monotonic() + 10
    while clean(bus.address)[1] and time.monotonic() < deadline:  # the server has yet to see that all are gone
        time.sleep(0.05)
    assert {key.decode() for key in client.keys("*")} == set(FOREIGN)


def test_clean_removes_keys_of_runs_that_are_over_and_of_nobody_else(
    own: tuple[Bus, redis.Redis], monkeypatch: pytest.MonkeyPatch
) -> None:
    bus, client = own
    for name in ("stormlab:0123abcd:head", "stormlab:0123abcd:key:1", "stormlab:stormlab-x_y:registry:log"):
        client.set(name, "1")
    client.set("stormlab:89abcdef:head", "of a run that goes on")
    client.client_setname("stormlab:89abcdef:node-1-reader")
    monkeypatch.setenv(PASSWORD_VARIABLE, bus.address.password)
    done = lab("clean", "--redis-url", f"redis://127.0.0.1:{bus.address.port}")
    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout == "Removed 3 keys of runs that are over; 1 run that still goes on kept theirs.\n"
    assert left(client) == {"stormlab:89abcdef:head"}
    assert {key.decode() for key in client.keys("*")} > set(FOREIGN)


def test_clean_says_in_a_sentence_where_nobody_answers() -> None:
    done = lab("clean", "--redis-url", "redis://:s3cret@127.0.0.1:1")
    assert done.returncode == 2
    assert done.stderr.startswith("--redis-url redis://:***@127.0.0.1:1/0: no Redis or Valkey answers there")


@pytest.mark.parametrize("name", [*FOREIGN, "stormlab:0123abcg:x", "stormlab:0123abcd", "x:stormlab:0123abcd:x"])
def test_a_name_that_no_run_gives_is_not_ours(name: str) -> None:
    assert OURS.fullmatch(name) is None
