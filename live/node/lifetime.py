"""A node that ends each connection after its lifetime."""

import asyncio
from typing import Any

from websockets.asyncio.server import ServerConnection

from twin.draws import Purpose, uniform
from twin.rules.drain import SERVICE_RESTART
from twin.rules.lifetime import lifetime
from twin.scenario.addresses import ATTEMPT, CLIENT_ID


class Ages:
    """Closes connections when their time is up; client and attempt decide, as in the model.

    Args:
        config: mean, jitter, seed, replication.
    """

    def __init__(self, config: dict[str, Any]) -> None:
        self.mean: float = config["mean"]
        self.jitter: float = config["jitter"]
        self.seed: int = config["seed"]
        self.replication: int = config["replication"]
        self.closing: set[asyncio.Future[None]] = set()

    def begin(self, connection: ServerConnection) -> asyncio.TimerHandle:
        """Start the clock of a connection that was just opened; cancel the handle when it is gone."""
        assert connection.request is not None
        headers = connection.request.headers
        client, attempt = int(headers.get(CLIENT_ID, "0")), int(headers.get(ATTEMPT, "0"))
        u = uniform(self.seed, self.replication, client, Purpose.LIFETIME, attempt)
        loop = asyncio.get_running_loop()
        return loop.call_later(lifetime(self.mean, self.jitter, u), self._end, connection)

    def _end(self, connection: ServerConnection) -> None:
        task = asyncio.ensure_future(connection.close(SERVICE_RESTART))
        self.closing.add(task)
        task.add_done_callback(self.closing.discard)
