"""Which messages leave together, and when: as soon as there are `count` of them, or `window` seconds after the first.

Both bounds are needed: the count bounds what is lost or late at once, the window how long a lone message waits. Source:
Kafka manual, `batch.size` and `linger.ms`; the same two bounds as those of Nagle's algorithm (RFC 896), with a timer in
place of the acknowledgement.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Generic, TypeVar

Item = TypeVar("Item")


class Batcher(Generic[Item]):
    """Gathers what is to leave together.

    Args:
        count: items with which a batch leaves at once.
        window: seconds after its first item at which it leaves.

    Attributes:
        due: when the batch that is being gathered leaves, in seconds; None if there is none.
    """

    def __init__(self, count: int, window: float) -> None:
        self.count = count
        self.window = window
        self.due: float | None = None
        self._items: list[Item] = []

    def __len__(self) -> int:
        return len(self._items)

    def add(self, item: Item, now: float) -> list[Item]:
        """Gather an item; return the batch that leaves now because it is full, or nothing."""
        if self.due is None:
            self.due = now + self.window
        self._items.append(item)
        return self.take() if len(self._items) >= self.count else []

    def take(self) -> list[Item]:
        """Return what is gathered: it leaves now, or its sender is no more."""
        found, self._items, self.due = self._items, [], None
        return found


def in_a_row(numbers: Sequence[int], limit: int) -> list[int]:
    """Return the first numbers that follow each other without a hole, at most `limit`: they travel together."""
    found = [numbers[0]]
    for number in numbers[1:limit]:
        if number != found[-1] + 1:
            break
        found.append(number)
    return found


@dataclass(frozen=True, slots=True)
class Departure:
    """A batch of a schedule.

    Attributes:
        at: when it leaves, in seconds.
        first: place of its first message in the schedule, from 1.
        count: messages in it.
    """

    at: float
    first: int
    count: int


def departures(times: Iterable[float], count: int, window: float) -> list[Departure]:
    """Return in which batches the messages of a schedule leave.

    Args:
        times: when each message is due, in seconds, in order.
        count, window: see `Batcher`.
    """
    batcher, found, first = Batcher[float](count, window), list[Departure](), 1

    def leave(at: float, batch: list[float]) -> None:
        nonlocal first
        found.append(Departure(at, first, len(batch)))
        first += len(batch)

    for t in times:
        if batcher.due is not None and batcher.due <= t:
            leave(batcher.due, batcher.take())
        if full := batcher.add(t, t):
            leave(t, full)
    if batcher.due is not None:
        leave(batcher.due, batcher.take())
    return found
