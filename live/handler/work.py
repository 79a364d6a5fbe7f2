"""The work of a request: CPU time of the thread that does it, then a blocking call."""

import struct
import time

CALL = struct.Struct("dd")
"""A call to a process of a pool: seconds of CPU time and of blocking; its answer is one byte."""


def compute(seconds: float) -> None:
    """Use CPU time of this thread, whatever its core's speed and whoever else has the core meanwhile.

    Between two looks at the clock it runs Python's own code, as a handler does, and lets other threads have the
    interpreter lock when they ask.
    """
    clock = time.thread_time
    end = clock() + seconds
    while clock() < end:
        pass


def do(cpu: float, blocking: float) -> None:
    """Compute, then block."""
    if cpu > 0.0:
        compute(cpu)
    if blocking > 0.0:
        time.sleep(blocking)
