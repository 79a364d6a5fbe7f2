"""A process that measures how long the host lets a ready thread wait.

One thread a core sleeps for 20 ms at a time and notes how much later than that it wakes up. Run as
`python -m live.machine.canary`, which reads the cores first (`live.control.given`); `Report` asks for the delays, the
end of standard input ends it.
"""

import contextlib
import os
import threading
import time

from live.control.given import configuration
from live.control.messages import on
from live.control.stdio import obey_waiting, say
from live.machine.messages import Report, WakeUpDelays

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

    def report(order: Report) -> None:
        every = sorted(delay for mine in delays for delay in list(mine))
        last = len(every) - 1
        say(WakeUpDelays(every[last // 2], every[last * 99 // 100], every[last]) if every else WakeUpDelays())
        for mine in delays:
            mine.clear()

    obey_waiting(on(Report, report))


if __name__ == "__main__":
    main(configuration(list[int]))
