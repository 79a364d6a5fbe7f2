"""The bus: the embedded Valkey, the user's own server, and no server."""

import contextlib
import dataclasses
import re
import socket
import time
from collections.abc import Callable

import pytest

from live.broadcast.bus import ANSWER_WITHIN, Bus, ClientKill, answers, client_of, plain_link
from live.broadcast.server import Server
from live.cluster import Cluster
from live.control.address import Address
from live.control.process import Stage
from live.control.resp import encode
from live.machine import placement
from twin.errors import ClusterError, HostError
from twin.scenario import broadcast
from twin.scenario.scenario import Scenario

pytestmark = pytest.mark.live


@pytest.fixture
def own_server(stage: Stage) -> Address:
    bus = Bus(stage, placement.free_ports(1)[0], [])
    bus.wait_ready(10)
    return bus.address


def test_the_embedded_server_answers_and_tells_its_version(stage: Stage) -> None:
    bus = Bus(stage, placement.free_ports(1)[0], [])
    told = bus.wait_ready(10)
    assert told["server"] == "valkey"
    assert int(told["version"].split(".")[0]) >= 7
    with client_of(bus.address) as client:
        assert client.ping()


def test_a_cut_while_the_server_is_away_finds_no_connection(stage: Stage) -> None:
    bus = Bus(stage, placement.free_ports(1)[0], [])
    bus.wait_ready(10)
    bus.kill()
    assert bus.cut("node-1-") == 0


def test_the_users_own_server_is_used_and_none_is_started(own_server: Address, small: Callable[..., Scenario]) -> None:
    with Cluster(small(), 0, own_server) as cluster:
        assert cluster.describe()["bus"]["server"] == "valkey"
        assert "valkey" not in {part.name for part in cluster.stage.parts}
    with client_of(own_server) as client:
        assert client.ping()


def test_a_cluster_without_a_bus_has_none(small: Callable[..., Scenario]) -> None:
    with Cluster(small(bus={"kind": "none"}), 0) as cluster:
        assert cluster.describe() == {}
        assert "valkey" not in {part.name for part in cluster.stage.parts}


def test_a_url_where_nobody_answers_is_refused_in_two_seconds_and_nothing_starts(
    small: Callable[..., Scenario], nothing_starts: type[Exception]
) -> None:
    with socket.socket() as silent:
        silent.bind(("127.0.0.1", 0))
        silent.listen(5)
        for port in (placement.free_ports(1)[0], silent.getsockname()[1]):
            url = f"redis://127.0.0.1:{port}/0"
            began = time.monotonic()
            with pytest.raises(HostError, match=rf"^--redis-url {url}: no Redis or Valkey answers there"):
                Cluster(small(), 0, url)
            assert time.monotonic() - began < ANSWER_WITHIN + 1.0


def test_a_url_that_is_not_one_is_refused_in_a_sentence(stage: Stage) -> None:
    with pytest.raises(HostError, match=r"^--redis-url localhost: "):
        Bus(stage, 0, [], "localhost").wait_ready(0.1)


@pytest.mark.parametrize("url", ["", "http://x", "redis://x:99999", "redis://[::1", "redis://h?foo=bar"])
def test_a_url_that_says_what_nobody_means_is_refused_in_a_sentence_too(url: str) -> None:
    with pytest.raises(HostError, match=rf"^--redis-url {re.escape(url)}: .*\.$"):
        answers(url)


def test_a_name_that_is_none_is_refused_in_a_sentence() -> None:
    with pytest.raises(HostError, match=r"^--redis-url redis://\.\.:6379/0: .*\.$"):
        answers("redis://..")


def test_an_embedded_server_that_cannot_start_is_an_error_that_names_it(own_server: Address, stage: Stage) -> None:
    with Stage() as second:
        bus = Bus(second, own_server.port, [])
        assert bus.part is not None
        bus.part.wait(10)
        bus.address = Address("127.0.0.1", 1)
        with pytest.raises(ClusterError, match=r"^valkey ended with exit status 1: .*"):
            bus.wait_ready(10)


