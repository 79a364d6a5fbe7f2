"""The bus: the embedded Valkey, the user's own server, and no server."""

from collections.abc import Callable

import pytest
import redis

from live import host, world
from live.bus import Bus
from live.process import Stage
from live.world import Cluster
from twin.errors import ClusterError, HostError
from twin.scenario import Scenario

pytestmark = pytest.mark.live


@pytest.fixture
def own_server(stage: Stage) -> str:
    bus = Bus(stage, host.free_ports(1)[0], [])
    bus.wait_ready(10)
    return bus.url


def test_the_embedded_server_answers_and_tells_its_version(stage: Stage) -> None:
    bus = Bus(stage, host.free_ports(1)[0], [])
    told = bus.wait_ready(10)
    assert told["server"] == "valkey"
    assert int(told["version"].split(".")[0]) >= 7
    with redis.Redis.from_url(bus.url) as client:
        assert client.ping()


def test_the_users_own_server_is_used_and_none_is_started(own_server: str, small: Callable[..., Scenario]) -> None:
    with Cluster(small(), 0, own_server) as cluster:
        assert cluster.bus["server"] == "valkey"
        assert "valkey" not in {part.name for part in cluster.stage.parts}
    with redis.Redis.from_url(own_server) as client:
        assert client.ping()


def test_a_cluster_without_a_bus_has_none(small: Callable[..., Scenario]) -> None:
    with Cluster(small(bus={"kind": "none"}), 0) as cluster:
        assert cluster.bus == {}
        assert "valkey" not in {part.name for part in cluster.stage.parts}


def test_a_url_where_nobody_answers_is_refused_and_the_cluster_is_stopped(
    small: Callable[..., Scenario], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(world, "READY_WITHIN", 3.0)
    url = f"redis://127.0.0.1:{host.free_ports(1)[0]}/0"
    with pytest.raises(HostError, match=rf"^--redis-url {url}: no Redis or Valkey answers there"):
        Cluster(small(), 0, url)


def test_a_url_that_is_not_one_is_refused_in_a_sentence(stage: Stage) -> None:
    with pytest.raises(HostError, match=r"^--redis-url localhost: "):
        Bus(stage, 0, [], "localhost").wait_ready(0.1)


def test_an_embedded_server_that_cannot_start_is_an_error_that_names_it(own_server: str, stage: Stage) -> None:
    port = int(own_server.split(":")[2].split("/")[0])
    with Stage() as second:
        bus = Bus(second, port, [])
        assert bus.part is not None
        bus.part.wait(10)
        bus.url = "redis://127.0.0.1:1/0"
        with pytest.raises(ClusterError, match=r"^valkey stopped by itself"):
            bus.wait_ready(10)
