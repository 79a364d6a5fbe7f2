"""A handler that does its work in the event loop: while it computes or blocks, nobody else is served."""

from collections.abc import Callable

import simpy

from sim.connection import Tunnel
from sim.machine.computing import compute
from sim.machine.process import Cost, Process
from sim.ports import TaskExecutor
from twin.rules.handler import Demand

_NOTHING = Cost.constant(0.0)


class InLoop(TaskExecutor):
    """The loop of one node. Requests are taken in the order in which they were read; one that awaits lets others in.

    Args:
        loop: the process or thread that serves the connections.
        size: of a pool; there is none.
        cost: of a part of a hand-over; there is none.
    """

    def __init__(self, loop: Process, size: int, cost: Callable[[str], Cost]) -> None:
        self.process = loop

    def begin(self, tunnel: Tunnel, demand: Demand, then: Callable[[], None]) -> None:
        """Do the work of a request."""
        process = self.process

        def computed() -> None:
            if demand.blocking > 0.0:
                process.block(demand.blocking, blocked)
            else:
                blocked()

        def blocked() -> None:
            await_it(process.sleep, demand.awaiting, then)

        if demand.blocking > 0.0 and not demand.cpu:  # who blocks at once does so in its turn, too
            process.work(_NOTHING, lambda _: computed())
        else:
            compute(process, demand.cpu, computed)

    def clear(self) -> None:
        """The node's process is gone: its work is cleared with it."""


def await_it(sleep: Callable[[float], simpy.Event], seconds: float, then: Callable[[], None]) -> None:
    """Call `then` when what is awaited is there, at once if that takes no time."""
    if seconds > 0.0:
        sleep(seconds).callbacks.append(lambda _: then())
    else:
        then()
