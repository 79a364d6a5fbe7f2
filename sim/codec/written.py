"""How many frames a node has written to its clients, and how large they were."""

import simpy

from sim.connection import Tunnel


class Written:
    """A count of frames.

    Attributes:
        frames, size: how many, and their bytes in all.
        last: when the last of them was written, in seconds.
    """

    def __init__(self, env: simpy.Environment) -> None:
        self.env = env
        self.clear()

    def add(self, tunnels: list[Tunnel], size: int) -> None:
        """Count a frame of `size` bytes on each of some connections."""
        self.frames += len(tunnels)
        self.size += len(tunnels) * size
        self.last = self.env.now

    def clear(self) -> None:
        """Begin anew: a process that is gone tells nothing."""
        self.frames, self.size, self.last = 0, 0, 0.0
