"""How a node stays in the registry: it registers, gives signs of life, registers anew when it came too late.

A node whose slot was given to somebody else is fenced: it ends, because its clients belong elsewhere.
"""

import asyncio
import contextlib
import time
from collections.abc import Awaitable, Callable
from typing import Any

from live.control.address import Address
from live.control.resp import BROKEN, ReplyError, RespConnection
from live.registry.scripts import SCRIPTS, Slots, replied
from twin.rules.lifetime import give_away, surplus
from twin.rules.registry import next_sign

ANSWER_WITHIN = 2.0
"""Seconds that the registry has for an answer."""
AGAIN = 0.02
"""Seconds between two attempts to reach the registry."""


async def open_link(address: Address, name: str) -> RespConnection:
    """Return a connection to the registry that knows its scripts.

    Raises:
        LinkLostError, OSError, TimeoutError, RefusedError: it did not work.
    """
    link = await RespConnection.open(address, name, ANSWER_WITHIN)
    try:
        for text in SCRIPTS.values():
            await link.ask(ANSWER_WITHIN, "SCRIPT", "LOAD", text)
    except BaseException:
        link.abort()
        raise
    return link


class Membership:
    """One node's place in the registry.

    Args:
        number: the node's slot.
        config: address of the registry, slots, own address and version, heartbeat, rebalance (pace and slack, or None).
        connections: counts the node's connections.
        shed: closes so many connections at so many a second.
        fenced: called when the slot is somebody else's.
    """

    def __init__(
        self,
        number: int,
        config: dict[str, Any],
        connections: Callable[[], int],
        shed: Callable[[int, float], Awaitable[None]],
        fenced: Callable[[], None],
    ) -> None:
        self.number = number
        self.address = Address(**config["address"])
        self.slots = Slots(**config["slots"])
        self.own: str = config["own"]
        self.version: str = config["version"]
        self.every: float = config["heartbeat"]
        self.rebalance: dict[str, float] | None = config["rebalance"]
        self.connections = connections
        self.shed = shed
        self.fenced = fenced
        self.grid = 0.0
        self.moved = asyncio.Event()
        self.generation = 0
        self.link: RespConnection | None = None
        self.used = 0.0
        self.shedding: asyncio.Future[None] | None = None

    def on_grid(self, first: float) -> None:
        """Give the signs of life at `first` on the monotonic clock and whole intervals before and after it.

        With none before the second of them anything is given away: by then all others have told what they hold.
        """
        self.grid = first
        self.moved.set()

    async def keep(self) -> None:
        """Register and give signs of life for ever."""
        await self._register()
        self.grid, due = time.monotonic() + self.every, 0.0
        while True:
            now = time.monotonic()
            due = next_sign(self.grid, self.every, max(now, due))  # a timer may be early by a millisecond
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(self.moved.wait(), due - now)
                self.moved.clear()
                due = 0.0
                continue
            await self._sign()

    async def leave(self) -> None:
        """Give the slot up."""
        with contextlib.suppress(*BROKEN, ReplyError):
            await self._ask(*self.slots.leave(self.number, self.generation))

    def give_up(self) -> None:
        """Give the slot up over the connection that there is, without waiting for the answer."""
        if self.link is not None and not self.link.reason:
            reply = self.link.send(*self.slots.leave(self.number, self.generation))
            reply.add_done_callback(lambda done: done.cancelled() or done.exception())

    async def _sign(self) -> None:
        used, mine = time.process_time(), self.connections()
        cpu, self.used = round(1000 * (used - self.used) / self.every), used
        try:
            verdict, counts = replied(await self._ask(*self.slots.beat(self.number, self.generation, mine, cpu)))
        except (*BROKEN, ReplyError):
            return  # the next sign comes in time, or the lease ends
        if verdict == "replaced":
            self.fenced()
        elif verdict == "expired":
            await self._register()
        elif self.rebalance is not None and time.monotonic() > self.grid + self.every / 2:
            count = give_away(surplus(mine, counts, self.rebalance["slack"]), self.rebalance["pace"], self.every)
            if count:
                self.shedding = asyncio.ensure_future(self.shed(count, self.rebalance["pace"]))

    async def _register(self) -> None:
        while True:
            try:
                command = self.slots.register(self.number, self.own, self.version, self.generation)
                self.generation = int(await self._ask(*command))
            except (*BROKEN, ReplyError):
                await asyncio.sleep(AGAIN)
            else:
                self.used = time.process_time()
                return

    async def _ask(self, *command: Any) -> Any:
        if self.link is None or self.link.reason:
            self.link = await open_link(self.address, f"{self.slots.prefix}node-{self.number}")
        return await self.link.ask(ANSWER_WITHIN, *command)
