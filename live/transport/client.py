"""Clients that poll, many in one process.

Run as `python -m live.transport.client`. The life of each client is the one in `sim/transport/client.py`; the decisions
come from `twin.rules`, the random numbers from `twin.draws`. Each has a connection of its own to the balancer, which
stays open between two requests, as that of a browser does.
"""

import asyncio
import gc
import time
from collections.abc import Coroutine, Mapping
from math import inf
from typing import Any

import aiohttp
from yarl import URL

from live.broadcast import wire
from live.client.following import follow
from live.control.given import configuration
from live.control.messages import Orders
from live.control.noted import Event
from live.control.running import run
from live.machine.timing import Timers
from live.node.asyncio_runtime import YOUNG_GARBAGE
from twin.draws import Purpose, uniform
from twin.rules.backoff import Backoff, Reconnect
from twin.rules.delivery import Message, Position, RecoveryAnswer
from twin.rules.poll_wire import request_head, target_of
from twin.rules.polling import first_poll, next_poll
from twin.scenario.addresses import source_address

UNSAID = ("User-Agent", "Accept", "Accept-Encoding")
"""Headers that the library would send by itself: what a request has is in `twin.rules.poll_wire`."""
IDLE = 60.0
"""Seconds for which a connection without a request is kept, beside twice the time between two."""


class PollingSwarm:
    """What the clients of one process share; see `live.client.following.Following`."""

    def __init__(self, config: dict[str, Any]) -> None:
        polls = config["polls"]
        self.every: float = polls["every"]
        self.held: float = polls["held"]
        self.cursor: bool = polls["cursor"]
        self.host = f"127.0.0.1:{config['port']}"
        self.seed: int = config["seed"]
        self.replication: int = config["replication"]
        self.addresses: int = config["addresses"]
        self.timeout = aiohttp.ClientTimeout(total=config["open_timeout"] + self.held, ceil_threshold=inf)
        self.reconnect = Reconnect(**config["reconnect"])
        self.orders: Orders = {}
        self.arrivals: Mapping[int, float] = {}
        self.events: list[Event] = []
        self.timers = Timers()
        self.start = 0.0
        self.awaited: int = config["count"]
        self.all_connected = asyncio.Event()
        self.clients = [PollingClient(self, config["first"] + i) for i in range(config["count"])]

    def work(self) -> list[Coroutine[Any, Any, None]]:
        """Return nothing: all that goes on is the clients' lives."""
        return []

    def draw(self, client: int, purpose: Purpose, n: int) -> float:
        """Return the uniform number that the simulated client of the same number draws."""
        return uniform(self.seed, self.replication, client, purpose, n)

    def note(self, event: str, client: int, node: int = -1, attempt: int = -1, detail: str = "") -> None:
        """Append one event at the present time."""
        self.events.append((time.monotonic(), event, client, node, attempt, -1, detail))

    def connected(self) -> None:
        """A client has been answered for the first time."""
        self.awaited -= 1
        if self.awaited == 0:
            self.all_connected.set()


