"""What one client asks its node to do: each request is made when it is due, unless the client is away."""

import asyncio
import time
from typing import TYPE_CHECKING, Any, cast

from websockets.asyncio.client import ClientConnection
from websockets.protocol import State

from live.client.connection import Inlet
from live.client.part import ClientPart, Take
from live.handler import wire
from twin.draws import OF_TASKS, Purpose
from twin.rules.handler import TaskRule, What

if TYPE_CHECKING:
    from live.ports import Swarm


class Requests(ClientPart):
    """The requests of one client, across all its connections.

    Args:
        swarm: with the list of events and the start of the run.
        number: of the client.
        config: tasks (name, and what a `TaskRule` has), clients (how many there are), payload_bytes.
    """

    frames = frozenset({wire.ANSWER})

    def __init__(self, swarm: "Swarm", number: int, config: dict[str, Any]) -> None:
        self.swarm = swarm
        self.number = number
        self.clients: int = config["clients"]
        self.size: int = config["payload_bytes"]
        self.tasks = {name: TaskRule(*rule) for name, *rule in config["tasks"]}
        self.names = list(self.tasks)
        self.connection: Inlet | None = None
        self.node = -1
        self.options = {"create_connection": Inlet}

    async def run(self) -> None:
        """Make the requests of all tasks, from the start of the run on."""
        await asyncio.gather(*(self._ask_all(place, name) for place, name in enumerate(self.names)))

    async def _ask_all(self, place: int, name: str) -> None:
        swarm, number, count = self.swarm, self.number, len(self.names)

        def draw(what: What, n: int) -> float:
            return swarm.draw(number, OF_TASKS[what], n * count + place)

        phase, start = swarm.draw(place, Purpose.TASK_PHASE, 0), swarm.start
        requests = self.tasks[name].requests(self.clients, number, phase, draw)
        for n, (due, demand) in enumerate(requests):
            await swarm.timers.until(start + due, "request")
            if self.connection is not None and self.connection.protocol.state is State.OPEN:
                swarm.events.append((time.monotonic(), "requested", number, self.node, -1, n, name))
                self.connection.say(wire.request(number, n, place, demand, self.size))

    def connected(self, connection: ClientConnection, node: int) -> Take:
        """Ask over a new connection from now on, and take the answers."""
        self.connection, self.node = cast("Inlet", connection), node
        return self.take

    def disconnected(self) -> None:
        """The connection is over: what is due from now on is not asked."""
        self.connection = None

    def take(self, data: bytes | str) -> None:
        """Take one frame from the node; who takes all frames of a connection takes only those that are its own."""
        if isinstance(data, bytes) and data[:1] == bytes([wire.ANSWER]):
            _, n, place = wire.read_answer(data)
            name = self.names[place]
            self.swarm.events.append((time.monotonic(), "answered", self.number, self.node, -1, n, name))


def attach(swarm: "Swarm", config: dict[str, Any]) -> None:
    """Give each client of a swarm its requests."""
    swarm.equip(lambda client: Requests(swarm, client.number, config["handler"]))
