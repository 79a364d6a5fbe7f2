"""What the lab may order the clients of one process to do, however messages come to them."""

import asyncio
import json
from collections.abc import Coroutine, Mapping, Sequence
from pathlib import Path
from typing import Any, Protocol

from live.client.messages import AllConnected, Warm
from live.control.messages import Done, Finish, Orders, Ready, on
from live.control.noted import Event
from live.control.stdio import obey, say
from live.machine.timing import Timers


class LivingClient(Protocol):
    """A client."""

    @property
    def number(self) -> int:
        """Its number."""
        ...

    async def live(self, start: float) -> None:
        """Connect at `start`, by the monotonic clock, and come back after every loss."""
        ...


class Following(Protocol):
    """The clients of one process.

    Attributes:
        start: of the run, by the monotonic clock; set before they live.
        orders: what the lab may order besides.
        arrivals: when those connect that come in the run, in seconds after its start, by number.
        all_connected: set when all others have connected once.
    """

    start: float
    events: list[Event]
    timers: Timers
    orders: Orders
    arrivals: Mapping[int, float]
    all_connected: asyncio.Event

    @property
    def clients(self) -> Sequence[LivingClient]:
        """All clients."""
        ...

    def work(self) -> list[Coroutine[Any, Any, None]]:
        """Return what goes on by itself besides, from the warm-up on."""
        ...


async def follow(swarm: Following, rate: float) -> None:
    """Obey the lab until standard input closes; clients connect at `rate` a second."""
    tasks: list[asyncio.Future[None]] = []

    def due(number: int, order: Warm) -> float:
        later = swarm.arrivals.get(number)
        return order.first + number / rate if later is None else order.start + later

    def warm(order: Warm) -> None:
        swarm.start = order.start
        tasks[:] = [asyncio.ensure_future(client.live(due(client.number, order))) for client in swarm.clients]
        tasks.extend(asyncio.ensure_future(work) for work in swarm.work())
        asyncio.ensure_future(swarm.all_connected.wait()).add_done_callback(lambda _: say(AllConnected()))

    def finish(order: Finish) -> None:
        events = list(swarm.events)
        Path(order.path).write_text(json.dumps(events))
        say(Done(len(events), swarm.timers.lateness(swarm.start)))

    say(Ready())
    await obey(swarm.orders | on(Warm, warm) | on(Finish, finish))
