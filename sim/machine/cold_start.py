"""The cost of what a process does now and then, in between other things."""

import simpy

from sim.machine.process import Cost
from twin.costs.curve import after_sleep


class ColdStart(Cost):
    """The cost of something that a process does now and then, by how long ago it did the same.

    What is cold after a pause is the code and the data of this very thing: a process that has been up for a while with
    something else finds it as cold as one that has slept. But only one that has slept pays for waking up. It is done in
    one step.

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
        curve = self.curves[level if level < len(self.curves) else -1]
        return max(curve(waiting, asleep), after_sleep(curve(waiting), curve.lone, 0.0, pause))
