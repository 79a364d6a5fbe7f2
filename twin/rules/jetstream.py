"""What a NATS server knows of one consumer of a stream: what it delivers, and when it delivers that again.

A durable consumer belongs to a node, not to its process or connection: a new process goes on where the acknowledgements
of the one before it ended. The server delivers a message for the first time in order, and again when its
acknowledgement has not come within `ack_wait`; what is to be delivered again goes before what is new. While as many
messages wait for their acknowledgement as `max_ack_pending` allows, no new one is delivered.

The state of a consumer goes to its file when it changes, but at most every `STATE_EVERY` seconds: a server that is
killed may have forgotten what was delivered and acknowledged since, and delivers it once more.
Source: nats-server 2.14, server/consumer.go (getNextMsg, checkPending, processAckMsg, trackPending, ackWaitDelay),
server/filestore.go (consumerFileStore.flushLoop).
"""

from collections import deque
from dataclasses import dataclass
from math import inf
from typing import Literal

AckPolicy = Literal["explicit", "all", "none"]

STATE_EVERY = 0.1
"""Seconds between two writes of a consumer's state. Source: `minTime` in consumerFileStore.flushLoop."""
ACK_WAIT_DELAY = 0.001
"""Seconds that the timer for acknowledgements waits longer than `ack_wait`. Source: `ackWaitDelay` in consumer.go."""


@dataclass(frozen=True)
class ConsumerState:
    """What the file of a consumer holds.

    Attributes:
        following: version that is delivered next for the first time.
        pending: version -> when it was delivered last, in seconds.
    """

    following: int
    pending: tuple[tuple[int, float], ...] = ()


class Consumer:
    """One durable consumer, as the server sees it; versions of a stream count from 1.

    Args:
        policy: of acknowledgements.
        ack_wait: seconds.
        max_ack_pending: messages that may wait for an acknowledgement.
        following: version that is delivered first.
    """

    def __init__(self, policy: AckPolicy, ack_wait: float, max_ack_pending: int, following: int = 1) -> None:
        self.policy = policy
        self.ack_wait = ack_wait
        self.max_ack_pending = max_ack_pending
        self.following = following
        self.pending: dict[int, float] = {}
        self.again: deque[int] = deque()
        self.saved = ConsumerState(following)
        self._written = -inf
        self._write_due: float | None = None

    def take(self, head: int, now: float, oldest: int = 1) -> list[int]:
        """Return the versions to deliver now, in order, to a node that is there.

        Args:
            head: newest version of the stream.
            now: in seconds.
            oldest: oldest version that the stream still has.
        """
        self._before_change(now)
        found = [version for version in self.again if version in self.pending and version >= oldest]
        self.again.clear()
        self.following = max(self.following, oldest)
        while self.following <= head and len(self.pending) < self.max_ack_pending:
            found.append(self.following)
            if self.policy != "none":
                self.pending[self.following] = now
            self.following += 1
        if self.policy != "none":
            self.pending |= dict.fromkeys(found, now)
        if found:
            self._after_change(now)
        return found

    def acknowledge(self, version: int, now: float) -> bool:
        """Take a node's acknowledgement; tell whether a message waited for it."""
        self._before_change(now)
        waited = len(self.pending)
        if self.policy == "all":
            self.pending = {one: at for one, at in self.pending.items() if one > version}
        else:
            self.pending.pop(version, None)
        if len(self.pending) < waited:
            self._after_change(now)
        return len(self.pending) < waited

    def expire(self, now: float) -> bool:
        """Look at what waits, as the server's timer does; tell whether something is to be delivered again."""
        queued = set(self.again)
        late = sorted(v for v, at in self.pending.items() if v not in queued and now - at >= self.ack_wait)
        self.again += late
        self.pending |= dict.fromkeys(late, now)
        return bool(self.again)

    def next_look(self, now: float) -> float | None:
        """Return in how many seconds the timer looks again; None if nothing waits."""
        if not self.pending:
            return None
        return max(0.0, min(self.pending.values()) + self.ack_wait - now) + ACK_WAIT_DELAY

    # Its file

    @property
    def _state(self) -> ConsumerState:
        return ConsumerState(self.following, tuple(self.pending.items()))

    def _before_change(self, now: float) -> None:
        """Do the write that was due before `now`: nothing has changed since."""
        if self._write_due is not None and self._write_due <= now:
            self.saved, self._written, self._write_due = self._state, self._write_due, None

    def _after_change(self, now: float) -> None:
        """Write what has changed at once, or `STATE_EVERY` after the last write."""
        if self._write_due is None and now - self._written >= STATE_EVERY:
            self.saved, self._written = self._state, now
        elif self._write_due is None:
            self._write_due = self._written + STATE_EVERY

    def restore(self, killed_at: float) -> None:
        """The server starts again with its data, after it was killed: stand where the file says."""
        self._before_change(killed_at)
        self.following, self.pending = self.saved.following, dict(self.saved.pending)
        self.again.clear()
        self._write_due = None


class Acknowledging:
    """When a process of a node acknowledges to the server what it has fanned out.

    Args:
        policy: of acknowledgements; with `all` it acknowledges the first message that it has fanned out at least
            `interval` after the last acknowledgement, or after its first message.
        interval: seconds.
    """

    def __init__(self, policy: AckPolicy, interval: float) -> None:
        self.policy = policy
        self.interval = interval
        self.last: float | None = None

    def due(self, now: float) -> bool:
        """Tell whether the message that is fanned out now is acknowledged."""
        if self.policy != "all":
            return self.policy == "explicit"
        if self.last is not None and now - self.last < self.interval:
            return False
        first, self.last = self.last is None, now
        return not first
