"""What a node listens with, and how long things take at it that are no work of its processes."""

from collections import deque
from dataclasses import dataclass

from sim.connection import Attempt


@dataclass(frozen=True)
class Times:
    """Seconds that something takes at each node of a run.

    Attributes:
        stop: the end of a process that has nothing left to do.
        table_growth: the kernel doubles a table of open files.
        round_trip: from a ping to its pong on an idle machine.
    """

    stop: float
    table_growth: float
    round_trip: float


class ListeningSocket:
    """A socket on which connections wait to be accepted.

    Attributes:
        backlog: those that wait.
        accepting: whether a process is about to accept one.
    """

    def __init__(self) -> None:
        self.backlog: deque[Attempt] = deque()
        self.accepting = False
