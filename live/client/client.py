"""A swarm: many real WebSocket clients in one process.

Run as `python -m live.client.client`. The life of each client is the one in `sim/client/client.py`; the decisions come
from `twin.rules`, the random numbers from `twin.draws`.
"""

import asyncio
import gc
import logging
import time
from collections.abc import Callable, Coroutine, Iterable, Mapping
from typing import Any, TypeVar

from websockets.asyncio.client import ClientConnection, connect
from websockets.exceptions import ConnectionClosed, InvalidHandshake, InvalidStatus
from websockets.http11 import Response

from live.client.building import equip
from live.client.connection import Inlet, taker
from live.client.following import follow
from live.client.messages import SetStall
from live.client.part import ClientPart, Next, Take
from live.control.given import configuration
from live.control.messages import on
from live.control.noted import Event
from live.control.running import run
from live.machine.timing import Timers
from live.node.asyncio_runtime import YOUNG_GARBAGE
from twin.draws import Purpose, uniform
from twin.rules.backoff import Backoff, Reconnect
from twin.rules.heartbeat import Heartbeat, next_ping
from twin.rules.idle import Adaptive
from twin.scenario.addresses import ATTEMPT, CLIENT_ID, source_address

SomePart = TypeVar("SomePart", bound=ClientPart)


class Swarm:
    """What the clients of one process share: settings, the list of events, and what mechanisms have added.

    Attributes:
        orders: what the lab may order, made by `live.control.messages.on`.
        arrivals: when those connect that come in the run, in seconds after its start, by number.
    """

    def __init__(self, config: dict[str, Any]) -> None:
        self.arrivals: Mapping[int, float] = {}
        self.uri = f"ws://127.0.0.1:{config['port']}/"
        self.seed: int = config["seed"]
        self.replication: int = config["replication"]
        self.open_timeout: float = config["open_timeout"]
        self.reconnect = Reconnect(**config["reconnect"])
        self.heartbeat = Heartbeat(**config["heartbeat"])
        self.addresses: int = config["addresses"]
        self.named: bool = config.get("named", False)
        self.orders = on(SetStall, lambda order: self.stall(order.number, order.on))
        self.clients: list[Client] = []
        self._makers: list[Callable[[Client], ClientPart]] = []
        self.make(range(config["first"], config["first"] + config["count"]))
        self.start = 0.0
        self.timers = Timers()
        self.events: list[Event] = []
        self.awaited = len(self.clients)
        self.all_connected = asyncio.Event()

    def make(self, numbers: Iterable[int]) -> "list[Client]":
        """Return further clients, with all that mechanisms have added."""
        made = [Client(self, number) for number in numbers]
        for make in self._makers:
            for client in made:
                client.add(make(client))
        self.clients += made
        return made

    def equip(self, make: "Callable[[Client], ClientPart]") -> None:
        """Add a mechanism to each client, those that are made later included."""
        self._makers.append(make)
        for client in self.clients:
            client.add(make(client))

    def come_later(self, times: Mapping[int, float]) -> None:
        """Let some clients connect only in the run, by their numbers, at times in seconds after its start."""
        self.arrivals = times
        for client in self.clients:
            if client.number in times:
                client.first_ping = False
                self.awaited -= 1
        if self.awaited == 0:
            self.all_connected.set()

    def work(self) -> "list[Coroutine[Any, Any, None]]":
        """Return what the clients' parts do by themselves."""
        parts = (part for client in self.clients for part in client.parts)
        return [part.run() for part in parts if type(part).run is not ClientPart.run]

    def note(self, event: str, client: int, node: int = -1, attempt: int = -1, detail: str = "") -> None:
        """Append one event; the time is CLOCK_MONOTONIC, one clock for the host."""
        self.events.append((time.monotonic(), event, client, node, attempt, -1, detail))

    def stall(self, number: int, stalled: bool) -> None:
        """Let one client stop reading, or go on."""
        for client in self.clients:
            if client.number == number:
                client.stall(stalled)

    def draw(self, client: int, purpose: Purpose, n: int) -> float:
        """Return the uniform number that the simulated client of the same number draws."""
        return uniform(self.seed, self.replication, client, purpose, n)


