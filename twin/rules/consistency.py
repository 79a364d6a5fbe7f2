"""When a message is consistent: who must acknowledge it, when it is sent again, and when the publisher gives up.

A message is *consistent* when the threshold of nodes has acknowledged it. It counts from the nodes that were registered
when the message was published, n of them:

* `all`: each of these n nodes has acknowledged or is no longer registered, and at least one has acknowledged. A node
  that dies is not waited for: it has no clients any more, and they resume elsewhere. This is stability in the present
  view, as in virtual synchrony (Birman & Joseph 1987); it promises nothing about clients of a node that is only
  cut off and lost its registration. A node that registers again is waited for again.
* `majority`: more than n/2 of these n nodes have acknowledged. A node that dies still counts in n, so that two
  majorities always share a node.
* a number k: k nodes have acknowledged, whichever. Deaths change nothing.

Acknowledgements of nodes that were not registered at the publish count for a number only.
"""

from collections.abc import Collection
from dataclasses import dataclass, field
from math import ceil
from typing import Literal

Threshold = Literal["all", "majority"] | int
Scope = Literal["node", "client"]
SIGNS_A_LEASE = 3
"""Signs of life that a node gives in the time of one lease, so that a lost one does not end it."""
MOST_UNCLAIMED = 1000
"""Acknowledgements that a publisher keeps when they come before the broker's answer to the publish."""


def reached(
    threshold: Threshold, registered: Collection[int], acked: Collection[int], members: Collection[int]
) -> bool:
    """Tell whether a message is consistent.

    Args:
        threshold: all, majority, or a number of nodes.
        registered: nodes that were registered when the message was published.
        acked: nodes that have acknowledged it.
        members: nodes that are registered now.
    """
    ours = set(registered) & set(acked)
    if threshold == "all":
        return bool(ours) and all(node in ours or node not in members for node in registered)
    if threshold == "majority":
        return 2 * len(ours) > len(registered)
    return len(set(acked)) >= threshold


def publish_times(rate: float, start: float, stop: float, messages: int = 0) -> list[float]:
    """Return when each message is due, in seconds: start, start + 1/rate, ... before `stop`; at most `messages`, 0 is
    no bound.
    """
    count = max(0, ceil((stop - start) * rate - 1e-9))
    return [start + n / rate for n in range(min(count, messages) if messages else count)]


def retry_delay(failures: int, base: float, cap: float, u: float) -> float:
    """Return the wait in seconds before a command to the bus is tried again after `failures` failures (from 1).

    Source: redis-py 8, `backoff.py`, ExponentialWithJitterBackoff; `u` in [0, 1) is its random number.
    """
    return min(cap, u * base * 2.0**failures)


def next_failure(failures: int, retries: int) -> int:
    """Return the number of one more failure of somebody who tries for ever: after `retries` of them, 1 again.

    Args:
        failures: how many there were, 0 before the first.
        retries: the setting `bus.retry.retries`.
    """
    return failures + 1 if failures < retries else 1


class LeasedNodes:
    """The nodes that have given a sign of life within the lease; an acknowledgement is one too."""

    def __init__(self, lease: float) -> None:
        self.lease = lease
        self._until: dict[int, float] = {}

    def renew(self, node: int, now: float) -> None:
        """Note a sign of life at `now` seconds."""
        self._until[node] = now + self.lease

    def leave(self, node: int) -> None:
        """Take a node out that says goodbye."""
        self._until.pop(node, None)

    def members(self, now: float) -> frozenset[int]:
        """Return the nodes that are registered at `now` seconds."""
        return frozenset(node for node, until in self._until.items() if until > now)

    def expire(self, now: float) -> list[int]:
        """Take out the nodes whose lease has run out by `now` seconds, and return them."""
        gone = [node for node, until in self._until.items() if until <= now]
        for node in gone:
            del self._until[node]
        return gone

    def next_expiry(self) -> float | None:
        """Return when the next lease runs out, in seconds, or None without a member."""
        return min(self._until.values(), default=None)


@dataclass
class Pending:
    """A message that the broker has acknowledged and whose fate is not settled yet."""

    key: int
    epoch: int
    version: int
    payload: bytes
    registered: frozenset[int]
    due: float
    resends: int = 0
    acked: set[int] = field(default_factory=set)
    consistent: bool = False


@dataclass(frozen=True)
class Counted:
    """What an acknowledgement changed: `first` of this node for this message; the message became `consistent`.

    `message` is None when the publisher does not wait for it (any more).
    """

    message: Pending | None = None
    first: bool = False
    consistent: bool = False


class Ledger:
    """The publisher's memory: which messages wait for which acknowledgements.

    A message is kept until `ack_timeout` after it was published or last sent again; acknowledgements that come later
    are not counted. Only a message that is not consistent is sent again. The ledger is bounded by
    rate * ack_timeout * (max_resends + 1) messages.
    """

    def __init__(self, threshold: Threshold, ack_timeout: float, max_resends: int) -> None:
        self.threshold: Threshold = threshold
        self.ack_timeout = ack_timeout
        self.max_resends = max_resends
        self._pending: dict[tuple[int, int], Pending] = {}

    def publish(
        self, key: int, epoch: int, version: int, payload: bytes, registered: Collection[int], now: float
    ) -> Pending:
        """Wait for acknowledgements of a message that the broker has stamped; `now` in seconds."""
        message = Pending(key, epoch, version, payload, frozenset(registered), now + self.ack_timeout)
        self._pending[epoch, version] = message
        return message

    def acknowledge(self, node: int, epoch: int, version: int, members: Collection[int]) -> Counted:
        """Count a node's acknowledgement; `members` are the nodes registered now."""
        message = self._pending.get((epoch, version))
        if message is None:
            return Counted()
        first = node not in message.acked
        message.acked.add(node)
        return Counted(message, first, self._settle(message, members))

    def view(self, members: Collection[int]) -> list[Pending]:
        """Return the messages that became consistent because the registered nodes are now `members`."""
        return [message for message in self._pending.values() if self._settle(message, members)]

    def due(self, now: float) -> list[Pending]:
        """Return the messages to send again at `now` seconds, and forget those whose time is over."""
        again = []
        for place, message in list(self._pending.items()):
            if message.due > now:
                continue
            if message.consistent or message.resends >= self.max_resends:
                del self._pending[place]
                continue
            message.due = now + self.ack_timeout
            message.resends += 1
            again.append(message)
        return again

    def next_due(self) -> float | None:
        """Return when `due` has something to do, in seconds, or None."""
        return min((message.due for message in self._pending.values()), default=None)

    def __len__(self) -> int:
        return len(self._pending)

    def _settle(self, message: Pending, members: Collection[int]) -> bool:
        if message.consistent:
            return False
        message.consistent = reached(self.threshold, message.registered, message.acked, members)
        return message.consistent
