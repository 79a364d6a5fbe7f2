"""A node's end of a Redis-protocol bus: it reads messages by subscription or with a cursor, acknowledges, and asks what
came before a client.

Source: `twin.rules.delivery.Cursor` for how a cursor goes on after a lost connection and into a new epoch.
"""

from collections.abc import Callable, Coroutine, Sequence
from typing import Any

from live.broadcast.broker import Command, followed, place, recovery
from live.broadcast.link import AGAIN, MOST_BLOCK, Access, Caller
from live.broadcast.node_end import NodeEnd, Note
from live.control.resp import RespConnection
from twin.rules.delivery import RecoveryAnswer
from twin.scenario.buses import BUSES

BLOCK_SHARE = 0.8
"""Share of the time that an answer may take for which the broker is to wait for messages; the rest is for the way."""


class Subscriber(NodeEnd):
    """Reads the bus for one node and speaks to it.

    Args:
        access: to the bus.
        number: of the node.
        reads: whether it reads with a cursor; else it is subscribed.
        lease: seconds for which a sign of life counts.
        take: receives the body of each message.
        note: notes an event of this node.
    """

    def __init__(
        self, access: Access, number: int, reads: bool, lease: float, take: Callable[[bytes], None], note: Note
    ) -> None:
        super().__init__(Caller(access, "commands"), number, lease, take, note)
        self.access = access
        self.reads = reads
        self.epoch, self.version = 0, 0

    def reading(self) -> Sequence[Coroutine[Any, Any, None]]:
        """Return what reads the bus: subscribed to all, or with a cursor beside a subscription to what is resent."""
        topic, access = self.access.topic, self.access
        if not self.reads:
            return (access.subscribe("reader", [topic.fresh, topic.again], self._push, self.lost, self.up),)
        again = access.subscribe(AGAIN, [topic.again], self._push)
        return again, access.keep("reader", self._follow, None, self.lost, self.up)

    def _push(self, channel: bytes, data: bytes) -> None:
        self.take(data)

    async def _follow(self, link: RespConnection, ready: Callable[[], None]) -> None:
        """Read with the cursor until the connection breaks; a new process begins at the present end."""
        timeout, topic = self.access.retry.timeout, self.access.topic
        head = recovery(await link.ask(timeout, *topic.read(0, -1)))
        if not self.joined.is_set():
            self.epoch, self.version = head.epoch, head.version
        elif head.epoch != self.epoch:
            self.epoch, self.version = head.epoch, 0
        ready()
        block = min(MOST_BLOCK, BLOCK_SHARE * timeout)
        while True:
            bodies = followed(await link.ask(timeout, *topic.follow(self.version, block)))
            for data in bodies:
                self.take(data)
                self.version = place(data)[1]

    def words(self, said: tuple[object, ...]) -> Sequence[Command]:
        """Return the command that publishes something for the publisher of messages."""
        return (("PUBLISH", self.access.topic.acks, " ".join(str(word) for word in said)),)

    def question(self, epoch: int, version: int) -> Command:
        """Return the command that asks what followed a position."""
        return self.access.topic.read(epoch, version)

    def answered(self, reply: Any) -> RecoveryAnswer:
        """Return what the reply to a question says."""
        return recovery(reply)


def joining(config: dict[str, Any], number: int, take: Callable[[bytes], None], note: Note) -> Subscriber:
    """Return a node's end of the bus by the lab's settings."""
    reads = BUSES[config["kind"]].reads
    return Subscriber(Access.of(config, number), number, reads, config["lease"], take, note)
