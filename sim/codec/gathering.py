"""What waits at a process until its batch leaves."""

from collections.abc import Callable
from typing import Generic, TypeVar

import simpy

from sim.ports import Work
from twin.rules.batching import Batcher
from twin.scenario.codec import Batching

Item = TypeVar("Item")


class Gathering(Generic[Item]):
    """A batch that is gathered, with its timer.

    Args:
        env: the simulation.
        sleep: returns the end of a timer of the process's loop, in so many seconds.
        settings: when a batch leaves.
        leave: receives each batch.
    """

    def __init__(
        self,
        env: simpy.Environment,
        sleep: Callable[[float], simpy.Event],
        settings: Batching,
        leave: Callable[[list[Item]], None],
    ) -> None:
        self.env = env
        self.sleep = sleep
        self.leave = leave
        self.batcher = Batcher[Item](settings.count, settings.window)
        self._batches = 0

    def add(self, item: Item) -> None:
        """Gather an item; the batch leaves at once if it is full."""
        begins = not len(self.batcher)
        full = self.batcher.add(item, self.env.now)
        if full:
            self._batches += 1
            self.leave(full)
        elif begins:
            self.env.process(self._window(self._batches))

    def _window(self, batch: int) -> Work[None]:
        """Let a batch leave at the end of its window, if it is still there."""
        yield self.sleep(self.batcher.window)
        if batch == self._batches:
            self._batches += 1
            self.leave(self.batcher.take())

    def take(self) -> list[Item]:
        """Return what is gathered: it does not leave, for its process or its connection is no more."""
        self._batches += 1
        return self.batcher.take()
