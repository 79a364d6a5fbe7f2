"""The client side of the bench of polls: clients of `live.transport.client`, who ask when they are told to.

Run as `python -m live.calibration.poll_clients`. What it obeys is in `live.calibration.messages`; besides, `Nothing`
costs what hearing an order costs.
"""

import asyncio
import gc
from typing import Any

from live.calibration.messages import Ask, Asked
from live.control.given import configuration
from live.control.messages import Nothing, Ready, on
from live.control.running import run
from live.control.stdio import obey, say
from live.node.asyncio_runtime import YOUNG_GARBAGE
from live.transport.client import PollingSwarm


class PollBenchClients:
    """The clients of the bench.

    Args:
        config: of `live.transport.client.PollingSwarm`.
    """

    def __init__(self, config: dict[str, Any]) -> None:
        self.swarm = PollingSwarm(config)
        self.hold = self.swarm.held
        self.tasks: list[asyncio.Future[None]] = []

    def ask(self, order: Ask) -> None:
        """Let the first clients ask once, and say when all are answered."""
        self.tasks.append(asyncio.ensure_future(self._ask(order.clients, order.waits)))

    async def _ask(self, count: int, waits: bool) -> None:
        swarm = self.swarm
        swarm.held = self.hold if waits else 0.0
        failures = await asyncio.gather(*(client.poll() for client in swarm.clients[:count]))
        seen = [(t, own) for t, event, *_, own in swarm.events if event == "polled"]
        swarm.events.clear()
        times = [t for t, _ in seen]
        messages = sum(int(own[0]) for _, own in seen)
        say(Asked(min(times, default=0.0), max(times, default=0.0), messages, sum(map(bool, failures))))


async def main(config: dict[str, Any]) -> None:
    """Obey the calibration until standard input closes."""
    gc.set_threshold(*YOUNG_GARBAGE)
    gc.freeze()
    clients = PollBenchClients(config)
    say(Ready())
    await obey(on(Ask, clients.ask) | on(Nothing, lambda order: None))


if __name__ == "__main__":
    run(main(configuration(dict[str, Any])))
