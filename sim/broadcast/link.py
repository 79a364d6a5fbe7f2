"""The links over which nodes and publisher reach the bus, and those who are subscribed at their ends."""

from collections import deque
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import simpy

from sim.machine.process import Cost, Process
from twin.rules.output_buffer import OutputBuffer, second_of, until_look

Act = Callable[[], Any]


class Link:
    """The way between one process and the bus: in order, both ways; it may be slow, or cut for a while.

    Nothing is lost on it: what comes while it is cut waits, as TCP and a relay that does not read let it wait.

    Attributes:
        number: of the node, 0 for the publisher.
        delay: seconds that each direction takes.
        cuts: faults that let nothing pass at present.
        relay: what passes it on, and what that costs; None if nothing does, or it costs nothing.
        most_counted: most bytes that the bus has counted for what is read at its end, and when.
    """

    def __init__(self, env: simpy.Environment, number: int) -> None:
        self.env = env
        self.number = number
        self.delay = 0.0
        self.cuts = 0
        self.stopped: deque[Act] = deque()
        self.held: deque[Act] = deque()
        self.free_at = {True: 0.0, False: 0.0}
        self.relay: tuple[Process, Cost] | None = None
        self.most_counted = (0, 0.0)

    @property
    def cut(self) -> bool:
        """Whether nothing passes."""
        return self.cuts > 0

    def carry(self, then: Act, up: bool = True) -> None:
        """Call `then` when what is sent now arrives, towards the bus (`up`) or from it."""
        if self.relay is None:
            self._carry(then, up)
        else:
            process, cost = self.relay
            process.work(cost, lambda _: self._carry(then, up))

    def _carry(self, then: Act, up: bool) -> None:
        if self.cut:
            self.held.append(lambda: self._carry(then, up))
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


@dataclass(frozen=True)
class Clock:
    """When the broker's clock shows a new second, and when its timer looks at a connection.

    Attributes:
        second: returns how many seconds before time 0 the clock showed a new second.
        every: seconds between two looks at a connection.
        look: returns at which share of these the first look at that of a process comes.
    """

    second: Callable[[], float]
    every: float
    look: Callable[[int], float]


class Subscription:
    """One subscriber as the broker sees it: what waits for it, and when that is too much.

    Args:
        link: the way to it.
        buffer: what waits of it in the broker's memory, with the limits for that.
        room: bytes that the connection itself holds.
        clock: the broker's.
        take: receives each message at the subscriber's side.
        lost: called there with a word when the broker closes the connection.
        left: called at the broker, with this, when it has closed the connection by itself.
    """

    def __init__(
        self,
        link: Link,
        buffer: OutputBuffer,
        room: float,
        clock: Clock,
        take: Callable[[Any], None],
        lost: Callable[[str], None],
        left: "Callable[[Subscription], None]",
    ) -> None:
        self.link = link
        self.buffer = buffer
        self.room = room
        self.clock = clock
        self.take = take
        self.lost = lost
        self.left = left
        self.waiting = 0
        self.open = True
        self.kept = 0
        self.watched = False

    def push(self, what: Any, size: int) -> bool:
        """Send something; False when the broker closes the connection instead, because too much waits."""
        if not self.open:
            return False
        waiting = self._in_memory(self.waiting + size)
        if waiting > 0:
            cuts = self.buffer.add(size, waiting, self._second())
            if self.buffer.counted > self.link.most_counted[0]:
                self.link.most_counted = (self.buffer.counted, self.link.env.now)
            if cuts:
                self._cut()
                return False
        self.waiting += size
        self.link.carry(lambda: self.take(what), False)
        self._watch()
        return True

    def read(self, size: int) -> bool:
        """The subscriber comes to a message of so many bytes; False when it was lost with the broker's memory."""
        self.waiting -= size
        if not self.open:
            self.kept -= size
            return self.kept >= 0
        if self.buffer.waiting > 0:
            self.buffer.leave(self._in_memory(self.waiting))
        return True

    def close(self, reason: str) -> None:
        """Close the connection; the subscriber reads what that holds before it notices, and nothing else."""
        if self.open:
            self.open = False
            self.kept = self.waiting - self._in_memory(self.waiting)
            self.link.carry(lambda: self.lost(reason), False)

    def _cut(self) -> None:
        self.close("buffer")
        self.left(self)

    def _in_memory(self, waiting: int) -> int:
        """Return how many of some bytes that wait the connection does not hold."""
        return max(0, round(waiting - self.room))

    def _second(self) -> int:
        return second_of(self.link.env.now, self.clock.second())

    def _watch(self) -> None:
        """Let the broker's timer look as long as something waits in its memory."""
        if self.buffer.waiting > 0 and not self.watched:
            self.watched = True
            clock = self.clock
            self._wait(until_look(self.link.env.now, clock.every, clock.look(self.link.number)))

    def _wait(self, seconds: float) -> None:
        self.link.env.timeout(seconds).callbacks.append(self._look)

    def _look(self, _: simpy.Event) -> None:
        if not self.open or self.buffer.waiting == 0:
            self.watched = False
        elif self.buffer.look(self._second()):
            self._cut()
        else:
            self._wait(self.clock.every)
