"""How a process holds on to the bus: it opens its connections again by the rule, and repeats commands that failed.

The waits are those of `twin.rules.consistency.retry_delay`; a connection that breaks is the first failure, each attempt
to open it that fails is one more, and after `retries` of them a command is given up and a subscriber begins anew.
"""

import asyncio
import os
import traceback
from collections.abc import Awaitable, Callable, Coroutine
from dataclasses import dataclass, replace
from typing import Any

from live.broadcast.broker import SCRIPTS, Command, Topic
from live.control.address import Address
from live.control.resp import BROKEN, LinkLostError, Push, ReplyError, RespConnection, word
from twin.draws import Purpose, uniform
from twin.rules.consistency import next_failure, retry_delay

MOST_BLOCK = 4.0
"""Longest time that a reader lets the broker wait for messages, in seconds; below any usual timeout of a client."""

AGAIN = "again"
"""Role of the connection over which a node that reads a stream hears what is sent again. It has random numbers of its
own: the model has no such connection, and which of the two notices first that it was cut changes no wait of the reader.
"""


class UnansweredError(Exception):
    """The bus did not answer a command, however often it was asked."""


@dataclass
class CommandRetry:
    """The rule of the scenario's `bus.retry` with one process's random numbers."""

    base: float
    cap: float
    retries: int
    timeout: float
    seed: int
    replication: int
    entity: int
    purpose: Purpose = Purpose.BUS_RETRY
    drawn: int = 0

    async def wait(self, failures: int) -> None:
        """Sleep before the try that follows so many failures."""
        u = uniform(self.seed, self.replication, self.entity, self.purpose, self.drawn)
        self.drawn += 1
        await asyncio.sleep(retry_delay(failures, self.base, self.cap, u))


@dataclass(frozen=True)
class Access:
    """What a process needs to know of the bus."""

    address: Address
    topic: Topic
    retry: CommandRetry
    name: str
    """Begins the names that the process gives its connections."""

    @classmethod
    def of(cls, config: dict[str, Any], entity: int) -> "Access":
        """Return what the lab's configuration says; `entity` is the node's number, 0 for the publisher."""
        retry = CommandRetry(**config["retry"], seed=config["seed"], replication=config["replication"], entity=entity)
        topic = Topic(**config["topic"])
        name = topic.prefix + (f"node-{entity}" if entity else "publisher")
        return cls(Address(**config["address"]), topic, retry, name)

    async def open(self, role: str, push: Push | None = None) -> RespConnection:
        """Open one connection that knows the scripts.

        Raises:
            LinkLostError, OSError, TimeoutError, RefusedError: it did not work.
        """
        link = await RespConnection.open(self.address, f"{self.name}-{role}", self.retry.timeout, push)
        try:
            async with asyncio.timeout(self.retry.timeout):
                await asyncio.gather(*(link.send("SCRIPT", "LOAD", text) for text in SCRIPTS.values()))
        except BaseException:
            link.abort()
            raise
        return link

    async def keep(
        self,
        role: str,
        talk: Callable[[RespConnection, Callable[[], None]], Awaitable[None]],
        push: Push | None = None,
        lost: Callable[[str], None] = lambda reason: None,
        joined: Callable[[], None] = lambda: None,
    ) -> None:
        """Talk over a connection for ever, and open it again whenever it breaks.

        Args:
            role: ends the connection's name.
            talk: uses the connection until it breaks; calls its second argument once it is fully set up.
            push: receives what is published.
            lost: called with a word when a connection that was set up breaks.
            joined: called each time when it is set up.
        """
        failures, up = 0, False
        retry = replace(self.retry, purpose=Purpose.BUS_AGAIN, drawn=0) if role == AGAIN else self.retry

        def ready() -> None:
            nonlocal failures, up
            failures, up = 0, True
            joined()

        while True:
            link = None
            try:
                link = await self.open(role, push)
                await talk(link, ready)
            except (*BROKEN, ReplyError) as error:
                if up:
                    lost(word(error))
                up = False
                failures = next_failure(failures, retry.retries)
                await retry.wait(failures)
            finally:
                if link is not None:
                    link.abort()

    async def subscribe(
        self,
        role: str,
        channels: list[str],
        push: Push,
        lost: Callable[[str], None] = lambda reason: None,
        joined: Callable[[], None] = lambda: None,
    ) -> None:
        """Stay subscribed for ever, at most once: what is published while the connection is down is lost.

        Like redis-py's `listen`, it does not ask whether a silent server is still there.
        """

        async def talk(link: RespConnection, ready: Callable[[], None]) -> None:
            await link.ask(self.retry.timeout, "SUBSCRIBE", *channels)
            ready()
            raise LinkLostError(await link.lost)

        await self.keep(role, talk, push, lost, joined)


class Caller:
    """Sends commands over one connection, with retries: a command is done at least once, or given up.

    Args:
        access: to the bus.
        role: ends the connection's name.
    """

    def __init__(self, access: Access, role: str) -> None:
        self.access = access
        self.role = role
        self.link: RespConnection | None = None
        self._one_at_a_time = asyncio.Lock()

    async def ask(self, commands: list[Command], tries: list[int] | None = None) -> list[Any]:
        """Return the replies to some commands that are sent in one go; errors of the server are among them.

        Args:
            commands: all are repeated when the connection breaks before the last reply.
            tries: its first number counts how often the bus was asked.

        Raises:
            UnansweredError: no try had an answer.
        """
        async with self._one_at_a_time:
            failures = 0
            while True:
                if tries is not None:
                    tries[0] += 1
                try:
                    return await self._once(commands)
                except (*BROKEN, ReplyError) as error:
                    self.close()
                    failures += 1
                    if failures > self.access.retry.retries:
                        raise UnansweredError(word(error)) from None
                    await self.access.retry.wait(failures)

    async def _once(self, commands: list[Command]) -> list[Any]:
        if self.link is None or self.link.reason:
            self.link = await self.access.open(self.role)
        link = self.link
        async with asyncio.timeout(self.access.retry.timeout):
            return await asyncio.gather(*(link.send(*command) for command in commands))

    def close(self) -> None:
        """Drop the connection."""
        if self.link is not None:
            self.link.abort()
            self.link = None


def keep_alive(work: Coroutine[Any, Any, None]) -> "asyncio.Task[None]":
    """Start a task that must not fail: if it does, the process ends with the traceback in its log."""

    def ended(task: "asyncio.Task[None]") -> None:
        if not task.cancelled() and (error := task.exception()) is not None:
            traceback.print_exception(error)
            os._exit(1)

    task = asyncio.ensure_future(work)
    task.add_done_callback(ended)
    return task