class PollingClient:
    """One client that asks. It counts as connected from its first answer until a request fails.

    Attributes:
        position: what it has applied.
        home: number of the node that answered first since it was away.
    """

    def __init__(self, swarm: PollingSwarm, number: int) -> None:
        self.swarm = swarm
        self.number = number
        self.position = Position(swarm.cursor)
        self.backoff = Backoff(swarm.reconnect)
        self.attempts = 0
        self.draws = 0
        self.home = -1
        self.since = 0.0
        self._session: aiohttp.ClientSession | None = None

    @property
    def session(self) -> aiohttp.ClientSession:
        """What has the client's connection; it is made in the loop."""
        if self._session is None:
            swarm = self.swarm
            address = (source_address(self.number, swarm.addresses), 0) if swarm.addresses > 1 else None
            keep = 2.0 * swarm.every + IDLE
            self._session = aiohttp.ClientSession(
                connector=aiohttp.TCPConnector(limit=1, keepalive_timeout=keep, local_addr=address),
                cookie_jar=aiohttp.DummyCookieJar(),
                skip_auto_headers=UNSAID,
                timeout=swarm.timeout,
                auto_decompress=False,
            )
        return self._session

    async def live(self, start: float) -> None:
        """Connect at `start`, ask again and again, and come back when nobody answers."""
        swarm, every = self.swarm, self.swarm.every
        await swarm.timers.until(start, "connect")
        if not await self.come_back(0.0):
            return
        swarm.connected()
        due = swarm.start + first_poll(swarm.draw(self.number, Purpose.POLL_PHASE, 0), every) if every else 0.0
        while True:
            if due > time.monotonic():
                await swarm.timers.until(due, "poll")
            reason = await self.poll()
            if not reason:
                due = next_poll(due, time.monotonic(), every)
                continue
            swarm.note("disconnected", self.number, self.home, detail=reason)
            wait = self.backoff.after_loss(time.monotonic() - self.since, self.draw())
            if not await self.come_back(wait):
                return
            due = next_poll(self.since, self.since, every)

    async def come_back(self, wait: float | None) -> bool:
        """Try until a request is answered; False when the client gives up."""
        swarm = self.swarm
        while wait is not None:
            if wait > 0:
                await swarm.timers.until(time.monotonic() + wait, "reconnect")
            self.attempts += 1
            swarm.note("attempt_connect", self.number, attempt=self.attempts)
            reason = await self.poll(again=True)
            if not reason:
                self.since = time.monotonic()
                return True
            swarm.note("connect_failed", self.number, attempt=self.attempts, detail=reason)
            wait = self.backoff.after_failure(self.draw())
        swarm.note("gave_up", self.number, attempt=self.attempts)
        return False

    async def poll(self, again: bool = False) -> str:
        """Ask once and take the answer; return why there was none, or an empty text.

        Args:
            again: whether the client was away; then the node is not to hold the request.
        """
        swarm = self.swarm
        position = (self.position.epoch, self.position.version) if swarm.cursor else None
        target = target_of(position, waits=swarm.held > 0.0 and not again)
        try:
            async with self.session.get(URL(f"http://{swarm.host}{target}", encoded=True)) as response:
                body = await response.read()
        except TimeoutError:
            return "timeout"
        except aiohttp.ClientConnectorError:
            return "refused"
        except (aiohttp.ClientError, OSError):
            return "reset"
        if response.status != 200:
            return str(response.status)
        node = int(response.headers["X-Node"])
        if again:
            self.home = node
            swarm.note("connected", self.number, node, self.attempts)
        size = len(request_head(target, swarm.host)) + head_bytes(response) + len(body)
        self.take(wire.read_answer(body), node, size)
        return ""

    def take(self, found: RecoveryAnswer, node: int, size: int) -> None:
        """Apply what has come."""
        swarm, number = self.swarm, self.number
        append, now = swarm.events.append, time.monotonic()
        append((now, "polled", number, node, -1, -1, (len(found.messages), size)))
        if not swarm.cursor:
            for message in found.messages:
                self.arrive(message, node)
            return
        answered = self.position.answer(found)
        if answered.snapshot:
            append((now, "recovered", number, node, -1, found.version, (found.epoch, "snapshot")))
        for one in answered.deliver:
            append((now, "delivered", number, node, -1, one.version, (one.epoch, one.key)))

    def arrive(self, message: Message, node: int) -> None:
        """Apply a message that came without a cursor."""
        epoch = self.position.epoch
        arrival = self.position.arrive(message)
        append, now, number = self.swarm.events.append, time.monotonic(), self.number
        if arrival.kind != "next":
            name = (message.epoch, message.key, arrival.kind)
            append((now, "received", number, node, -1, message.version, name))
        if arrival.gap:
            append((now, "gap", number, node, -1, arrival.gap, (epoch, message.epoch, message.version)))
        for one in arrival.deliver:
            append((now, "delivered", number, node, -1, one.version, (one.epoch, one.key)))

    def draw(self) -> float:
        """Return this client's next uniform number for its reconnect policy."""
        self.draws += 1
        return self.swarm.draw(self.number, Purpose.RECONNECT, self.draws - 1)


def head_bytes(response: aiohttp.ClientResponse) -> int:
    """Return the bytes of an answer's head as they came."""
    line = f"HTTP/1.1 {response.status} {response.reason}\r\n"
    return len(line) + sum(len(name) + len(value) + len(": \r\n") for name, value in response.raw_headers) + 2


async def main(config: dict[str, Any]) -> None:
    """Obey the lab until standard input closes."""
    gc.set_threshold(*YOUNG_GARBAGE)
    gc.freeze()
    await follow(PollingSwarm(config), config["connect_rate"])


if __name__ == "__main__":
    run(main(configuration(dict[str, Any])))
