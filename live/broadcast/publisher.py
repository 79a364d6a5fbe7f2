"""The process that broadcasts: one message at a time, on schedule; it counts acknowledgements and sends again.

Run as `python -m live.broadcast.publisher`. It says so when all nodes are registered (`Ready`), begins when
it is told (`Publish`), and writes its events (`Finish`). The decisions are those of `twin.rules.consistency`.
"""

import asyncio
import contextlib
import json
import logging
import time
from pathlib import Path
from typing import Any

from live.broadcast.kinds import publisher_end
from live.broadcast.link import UnansweredError, keep_alive
from live.broadcast.messages import Publish
from live.codec.codecs import codec_of
from live.control.given import configuration
from live.control.messages import Done, Finish, Nothing, Ready, on
from live.control.noted import Event, Own
from live.control.running import run
from live.control.stdio import obey, say
from live.machine.timing import Timers
from twin.rules.batching import Departure, departures
from twin.rules.chat import TEXTS, chat
from twin.rules.codecs import NO_CODEC, filling
from twin.rules.consistency import MOST_UNCLAIMED, LeasedNodes, Ledger, Pending, publish_times
from twin.rules.delivery import Message


class Publisher:
    """Publishes, waits for acknowledgements, sends again.

    Args:
        config: kind of the bus and access to it, lease, nodes, rate, start, stop and messages (see `publish_times`),
            payload_bytes, codec, batch (count and window, or None), threshold, ack_timeout, max_resends.
    """

    def __init__(self, config: dict[str, Any]) -> None:
        self.bus = publisher_end(config)
        self.registry = LeasedNodes(config["lease"])
        self.ledger = Ledger(config["threshold"], config["ack_timeout"], config["max_resends"])
        self.nodes: int = config["nodes"]
        times = publish_times(config["rate"], config["start"], config["stop"], config["messages"])
        batch = config.get("batch") or {"count": 1, "window": 1.0}
        self.batches = departures(times, **batch)
        self.size: int = config["payload_bytes"]
        self.codec = codec_of(config.get("codec", NO_CODEC))
        if self.codec is not None:
            for number in range(1, min(TEXTS, len(times)) + 1):
                chat(number, self.size)  # an application has its texts: to make them is none of the codec's work
        self.events: list[Event] = []
        self.under_way: tuple[float, list[int], int, int] | None = None
        self.unclaimed: list[tuple[int, int, int]] = []
        self.complete = asyncio.Event()
        self.changed = asyncio.Event()
        self.timers, self.start = Timers(), 0.0
        self._tasks: list[asyncio.Task[None]] = []

    def note(self, t: float, event: str, version: int, own: Own, node: int = -1, attempt: int = -1) -> None:
        """Note an event at the monotonic time `t`."""
        self.events.append((t, event, -1, node, attempt, version, own))

    def listen(self) -> None:
        """Subscribe to what nodes say, and look after what is pending."""
        self._tasks = [keep_alive(one) for one in (self.bus.hearing(self.hear), self.look_after())]

    def hear(self, channel: bytes, data: bytes) -> None:
        """Take a node's word: `alive N`, `bye N` or `ack N EPOCH VERSION`."""
        words = data.decode().split()
        node, now = int(words[1]), time.monotonic()
        if words[0] == "bye":
            self.registry.leave(node)
        else:
            self.registry.renew(node, now)
        members = self.registry.members(now)
        if len(members) >= self.nodes:
            self.complete.set()
        if words[0] == "ack":
            self.count(node, int(words[2]), int(words[3]), now)
        else:
            self.settle(now)

    def count(self, node: int, epoch: int, version: int, now: float) -> None:
        """Count an acknowledgement; one that comes before the broker's own answer is kept until then."""
        counted = self.ledger.acknowledge(node, epoch, version, self.registry.members(now))
        if counted.message is None:
            if self.under_way is not None and len(self.unclaimed) < MOST_UNCLAIMED:
                self.unclaimed.append((node, epoch, version))
            return
        named = (epoch, counted.message.key)
        if counted.first:
            self.note(now, "acked", version, named, node)
        if counted.consistent:
            self.note(now, "consistent", version, named)

    def settle(self, now: float) -> None:
        """See which messages are consistent because the members have changed; they may have left in silence."""
        for message in self.ledger.view(self.registry.members(now)):
            self.note(now, "consistent", message.version, (message.epoch, message.key))
        self.changed.set()

    async def publish_all(self, start: float) -> None:
        """Publish every message or batch when it is due, or as soon after that as the bus lets us."""
        for number, batch in enumerate(self.batches, 1):
            await self.timers.until(start + batch.at, "publish")
            await self.publish(number, self.payload(batch))

    def payload(self, batch: Departure) -> bytes:
        """Return what messages that leave together hold."""
        if self.codec is None:
            return filling(batch.count * self.size)
        return self.codec.encode([chat(n, self.size) for n in range(batch.first, batch.first + batch.count)])

    async def publish(self, number: int, payload: bytes) -> None:
        """Publish one message, with its number as idempotency key."""
        asked, tries = time.monotonic(), [0]
        registered = self.registry.members(asked)
        self.under_way = (asked, tries, number, len(registered))
        try:
            stamp = await self.bus.stamp(number, payload, tries)
        except UnansweredError:
            self.under_way = None
            self.note(asked, "published", -1, (0, number, "unknown", len(registered)), attempt=tries[0])
            return
        self.under_way = None
        message = stamp.message
        own = (message.epoch, number, "acknowledged", len(registered))
        self.note(asked, "published", message.version, own, attempt=tries[0])
        now = time.monotonic()
        self.ledger.publish(number, message.epoch, message.version, payload, registered, now)
        unclaimed, self.unclaimed = self.unclaimed, []
        for one in unclaimed:
            self.count(*one, now)
        self.changed.set()

    async def look_after(self) -> None:
        """Send again what is due, and drop members whose lease has run out."""
        while True:
            now = time.monotonic()
            dues = [due for due in (self.ledger.next_due(), self.registry.next_expiry()) if due is not None]
            if not dues or min(dues) > now:
                self.changed.clear()
                try:
                    async with asyncio.timeout(max(0.001, min(dues) - now) if dues else None):
                        await self.changed.wait()
                except TimeoutError:
                    pass
                continue
            if self.registry.expire(now):
                self.settle(now)
            for message in self.ledger.due(now):
                await self.resend(message)

    async def resend(self, message: Pending) -> None:
        """Send a message to all nodes again."""
        named = (message.epoch, message.key)
        self.note(time.monotonic(), "resent", message.version, named, attempt=message.resends)
        again = Message(message.epoch, message.version, message.key, message.payload)
        with contextlib.suppress(UnansweredError):
            await self.bus.again(again)

    def finish(self) -> list[Event]:
        """Return all events; a message whose publish is under way has an unknown outcome."""
        if self.under_way is not None:
            asked, tries, number, registered = self.under_way
            self.note(asked, "published", -1, (0, number, "unknown", registered), attempt=max(1, tries[0]))
            self.under_way = None
        return self.events


async def main(config: dict[str, Any]) -> None:
    """Obey the lab until standard input closes."""
    publisher = Publisher(config)
    publisher.listen()
    asyncio.ensure_future(publisher.complete.wait()).add_done_callback(lambda _: say(Ready()))
    tasks: list[asyncio.Task[None]] = []

    def publish(order: Publish) -> None:
        publisher.start = order.start
        tasks.append(keep_alive(publisher.publish_all(order.start)))

    def finish(order: Finish) -> None:
        for task in tasks:
            task.cancel()
        events = publisher.finish()
        Path(order.path).write_text(json.dumps(events))
        say(Done(len(events), publisher.timers.lateness(publisher.start)))

    await obey(on(Publish, publish) | on(Finish, finish) | on(Nothing, lambda order: None))


if __name__ == "__main__":
    logging.getLogger("websockets").setLevel(logging.CRITICAL)
    run(main(configuration(dict[str, Any])))
