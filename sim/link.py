"""The links over which nodes and publisher reach the bus, and those who are subscribed at their ends."""

from collections import deque
from collections.abc import Callable
from typing import Any

import simpy

from twin.rules.slow_consumer import OutputBuffer

Act = Callable[[], Any]


class Link:
    """The way between one process and the bus: in order, both ways; it may be slow, or cut for a while.

    Nothing is lost on it: what comes while it is cut waits, as TCP and a relay that does not read let it wait.

    Attributes:
        number: of the node, 0 for the publisher.
        delay: seconds that each direction takes.
        cuts: faults that let nothing pass at present.
    """

    def __init__(self, env: simpy.Environment, number: int) -> None:
        self.env = env
        self.number = number
        self.delay = 0.0
        self.cuts = 0
        self.stopped: deque[Act] = deque()
        self.held: deque[Act] = deque()
        self.free_at = {True: 0.0, False: 0.0}

    @property
    def cut(self) -> bool:
        """Whether nothing passes."""
        return self.cuts > 0

    def carry(self, then: Act, up: bool = True) -> None:
        """Call `then` when what is sent now arrives, towards the bus (`up`) or from it."""
        if self.cut:
            self.held.append(lambda: self.carry(then, up))
            return
        arrival = max(self.env.now + self.delay, self.free_at[up])
        if arrival <= self.env.now:
            then()
            return
        self.free_at[up] = arrival

        def arrive(_: simpy.Event) -> None:
            if self.cut:
                self.stopped.append(then)
            else:
                then()

        self.env.timeout(arrival - self.env.now).callbacks.append(arrive)

    def restore(self) -> bool:
        """End one fault: let what waits pass, and all that follows, if it was the last one, and tell whether it was.

        What was on its way when the link was cut is ahead of what has not left yet.
        """
        self.cuts -= 1
        while (self.stopped or self.held) and not self.cut:
            (self.stopped or self.held).popleft()()
        return not self.cut


class Subscription:
    """One subscriber as the broker sees it: what waits for it, and when that is too much.

    Args:
        link: the way to it.
        buffer: limits of the broker's buffer.
        room: bytes that the connection itself holds.
        take: receives each message at the subscriber's side.
        lost: called there with a word when the broker closes the connection.
    """

    def __init__(
        self, link: Link, buffer: OutputBuffer, room: float, take: Callable[[Any], None], lost: Callable[[str], None]
    ) -> None:
        self.link = link
        self.buffer = buffer
        self.room = room
        self.take = take
        self.lost = lost
        self.waiting = 0
        self.open = True

    def push(self, what: Any, size: int) -> bool:
        """Send something; False when the broker closes the connection instead, because too much waits."""
        if not self.open:
            return False
        if self.buffer.cuts(max(0, round(self.waiting + size - self.room)), self.link.env.now):
            self.close("buffer")
            return False
        self.waiting += size
        self.link.carry(lambda: self.take(what), False)
        return True

    def read(self, size: int) -> None:
        """The subscriber has read so many bytes."""
        self.waiting -= size

    def close(self, reason: str) -> None:
        """Close the connection; the subscriber reads what was sent before it notices."""
        if self.open:
            self.open = False
            self.link.carry(lambda: self.lost(reason), False)
