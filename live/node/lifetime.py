"""A node that ends each connection after its lifetime."""

import asyncio
from typing import TYPE_CHECKING, Any

from websockets.asyncio.server import ServerConnection

from live.node.part import NodePart
from twin.draws import Purpose, uniform
from twin.rules.drain import SERVICE_RESTART
from twin.rules.lifetime import lifetime
from twin.scenario.addresses import ATTEMPT, CLIENT_ID

if TYPE_CHECKING:
    from live.node.base import Node


class Lifetimes(NodePart):
    """Closes connections when their time is up; client and attempt decide, as in the model.

    Args:
        config: mean, jitter, seed, replication.
    """

    def __init__(self, config: dict[str, Any]) -> None:
        self.mean: float = config["mean"]
        self.jitter: float = config["jitter"]
        self.seed: int = config["seed"]
        self.replication: int = config["replication"]
        self.clocks: dict[ServerConnection, asyncio.TimerHandle] = {}
        self.closing: set[asyncio.Future[None]] = set()

    def connected(self, connection: ServerConnection) -> None:
        """Start the clock of a connection that was just opened."""
        assert connection.request is not None
        headers = connection.request.headers
        client, attempt = int(headers.get(CLIENT_ID, "0")), int(headers.get(ATTEMPT, "0"))
        u = uniform(self.seed, self.replication, client, Purpose.LIFETIME, attempt)
        loop = asyncio.get_running_loop()
        self.clocks[connection] = loop.call_later(lifetime(self.mean, self.jitter, u), self._end, connection)

    def disconnected(self, connection: ServerConnection) -> None:
        """Stop its clock."""
        clock = self.clocks.pop(connection, None)
        if clock is not None:
            clock.cancel()

    def _end(self, connection: ServerConnection) -> None:
        task = asyncio.ensure_future(connection.close(SERVICE_RESTART))
        self.closing.add(task)
        task.add_done_callback(self.closing.discard)


def attach(node: "Node", config: dict[str, Any]) -> None:
    """Add it to a node."""
    node.add(Lifetimes(config["lifetime"]))
