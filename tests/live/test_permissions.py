"""What a user of the user's own server lacks is told before anything starts, and nothing is left of the trial."""

import contextlib
import re
from collections.abc import Callable, Iterator
from typing import Any

import pytest
import redis

from live import measure
from live.broadcast.bus import Bus, answers, client_of
from live.cluster import Cluster
from live.control.address import Address
from live.control.process import Stage
from live.machine import placement
from live.permissions import check_cleaning, check_permissions
from tests.commands import lab
from twin.errors import HostError
from twin.scenario.scenario import Scenario

pytestmark = [pytest.mark.live, pytest.mark.patient]

PASSWORD = "s3cret"
BROADCAST: dict[str, Any] = {"bus": {"kind": "stream"}, "publisher": {"rate": 5.0}, "duration": 1.0}
PUBSUB: dict[str, Any] = {**BROADCAST, "bus": {"kind": "pubsub"}}
SHARED: dict[str, Any] = {
    "duration": 1.0,
    "bus": {"kind": "valkey"},
    "sessions": {"store": "redis", "login_iterations": 1000},
    "registry": {"ttl": 1.0, "heartbeat": 0.2, "sync": 0.1},
}
CUT: dict[str, Any] = {**BROADCAST, "faults": [{"at": 0.5, "kind": "bus_cut", "node": 1}]}
ALL = ["+@all"]


@pytest.fixture
def admin(stage: Stage) -> Iterator[redis.Redis]:
    """A server of the user's, as its administrator sees it."""
    bus = Bus(stage, placement.free_ports(1)[0], [])
    bus.wait_ready(10)
    with contextlib.closing(client_of(bus.address)) as client:
        yield client


@pytest.fixture
def ann(admin: redis.Redis) -> Callable[..., Address]:
    """Makes the user ann with these commands, keys and channels only."""

    def make(commands: list[str], keys: str = "stormlab:*", channels: str = "stormlab:*") -> Address:
        admin.acl_setuser(
            *("ann", True, False, [f"+{PASSWORD}"]),
            **{"commands": [one for one in commands if "@" not in one], "keys": [keys], "channels": [channels]},
            categories=[one for one in commands if "@" in one],
            reset=True,
        )
        port = admin.connection_pool.connection_kwargs["port"]
        return Address("127.0.0.1", int(port), "ann", PASSWORD)

    return make


@pytest.mark.parametrize("settings", [BROADCAST, PUBSUB, SHARED, CUT], ids=["stream", "pubsub", "shared", "cut"])
def test_a_user_allowed_all_on_the_labs_names_runs_and_the_trial_leaves_nothing(
    settings: dict[str, Any], ann: Callable[..., Address], admin: redis.Redis, small: Callable[..., Scenario]
) -> None:
    address, scenario = ann(ALL), small(**settings)
    admin.set("mine", "1")
    check_permissions(address, scenario)
    assert admin.keys("*") == [b"mine"]
    (record,) = measure(scenario, 1, redis_url=address)
    assert len(record.events)
    assert admin.keys("*") == [b"mine"]


