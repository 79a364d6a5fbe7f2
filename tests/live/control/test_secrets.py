"""No secret of a run is where others can read it: not on a command line, not in an environment."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import psutil
import pytest

from live.broadcast.bus import Bus, client_of
from live.broadcast.server import Server
from live.cluster import Cluster
from live.control.address import PASSWORD_VARIABLE
from live.control.process import Stage, own
from live.machine import placement
from live.machine.messages import PaceRead, ReadPace
from live.page.serve import ServedCluster
from live.sessions.sessions import Sessions
from twin.scenario.scenario import Scenario

pytestmark = [
    pytest.mark.live,
    pytest.mark.patient,
    pytest.mark.skipif(not Path("/proc/self/cmdline").exists(), reason="there is no /proc here"),
]

PASSWORD = "a-Password-that-is-long"
SLOWLY = {"clients": {"connect_rate": 20.0}}
"""What runs behind others is in no hurry."""
BROADCAST = SLOWLY | {"bus": {"kind": "stream"}, "publisher": {"rate": 5.0}}


@pytest.fixture
def locked_server(stage: Stage) -> str:
    """The URL, with its password, of a server that asks for one."""
    bus = Bus(stage, placement.free_ports(1)[0], [])
    bus.wait_ready(10)
    with client_of(bus.address) as client:
        client.config_set("requirepass", PASSWORD)
    return f"redis://:{PASSWORD}@127.0.0.1:{bus.address.port}"


def readable() -> dict[str, bytes]:
    """Return what /proc tells of the command lines and environments of all processes that this one has started."""
    found = {}
    for part in psutil.Process().children(recursive=True):
        for name in ("cmdline", "environ"):
            try:
                found[f"{part.pid} {name}"] = Path(f"/proc/{part.pid}/{name}").read_bytes()
            except (FileNotFoundError, ProcessLookupError):
                continue
    return found


def secrets_of(cluster: Cluster) -> list[str]:
    sessions = cluster.room(Sessions)
    if sessions is None:
        return []
    hashes = [digest for one in sessions.accounts.values() for digest in one.hashes.values()]
    assert len(hashes) == 2 * len(set(sessions.passwords.values())) > 2
    return [sessions.secret, *sessions.passwords.values(), *hashes]


@pytest.mark.parametrize(
    ("settings", "parts"),
    [
        ({"bus": {"kind": "valkey"}, "sessions": {"store": "redis"}, "registry": {"ttl": 3.0}}, {"registrar"}),
        ({**BROADCAST, "faults": [{"kind": "delay", "node": 1, "at": 1.0, "delay": 0.1}]}, {"publisher", "relay"}),
    ],
    ids=["sessions", "broadcast"],
)
def test_no_part_shows_a_secret_of_sessions_or_the_password_of_the_users_server(
    settings: dict[str, Any],
    parts: set[str],
    locked_server: str,
    small: Callable[..., Scenario],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv(PASSWORD_VARIABLE, PASSWORD)
    with Cluster(small(**settings), 0, locked_server) as cluster:
        names = {part.name.split()[0] for part in cluster.stage.parts}
        assert {"node", "swarm", "canary", "haproxy"} | parts <= names
        seen = readable()
        assert any(b"live.node.node" in text for text in seen.values())
        for secret in (PASSWORD, *secrets_of(cluster)):
            assert [where for where, text in seen.items() if secret.encode() in text] == []


@pytest.mark.parametrize(
    "settings",
    [
        SLOWLY | {"bus": {"kind": "valkey"}, "sessions": {"store": "redis"}, "registry": {"ttl": 3.0}},
        {**BROADCAST, "faults": [{"kind": "delay", "node": 1, "at": 1.0, "delay": 0.1}]},
    ],
    ids=["sessions", "broadcast"],
)
def test_the_embedded_servers_password_is_nowhere_to_be_read(
    settings: dict[str, Any], small: Callable[..., Scenario]
) -> None:
    with Cluster(small(**settings), 0) as cluster:
        server = cluster.room(Server)
        assert server is not None
        password = server.bus.address.password
        cluster.warm_up()
        assert len(password) > 40
        seen = readable()
        assert any(b"valkey-server" in text for text in seen.values())
        files = {str(one): one.read_bytes() for one in cluster.stage.folder.iterdir() if one.is_file()}
        shown = {**seen, **files, "record": repr((cluster.describe(), cluster.finish(0.0))).encode()}
        where = {name for name, text in shown.items() if password.encode() in text}
        assert where == {str(cluster.stage.folder / f"valkey-{server.bus.address.port}.conf")}


def test_no_part_shows_the_secret_of_the_page(small: Callable[..., Scenario]) -> None:
    with ServedCluster(small(**BROADCAST), 0) as site:
        seen = readable()
        assert any(b"live.node.node" in text for text in seen.values())
        cookie = site.http.access.set_cookie.split(";")[0].split("=")[1]
        for secret in (site.secret.hex(), site.http.access.key, cookie):
            assert [where for where, text in seen.items() if secret.encode() in text] == []


def test_settings_reach_a_part_before_its_messages_and_only_once(stage: Stage) -> None:
    settings = '{"work": "asked", "seconds": 0.0' + " " * 20_000 + "}"  # more than a pipe is read at a time
    part = stage.start("reader", own("live.machine.speed"))
    assert part.process.stdin is not None
    part.process.stdin.write(settings.encode() + b"\n")
    part.tell(ReadPace())
    part.tell(ReadPace())
    assert [type(part.hear(PaceRead)) for _ in range(2)] == [PaceRead, PaceRead]
    assert b"asked" not in Path(f"/proc/{part.pid}/cmdline").read_bytes()