class Client:
    """One client, from its first connection until the swarm ends or it gives up.

    Attributes:
        parts: what mechanisms have added.
        stalled: whether it does not read its connection.
    """

    def __init__(self, swarm: Swarm, number: int) -> None:
        self.swarm = swarm
        self.number = number
        self.attempts = 0
        self.draws = 0
        self.backoff = Backoff(swarm.reconnect)
        self.first_ping = True
        self.missed = False
        beat = swarm.heartbeat
        self.adaptive = Adaptive.of(beat.interval, beat.max_interval) if beat.max_interval else None
        self.last_heard = 0.0
        self.options: dict[str, Any] = {}
        if swarm.addresses > 1:
            self.options["local_addr"] = (source_address(number, swarm.addresses), 0)
        self.barred = False
        self.told_wait: float | None = None
        self.stalled = False
        self.connection: ClientConnection | None = None
        self.parts: tuple[ClientPart, ...] = ()
        self._before_connect: tuple[Callable[[dict[str, str]], None], ...] = ()
        self._connected: tuple[tuple[ClientPart, Callable[[ClientConnection, int], Take | None]], ...] = ()
        self._refused: tuple[Callable[[Response], Next | None], ...] = ()
        self._disconnected: tuple[Callable[[], None], ...] = ()

    def add(self, part: ClientPart) -> None:
        """Add a mechanism; of its extension points only those that it overrides are called."""
        self.parts += (part,)
        self.options |= part.options
        kind = type(part)
        if kind.before_connect is not ClientPart.before_connect:
            self._before_connect += (part.before_connect,)
        if kind.connected is not ClientPart.connected:
            self._connected += ((part, part.connected),)
        if kind.refused is not ClientPart.refused:
            self._refused += (part.refused,)
        if kind.disconnected is not ClientPart.disconnected:
            self._disconnected += (part.disconnected,)

    def part(self, kind: type[SomePart]) -> SomePart | None:
        """Return what a mechanism has added, by its class; None if it has added nothing."""
        return next((one for one in self.parts if isinstance(one, kind)), None)

    async def live(self, start: float) -> None:
        """Connect at `start`, stay connected, and come back after every loss."""
        swarm = self.swarm
        await swarm.timers.until(start, "connect")
        while True:
            connection = await self.attempt()
            wait = self.next_wait(None if connection is None else await self.stay(connection))
            if wait is None:
                swarm.note("gave_up", self.number, attempt=self.attempts)
                return
            if wait > 0:
                await swarm.timers.until(time.monotonic() + wait, "reconnect")

    def next_wait(self, lasted: float | None) -> float | None:
        """Return the seconds until the next attempt, or None to give up.

        Args:
            lasted: seconds that the connection lasted which was lost; None after an attempt that failed.
        """
        if lasted is not None:
            return self.backoff.after_loss(lasted, self.draw())
        wait = None if self.barred else self.backoff.after_failure(self.draw())
        told, self.told_wait = self.told_wait, None
        return wait if wait is None or told is None else told

    async def attempt(self) -> ClientConnection | None:
        """Try once to connect."""
        swarm = self.swarm
        self.attempts += 1
        swarm.note("attempt_connect", self.number, attempt=self.attempts)
        refusal, headers = None, dict[str, str]()
        if swarm.named:
            headers |= {CLIENT_ID: str(self.number), ATTEMPT: str(self.attempts)}
        for before_connect in self._before_connect:
            before_connect(headers)
        try:
            connection = await connect(
                swarm.uri,
                open_timeout=swarm.open_timeout,
                close_timeout=swarm.heartbeat.close_timeout,
                compression=None,
                ping_interval=None,
                proxy=None,
                additional_headers=headers,
                **self.options,
            )
        except InvalidStatus as error:
            reason, refusal = str(error.response.status_code), error.response
        except TimeoutError:
            reason = "timeout"
        except ConnectionRefusedError:
            reason = "refused"
        except (OSError, InvalidHandshake, EOFError, ConnectionClosed):  # closed before the request was sent
            reason = "reset"
        else:
            assert connection.response is not None
            node = int(connection.response.headers["X-Node"])
            swarm.note("connected", self.number, node=node, attempt=self.attempts)
            if self.number not in swarm.arrivals:
                swarm.awaited -= 1
            if swarm.awaited == 0:
                swarm.all_connected.set()
            self._opened(connection, node)
            return connection
        swarm.note("connect_failed", self.number, attempt=self.attempts, detail=reason)
        if refusal is not None and self._refused:
            then = next((decided for refused in self._refused if (decided := refused(refusal)) is not None), "retry")
            if then == "at once":
                return await self.attempt()
            self.barred = then == "stop"
            self.told_wait = then if isinstance(then, float) else None
        return None

    def _opened(self, connection: ClientConnection, node: int) -> None:
        """Let the parts have a connection that has opened."""
        self.connection = connection
        takers = [(part, take) for part, connected in self._connected if (take := connected(connection, node))]
        if isinstance(connection, Inlet):
            connection.hand_over(taker(takers))
        else:
            assert not takers, "who takes frames needs an Inlet"
        if self.stalled:
            connection.transport.pause_reading()

    def stall(self, stalled: bool) -> None:
        """Stop reading, or go on."""
        self.stalled = stalled
        connection = self.connection
        if connection is not None and not connection.transport.is_closing():
            if stalled:
                connection.transport.pause_reading()
            else:
                connection.transport.resume_reading()

    async def stay(self, connection: ClientConnection) -> float:
        """Hold the connection until it is lost, by a close, a broken peer or a missed heartbeat.

        Returns:
            The seconds that it lasted.
        """
        swarm = self.swarm
        since = time.monotonic()
        assert connection.response is not None
        node = int(connection.response.headers["X-Node"])
        self.missed = False
        self.last_heard = time.monotonic()
        keepalive = asyncio.ensure_future(self.keepalive(connection, node)) if swarm.heartbeat.interval else None
        await connection.wait_closed()
        if keepalive is not None:
            keepalive.cancel()
        self.connection = None
        for disconnected in self._disconnected:
            disconnected()
        reason = "heartbeat" if self.missed else str(connection.close_code)
        if self.adaptive is not None and reason == "1006":
            self.adaptive.broke(time.monotonic() - self.last_heard)
        swarm.note("disconnected", self.number, node=node, detail=reason)
        return time.monotonic() - since

    async def keepalive(self, connection: ClientConnection, node: int) -> None:
        """Ping at the heartbeat's interval and drop the connection when a pong does not come in time.

        The first ping of the first connection comes a random part of the interval after the start of the run, as if
        the client had been connected for long.
        """
        beat, adaptive = self.swarm.heartbeat, self.adaptive
        interval = beat.interval if adaptive is None else adaptive.interval
        wait, full = interval, True
        if self.first_ping:
            self.first_ping = full = False
            wait = self.swarm.start + wait * self.swarm.draw(self.number, Purpose.PING_PHASE, 0) - time.monotonic()
        try:
            while True:
                await self.swarm.timers.until(time.monotonic() + wait, "ping")
                sent = self.last_heard = time.monotonic()
                pong = await connection.ping()
                async with asyncio.timeout(beat.timeout):
                    await pong
                if adaptive is not None:
                    interval = adaptive.answered() if full else adaptive.interval
                wait, full = next_ping(interval, time.monotonic() - sent), True
        except TimeoutError:
            self.missed = True
            self.swarm.note("heartbeat_missed", self.number, node=node)
        except ConnectionClosed:
            await asyncio.sleep(3600)  # `stay` has seen the close and cancels this task
        if beat.close_timeout > 0:
            await connection.close(1011)
        connection.transport.abort()

    def draw(self) -> float:
        """Return this client's next uniform number for its reconnect policy."""
        self.draws += 1
        return self.swarm.draw(self.number, Purpose.RECONNECT, self.draws - 1)


async def main(config: dict[str, Any]) -> None:
    """Obey the lab until standard input closes; what may be ordered beside what is here is that of the mechanisms."""
    gc.set_threshold(*YOUNG_GARBAGE)
    gc.freeze()
    swarm = Swarm(config)
    equip(swarm, config)
    await follow(swarm, config["connect_rate"])


if __name__ == "__main__":
    logging.getLogger("websockets").setLevel(logging.CRITICAL)
    run(main(configuration(dict[str, Any])))
