"""How a client gets messages by requests, and nobody's message is lost between two of them.

A client polls: it asks, gets what has come, and asks again later. A long poll is answered only when there is something
to say, or after a hold without anything. A request carries a cursor, the (epoch, version) at which its client stands,
so it does not matter which node answers, nor what came while no request of this client was there.

Sources: RFC 6202 ("Known Issues and Best Practices for the Use of Long Polling and Streaming in Bidirectional HTTP"),
sections 2.1 to 2.3 (long polling, and what queues between two polls) and 5.5 (timeouts of what stands between client
and server: holds of 30 s are safe, longer ones may be cut).
"""

from collections import deque
from itertools import islice
from math import ceil
from typing import Literal

from twin.rules.delivery import Message, RecoveryAnswer

Transport = Literal["websocket", "long_poll", "poll"]
"""How messages come to a client: over a connection that stays, by requests that wait for them, by requests that do
not."""

MOST_RECENT = 1000
"""Messages that a node keeps for the polls of its clients, the newest; for older ones it asks the bus."""


class RecentMessages:
    """What a node can tell clients by itself: messages that follow each other without a hole, the newest ones.

    Args:
        capacity: messages that it keeps.

    Attributes:
        epoch, version: the newest position that is known; epoch 0 before anything is.
    """

    def __init__(self, capacity: int = MOST_RECENT) -> None:
        self.capacity = capacity
        self.epoch = 0
        self.version = 0
        self._base = 0
        self._kept: deque[Message] = deque()

    def without_cursor(self, waits: bool) -> tuple[int, int]:
        """Return where a client is taken to stand that does not say it: at the newest position if it waits for what
        comes next, else just before the newest message.
        """
        behind = 0 if waits or not self._kept else 1
        return self.epoch, self.version - behind

    def add(self, message: Message) -> bool:
        """Take a message; False for one that is not ahead of all others, which changes nothing.

        Behind a hole, and in a new epoch, a new stretch begins: whoever stands before it has to be told by the bus.
        """
        place = (message.epoch, message.version)
        if place <= (self.epoch, self.version):
            return False
        if place != (self.epoch, self.version + 1):
            self._kept.clear()
            self._base = message.version - 1
        self.epoch, self.version = place
        self._kept.append(message)
        if len(self._kept) > self.capacity:
            self._base = self._kept.popleft().version
        return True

    def learn(self, epoch: int, version: int) -> bool:
        """Take it that a position is the newest, as the bus has said; False if that is known already.

        Whoever waits at an earlier one has to be told by the bus: the messages in between may never come here, or come
        when they are not ahead any more.
        """
        if (epoch, version) <= (self.epoch, self.version):
            return False
        self._kept.clear()
        self.epoch, self.version, self._base = epoch, version, version
        return True

    def after(self, epoch: int, version: int) -> tuple[Message, ...] | None:
        """Return what follows a client's position, oldest first; None if only the bus can tell.

        Epoch 0 is a client that has never seen a message. One that stands further than the node, as another node was
        faster, is told nothing until the node has come so far.
        """
        if (epoch, version) == (0, 0) and self.epoch == 0:
            return ()
        if epoch not in (0, self.epoch):
            return () if epoch > self.epoch > 0 else None
        if self.epoch == 0 or version < self._base:
            return None
        skip = min(len(self._kept), version - self._base)
        return tuple(islice(self._kept, skip, None))

    def answer(self, epoch: int, version: int) -> RecoveryAnswer | None:
        """Return the answer to a client that stands at a position; None if only the bus can give it."""
        told = self.after(epoch, version)
        if told is None:
            return None
        if not told:
            return RecoveryAnswer(True, epoch, version)
        return RecoveryAnswer(True, told[-1].epoch, told[-1].version, told)


def first_poll(phase: float, interval: float) -> float:
    """Return when a client polls first, in seconds after the start of the run: `phase`, 0 to 1, of an interval."""
    return phase * interval


def next_poll(due: float, answered: float, interval: float) -> float:
    """Return when a client asks again whose request was due, and answered, at these times, in seconds.

    Polls keep a beat: one is due `interval` after the one before, at the next beat if the answer took longer. With an
    interval of 0, that of a long poll, the next request follows the answer.
    """
    if interval <= 0.0:
        return answered
    return due + max(1, ceil((answered - due) / interval)) * interval


def hold_ends(asked: float, hold: float, begin: float) -> float:
    """Return when a hold ends that is under way at `begin`, of a client that asked first at `asked`, by then, and asks
    again as soon as it is answered with nothing, in seconds.
    """
    return asked + max(1, ceil((begin - asked) / hold)) * hold


def cut_by(hold: float, timeout: float) -> bool:
    """Tell whether a balancer that waits `timeout` seconds for an answer cuts a request that is held for `hold`."""
    return hold >= timeout


def polls_per_second(transport: Transport, interval: float, hold: float, messages: float) -> float:
    """Return the requests a second of one client where nothing takes time and messages come evenly.

    A poll asks once an interval, whatever comes. A long poll is answered with each message, and after each hold in
    which none came.

    Args:
        transport: how messages come to it.
        interval: seconds between two polls.
        hold: seconds for which a long poll waits.
        messages: a second.
    """
    if transport == "websocket":
        return 0.0
    if transport == "poll":
        return 1.0 / interval
    return max(messages, 1.0 / hold)