@pytest.mark.parametrize(
    ("settings", "missing", "said"),
    [
        (BROADCAST, "info", "may not do INFO"),
        (BROADCAST, "client|setname", "may not do CLIENT SETNAME"),
        (BROADCAST, "del", r"may not do DEL on key stormlab:\w+:head"),
        (BROADCAST, "scan", "may not do SCAN"),
        (BROADCAST, "script|load", "may not do SCRIPT LOAD"),
        (BROADCAST, "evalsha", r"may not do EVALSHA on key stormlab:\w+:head, "),
        (BROADCAST, "xadd", r"may not do EVALSHA on key .*'xadd' command"),
        (BROADCAST, "hincrby", r"may not do EVALSHA on key .*'hincrby' command"),
        (BROADCAST, "publish", r"may not do EVALSHA on key .*'publish' command"),
        (BROADCAST, "xrange", r"may not do EVALSHA on key .*'xrange' command"),
        (BROADCAST, "xread", r"may not do XREAD on key stormlab:\w+:log"),
        (BROADCAST, "subscribe", r"may not do SUBSCRIBE on channel stormlab:\w+:again"),
        (PUBSUB, "subscribe", r"may not do SUBSCRIBE on channel stormlab:\w+:fresh"),
        (BROADCAST, "pexpire", r"may not do (PEXPIRE|EVALSHA) on key"),
        (CUT, "client|list", "may not do CLIENT LIST"),
        (CUT, "client|kill", "may not do CLIENT KILL"),
        (SHARED, "hget", r"may not do EVALSHA on key stormlab:\w+:registry:generations"),
        (SHARED, "psetex", r"may not do EVALSHA on key stormlab:\w+:session"),
        (SHARED, "time", r"may not do EVALSHA on key .*'time' command"),
        (SHARED, "xrange", r"may not do XRANGE on key stormlab:\w+:registry:log"),
    ],
)
def test_each_command_that_a_user_may_not_do_is_named_before_anything_starts(
    settings: dict[str, Any],
    missing: str,
    said: str,
    ann: Callable[..., Address],
    admin: redis.Redis,
    small: Callable[..., Scenario],
    nothing_starts: type[Exception],
) -> None:
    address = ann([*ALL, f"-{missing}"])
    with pytest.raises(HostError, match=rf"^--redis-url redis://ann:\*\*\*@.*: the user 'ann' {said}.*\.$") as refused:
        Cluster(small(**settings), 0, address)
    assert "NOPERM" in str(refused.value) or "ACL failure in script" in str(refused.value)
    assert PASSWORD not in str(refused.value)
    assert admin.keys("*") == []


@pytest.mark.parametrize(
    ("limits", "said"),
    [
        ({"keys": "other:*"}, r"may not do DEL on key stormlab:\w+:head \(NOPERM "),
        ({"channels": "other:*"}, r"may not do EVALSHA on key .*channel"),
    ],
    ids=["keys", "channels"],
)
def test_names_that_a_user_may_not_use_are_named_with_what_a_run_needs(
    limits: dict[str, str],
    said: str,
    ann: Callable[..., Address],
    small: Callable[..., Scenario],
    nothing_starts: type[Exception],
) -> None:
    needs = re.escape("a run needs its commands, the keys ~stormlab:* and the channels &stormlab:*.")
    with pytest.raises(HostError, match=rf": the user 'ann' {said}.*; {needs}$"):
        Cluster(small(**BROADCAST), 0, ann(ALL, **limits))


def test_a_wrong_password_and_none_at_all_are_told_in_the_servers_words(ann: Callable[..., Address]) -> None:
    address = ann(ALL)
    for wrong, code in (
        (Address("127.0.0.1", address.port, "ann", "guess"), "WRONGPASS"),
        (Address("127.0.0.1", address.port, "nobody", "guess"), "WRONGPASS"),
        (Address("127.0.0.1", address.port, "", "guess"), "WRONGPASS"),
        (Address("127.0.0.1", address.port), "NOAUTH"),
    ):
        with pytest.raises(HostError, match=rf"^--redis-url \S+: the server does not let us in \({code} .*\)\.$"):
            answers(wrong)


def test_clean_says_what_it_may_not_do(ann: Callable[..., Address], monkeypatch: pytest.MonkeyPatch) -> None:
    address = ann([*ALL, "-client|list"])
    with pytest.raises(HostError, match="the user 'ann' may not do CLIENT LIST"):
        check_cleaning(address)
    monkeypatch.setenv("STORMLAB_REDIS_PASSWORD", PASSWORD)
    done = lab("clean", "--redis-url", f"redis://ann@127.0.0.1:{address.port}")
    assert done.returncode == 2
    assert done.stderr.startswith(f"--redis-url {address}: the user 'ann' may not do CLIENT LIST (NOPERM ")


def test_what_is_no_matter_of_rights_is_told_as_the_server_says_it(
    ann: Callable[..., Address], admin: redis.Redis, small: Callable[..., Scenario]
) -> None:
    admin.config_set("maxmemory", 1)
    with pytest.raises(HostError, match=r": the server refuses EVALSHA on key .* \(OOM .*\)\.$"):
        check_permissions(ann(ALL), small(**BROADCAST))