def test_limits_of_a_subscribers_buffer_and_persistence_are_those_of_the_scenario(stage: Stage) -> None:
    settings = broadcast.Bus.model_validate(
        {
            "kind": "pubsub",
            "persist": True,
            "output_buffer": {"hard_bytes": 4096, "soft_bytes": 2048, "soft_seconds": 3},
        }
    )
    bus = Bus(stage, placement.free_ports(1)[0], [], settings=settings)
    bus.wait_ready(10)
    with client_of(bus.address) as client:
        assert "pubsub 4096 2048 3" in client.config_get("client-output-buffer-limit")["client-output-buffer-limit"]
        assert client.config_get("append*")["appendfsync"] == "always"
        assert client.config_get("append*")["appendonly"] == "yes"


def test_cut_closes_the_named_connections_and_no_other(own_server: Address, stage: Stage) -> None:
    bus = Bus(stage, 0, [], own_server)
    with client_of(own_server) as mine, client_of(own_server) as other:
        mine.client_setname("run-node-1-reader")
        other.client_setname("run-node-2-reader")
        first, second = mine.client_id(), other.client_id()
        assert bus.cut("run-node-1-") == 1
        left = {int(one["id"]) for one in other.client_list()}
        assert second in left
        assert first not in left


def test_connections_that_were_found_before_are_cut_in_one_command(own_server: Address, stage: Stage) -> None:
    bus = Bus(stage, 0, [], own_server)
    with (
        client_of(own_server) as mine,
        client_of(own_server) as other,
        contextlib.closing(ClientKill(bus, "a")) as kill,
    ):
        mine.client_setname("a-1")
        kill.look()
        asked = other.info("commandstats")
        assert kill.cut() == 1
        told = other.info("commandstats")
        assert told["cmdstat_client|list"]["calls"] == asked["cmdstat_client|list"]["calls"]
        assert told["cmdstat_client|kill"]["calls"] == 1


def test_a_connection_that_has_come_since_they_were_found_is_cut_as_well(own_server: Address, stage: Stage) -> None:
    bus = Bus(stage, 0, [], own_server)
    with client_of(own_server) as gone, client_of(own_server) as mine, contextlib.closing(ClientKill(bus, "a")) as kill:
        gone.client_setname("a-1")
        kill.look()
        gone.close()
        mine.client_setname("a-1")
        name = mine.client_id()
        assert kill.cut() == 1
        with client_of(own_server) as other:
            assert name not in {int(one["id"]) for one in other.client_list()}


def test_who_does_not_know_the_embedded_servers_password_can_do_nothing(
    small: Callable[..., Scenario], until: Callable[..., None]
) -> None:
    with Cluster(small(bus={"kind": "stream"}, publisher={"rate": 20.0}), 0) as cluster:
        server = cluster.room(Server)
        assert server is not None
        cluster.warm_up()
        address = server.bus.address
        with contextlib.closing(client_of(address)) as inside:
            until(lambda: len(inside.keys("stormlab:*")) > 3)
            for command in (("PING",), ("FLUSHALL",), ("SHUTDOWN", "NOSAVE"), ("CONFIG", "GET", "*"), ("MONITOR",)):
                with socket.create_connection((address.host, address.port), 5) as outside:
                    outside.sendall(encode(*command))
                    assert outside.recv(100).startswith(b"-NOAUTH ")
            with socket.create_connection((address.host, address.port), 5) as outside:
                outside.sendall(encode("AUTH", "a guess"))
                assert outside.recv(100).startswith(b"-WRONGPASS ")
            assert len(inside.keys("stormlab:*")) > 3
        cluster.attend()


def test_only_this_user_can_read_the_password_of_the_embedded_server(stage: Stage) -> None:
    buses = [Bus(stage, port, []) for port in placement.free_ports(2)]
    assert buses[0].address.password != buses[1].address.password
    files = [stage.folder / f"valkey-{bus.address.port}.conf" for bus in buses]
    assert [file.stat().st_mode & 0o777 for file in files] == [0o600, 0o600]
    assert stage.folder.stat().st_mode & 0o777 == 0o700


def test_a_plain_link_to_an_embedded_server_that_does_not_let_it_in_is_an_error(own_server: Address) -> None:
    with plain_link(own_server, 5.0) as link:
        link.sendall(encode("PING"))
        assert link.recv(100) == b"+PONG\r\n"
    with pytest.raises(PermissionError, match="does not let us in"):
        plain_link(dataclasses.replace(own_server, password="a guess"), 5.0)
