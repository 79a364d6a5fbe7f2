"""A node whose handshakes and other work borrow connections of a pool.

Another mechanism of the node uses the store through `NodePool.use`.
"""

import asyncio
import time
from collections.abc import Coroutine
from http import HTTPStatus
from importlib import import_module
from math import inf
from typing import TYPE_CHECKING, Any

from websockets.asyncio.server import ServerConnection
from websockets.http11 import Request, Response

from live.control.messages import on, take
from live.control.noted import Event
from live.control.stdio import say
from live.node.part import NodePart
from live.pool.base import LibraryPool, NoConnectionError, PoolSettings
from live.pool.messages import AskPool, PoolReady, UseFrom
from twin.draws import Purpose, uniform
from twin.rules.pool import drawn_time
from twin.rules.pool_alarms import Alarm, AlarmLimits, PoolWatch

if TYPE_CHECKING:
    from live.node.base import Node

KINDS = {"redis": "live.pool.redis_pool:RedisPool", "postgresql": "live.pool.postgresql_pool:PostgresqlPool"}
"""Store -> module and class of the library's pool; only that of the node is loaded."""


class NodePool(NodePart):
    """The pool of a node.

    Args:
        number: of the node.
        settings: of the lab.
    """

    def __init__(self, number: int, settings: PoolSettings) -> None:
        self.place = number
        self.settings = settings
        self.orders = on(UseFrom, self._begin) | on(AskPool, self._answer)
        self.events: list[Event] = []
        self.begin = inf if settings.begin is None else settings.begin
        self.uses = settings.first
        self.watch = PoolWatch(settings.size, AlarmLimits(**settings.alarms))
        self.leaked: list[Any] = []
        self.ready = asyncio.Event()
        self._tasks = set[asyncio.Task[Any]]()
        module, _, name = KINDS[settings.store].partition(":")
        kind: type[LibraryPool] = getattr(import_module(module), name)
        self.pool = kind(settings, self._opened, self._closed)

    # Its life

    def started(self) -> None:
        """Open the pool; uses come from the begin on."""
        self._keep(self._start())

    async def _start(self) -> None:
        await self.pool.start()
        self.ready.set()
        if self.begin < inf:
            self._keep(self._come())

    def _begin(self, order: UseFrom) -> None:
        self.begin = order.begin
        self._keep(self._come())

    async def _answer(self, order: AskPool) -> None:
        """Wait until the pool is open, and say so."""
        await self.ready.wait()
        say(PoolReady(time.monotonic()))

    def _keep(self, work: Coroutine[Any, Any, Any]) -> None:
        task = asyncio.ensure_future(work)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    # What borrows

    def admit(self, connection: ServerConnection, request: Request) -> "Coroutine[Any, Any, Response | None] | None":
        """Use the store for a handshake of the run; it is refused if that fails."""
        if not self.settings.handshake or time.monotonic() < self.begin:
            return None
        return self._admit(connection)

    async def _admit(self, connection: ServerConnection) -> Response | None:
        failure = await self.use()
        return connection.respond(HTTPStatus.SERVICE_UNAVAILABLE, f"{failure}\n") if failure else None

    async def _come(self) -> None:
        """Let uses come at the times of a Poisson process, those of the model."""
        rate, index, due = self.settings.rate, self.settings.first, max(self.begin, time.monotonic())
        while rate:
            due += drawn_time("exponential", 1.0 / rate, self._draw(Purpose.POOL_ARRIVAL, index))
            index += 1
            await asyncio.sleep(max(0.0, due - time.monotonic()))
            self._keep(self.use())

    async def use(self) -> str:
        """Borrow a connection, ask the store, and give it back; return why that failed, or an empty text."""
        settings, number = self.settings, self.uses
        self.uses += 1
        self._note("borrow_asked", number, self.watch.asked)
        try:
            connection = await self.pool.borrow()
        except NoConnectionError as error:
            self._note("borrow_failed", number, self.watch.failed, error.reason)
            return error.reason
        except asyncio.CancelledError:
            self._note("borrow_failed", number, self.watch.failed, "gone")
            raise
        self._note("borrowed", number, self.watch.borrowed)
        works = False
        try:
            service = settings.service
            u = self._draw(Purpose.POOL_SERVICE, number)
            works = await self.pool.ask(connection, drawn_time(service["distribution"], service["mean"], u))
        finally:
            if settings.leak and self._draw(Purpose.POOL_LEAK, number) < settings.leak:
                self.leaked.append(connection)
                self.events.append((time.monotonic(), "leaked", -1, self.place, -1, number, ""))
            else:
                self._note("given_back", number, self.watch.given_back, "" if works else "broken")
                await self.pool.give_back(connection, works)
        return "" if works else "broken"

    # What it notes

    def _draw(self, purpose: Purpose, n: int) -> float:
        return uniform(self.settings.seed, self.settings.replication, self.place, purpose, n)

    def _note(self, event: str, use: int, watch: Any, own: str = "") -> None:
        now = time.monotonic()
        self._raise(watch(now, use))
        self.events.append((now, event, -1, self.place, -1, use, own))

    def _opened(self) -> None:
        if time.monotonic() >= self.begin:
            self.events.append((time.monotonic(), "pool_opened", -1, self.place, -1, -1, ""))

    def _closed(self, reason: str) -> None:
        self.events.append((time.monotonic(), "pool_closed", -1, self.place, -1, -1, reason))

    def _raise(self, alarms: list[Alarm]) -> None:
        for t, kind, use in alarms:
            self.events.append((t, "pool_alarm", -1, self.place, -1, use, kind))

    def finish(self) -> list[Event]:
        """Return what was noted, the last alarms included."""
        self._raise(self.watch.until(time.monotonic()))
        return self.events


def attach(node: "Node", config: dict[str, Any]) -> None:
    """Add it to a node."""
    node.add(NodePool(node.number, take(config["pool"], PoolSettings, "pool")))
