"""CPU work of a given length, as a handler does it: in pieces, between which others may have the core."""

from collections.abc import Callable

import simpy

from sim.machine.process import Cost, Process


def compute(process: Process, seconds: float, then: Callable[[], None]) -> None:
    """Queue CPU work that a loop does not turn away from once it has begun; `then` is called at its end.

    It takes its seconds at any speed of the core. No work is done at once. Who clears the process forgets what is left.
    """
    left, life = seconds, process.life

    def cost() -> Cost:
        nonlocal left
        piece = process.piece(left)
        left = left - piece if left > piece else 0.0
        return Cost.constant(piece)

    def next_piece(_: simpy.Event) -> None:
        if life != process.life:
            return
        if left > 0.0:
            process.carry_on(cost()).callbacks.append(next_piece)
        else:
            then()

    if left > 0.0:
        process.work(cost(), next_piece)
    else:
        then()
