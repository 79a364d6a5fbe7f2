"""The cost of what a process does now and then, in between other things."""

import simpy

from sim.host import Cost


class Habit(Cost):
    """The cost of something that a process does now and then, by how long ago it did the same.

    What is cold after a pause is the code and the data of this very thing: a process that has been up for a while with
    something else finds it as cold as one that has slept. It is done in one step.

    Args:
        env: the simulation.
        cost: what it costs.
    """

    __slots__ = ("env", "last")

    def __init__(self, env: simpy.Environment, cost: Cost) -> None:
        super().__init__(cost.curves)
        self.env = env
        self.last = -1.0

    def seconds(self, waiting: int, asleep: float, level: int) -> float:
        """Return the seconds of one of `waiting` items."""
        pause, self.last = self.env.now - self.last, self.env.now
        return super().seconds(waiting, max(asleep, pause), level)
