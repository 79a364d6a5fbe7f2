"""A node's end of a NATS server in the hands of a test, and what it is told."""

import asyncio
import time
from typing import Any

from live.broadcast.broker import place
from live.jetstream.subscriber import Consumer, joining

RETRY = {"base": 0.01, "cap": 0.05, "retries": 400, "timeout": 1.0}


def told_of(address: dict[str, Any], stream: dict[str, Any]) -> dict[str, Any]:
    """Return what a process of a run is told of the bus.

    Args:
        address: of the server.
        stream: what is asked of it (`live.jetstream.stream.StreamSettings`).
    """
    told = {"address": address, "topic": {"prefix": "run:1:"}, "stream": stream, "retry": RETRY}
    return told | {"seed": 1, "replication": 0, "lease": 60.0}


class Node:
    """A node's end that keeps what comes, and acknowledges at once, or when it is told to."""

    def __init__(self, config: dict[str, Any], number: int = 1, acknowledges: bool = False) -> None:
        self.number = number
        self.acknowledges = acknowledges
        self.heard: list[tuple[float, int]] = []
        self.epoch = 0
        self.end: Consumer = joining(config, number, self._take, lambda *event: None)
        self.end.start()

    def _take(self, data: bytes) -> None:
        self.epoch, version, _ = place(data)
        self.heard.append((time.monotonic(), version))
        if self.acknowledges:
            self.acknowledge(version)

    @property
    def versions(self) -> list[int]:
        """What has come, in order."""
        return [version for _, version in self.heard]

    async def until(self, count: int) -> None:
        """Wait until so many messages have come, one that came again among them."""
        async with asyncio.timeout(5.0):
            while len(self.heard) < count:
                await asyncio.sleep(0.005)

    async def until_all(self, head: int, within: float = 5.0) -> None:
        """Wait until all versions up to the newest have come."""
        async with asyncio.timeout(within):
            while set(self.versions) != set(range(1, head + 1)):
                await asyncio.sleep(0.02)

    def acknowledge(self, version: int) -> None:
        """Tell the consumer that a message is fanned out."""
        self.end.say("ack", self.number, self.epoch, version)
