"""A process that measures how long the host lets a ready thread wait.

One thread a core sleeps for 20 ms at a time and notes how much later than that it wakes up. Run as
`python -m live.machine.canary`, which reads the cores first (`live.control.given`); a line on standard input asks for
the delays, the end of standard input ends it.
"""

import contextlib
import json
import os
import sys
import threading
import time

from live.control.given import configuration

PERIOD = 0.02


def watch(cpu: int, delays: list[float]) -> None:
    """Append the overshoot of each sleep, in seconds, for ever."""
    if hasattr(os, "sched_setaffinity"):
        with contextlib.suppress(OSError):
            os.sched_setaffinity(0, [cpu])
    while True:
        start = time.monotonic()
        time.sleep(PERIOD)
        delays.append(time.monotonic() - start - PERIOD)


def main(cpus: list[int]) -> None:
    """Serve until standard input closes."""
    delays: list[list[float]] = [[] for _ in cpus]
    for cpu, mine in zip(cpus, delays, strict=True):
        threading.Thread(target=watch, args=(cpu, mine), daemon=True).start()
    for _ in sys.stdin:
        every = sorted(delay for mine in delays for delay in list(mine))
        last = len(every) - 1
        print(  # noqa: T201 (the answer to the lab)
            json.dumps({"p50": every[last // 2], "p99": every[last * 99 // 100], "max": every[last]} if every else {}),
            flush=True,
        )
        for mine in delays:
            mine.clear()


if __name__ == "__main__":
    main(configuration())
