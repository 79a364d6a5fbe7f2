"""A node's end of a NATS server: its durable consumer delivers messages, and it acknowledges what it has fanned out.

The acknowledgement for the publisher goes beside the stream, that for the consumer to the subject that came with the
message. When the latter is due says `twin.rules.jetstream.Acknowledging`.
"""

import asyncio
import time
from collections.abc import Callable, Coroutine, Sequence
from typing import Any

from live.broadcast.link import keep
from live.broadcast.node_end import NodeEnd, Note
from live.control.resp import LinkLostError
from live.jetstream.link import Missed, NatsAccess, NatsCaller, NatsCommand, Say
from live.jetstream.nats import NatsConnection, NatsMessage
from live.jetstream.stream import consume, named, version_of
from twin.rules.delivery import RecoveryAnswer
from twin.rules.jetstream import Acknowledging

ACK = b"+ACK"
MOST_UNACKNOWLEDGED = 100_000
"""Messages whose acknowledgement a node may still owe; what it forgets is delivered again."""


class Consumer(NodeEnd):
    """Reads the stream for one node and speaks to the server.

    Args:
        access: to the server.
        number: of the node.
        lease: seconds for which a sign of life counts.
        take: receives the body of each message.
        note: notes an event of this node.
    """

    def __init__(
        self, access: NatsAccess, number: int, lease: float, take: Callable[[bytes], None], note: Note
    ) -> None:
        super().__init__(NatsCaller(access, "commands"), number, lease, take, note)
        self.access = access
        self.epoch = 0
        self.acknowledging = Acknowledging(access.stream.ack_policy, access.stream.commit_interval)
        self._owed: dict[tuple[int, int], str] = {}

    def reading(self) -> Sequence[Coroutine[Any, Any, None]]:
        """Return what has the consumer deliver, and hears what the publisher sends again."""
        return (keep(self.access, "reader", self._follow, None, self.lost, self.up),)

    async def _follow(self, link: NatsConnection, ready: Callable[[], None]) -> None:
        """Take what is delivered until the connection breaks.

        A new process gets what its node's consumer has not delivered yet, or, without one, what is new; where the
        stream was lost, a node that was there before gets all of the new one.
        """
        names, settings = self.access.names, self.access.stream
        self._owed.clear()
        outlives = self.joined.is_set() and settings.replicas > 1  # whoever leads: nobody may at the moment
        async with asyncio.timeout(self.access.retry.timeout):
            if not outlives:
                self.epoch = await self.access.declare(link)
            link.subscribe(names.to(self.number), self._delivered)
            link.subscribe(names.again, lambda found: self.take(found.data))
            if not outlives:
                await consume(link, names, settings, self.number, self.joined.is_set())
            await link.flush()
        ready()
        raise LinkLostError(await link.lost)

    def _delivered(self, found: NatsMessage) -> None:
        version = version_of(found.reply)
        while len(self._owed) >= MOST_UNACKNOWLEDGED:
            del self._owed[next(iter(self._owed))]
        self._owed[self.epoch, version] = found.reply
        self.take(named(found.data, self.epoch, version))

    def words(self, said: tuple[object, ...]) -> Sequence[NatsCommand]:
        """Return what tells the publisher something, and the consumer that a message is fanned out."""
        told = Say(self.access.names.acks, " ".join(str(word) for word in said).encode())
        if said[0] != "ack":
            return (told,)
        epoch, version = int(str(said[2])), int(str(said[3]))
        reply = self._owed.get((epoch, version))
        if reply is None or not self.acknowledging.due(time.monotonic()):
            return (told,)
        covered = [one for one in self._owed if one <= (epoch, version)] if self.acknowledging.policy == "all" else ()
        for place in (*covered, (epoch, version)):
            self._owed.pop(place, None)
        return told, Say(reply, ACK)

    def question(self, epoch: int, version: int) -> NatsCommand:
        """Return the command that asks what followed a position."""
        return Missed(epoch, version)

    def answered(self, reply: Any) -> RecoveryAnswer:
        """Return what the reply to a question says."""
        assert isinstance(reply, RecoveryAnswer)
        return reply


def joining(config: dict[str, Any], number: int, take: Callable[[bytes], None], note: Note) -> Consumer:
    """Return a node's end of the bus by the lab's settings."""
    return Consumer(NatsAccess.of(config, number), number, config["lease"], take, note)
