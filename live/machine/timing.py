"""Intended and actual times: of the scheduled steps of a run, of the lab's looks, and of the timers of the clients.

A run whose schedule slips measures another scenario than the one that was asked for. What of the
delay of a timer is the process's own work, or that of others on its core, is part of what is measured (how busy the
machine was says `live.machine.placement.Watch`); what is beyond that has another reason: the process was stopped,
frozen, or held by a debugger.
"""

import asyncio
import os
import time
from array import array
from collections import defaultdict
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from live.control.messages import Lateness, Spread, plain

TOLERANCE = 0.1
"""Seconds by which a scheduled step may come late, for which it may last, and for which a process may stand still in a
run that counts: as long as a ready thread may wait for a core (`live.machine.placement.STARVED_DELAY`)."""
REFRESH = 0.05
"""Seconds after which the work of a process is asked for anew, when a timer wakes it."""


@dataclass(frozen=True)
class ScheduledAction:
    """Something that the schedule of a run wants done.

    Attributes:
        at: when, in seconds after the start of the run.
        what: name for the record.
        do: does it.
    """

    at: float
    what: str
    do: Callable[[], None]


class Timers:
    """How late the timers of a process fire, by kind, and for how long it stood still without working or waiting for a
    core. Its times are those of the monotonic clock.

    Source: Linux, Documentation/scheduler/sched-stats.rst, /proc/PID/schedstat: time on a core, time waiting for one.
    """

    def __init__(self) -> None:
        self.late: dict[str, array[float]] = defaultdict(lambda: array("d"))
        self.still = 0.0
        self.still_at = 0.0
        self._stat = os.open("/proc/self/schedstat", os.O_RDONLY) if os.path.exists("/proc/self/schedstat") else -1
        self._asked = time.monotonic()
        self._used = self._work()

    async def until(self, due: float, kind: str) -> None:
        """Sleep until `due` and note how late that was over; what is due already is no timer's business."""
        early = due - time.monotonic()
        await asyncio.sleep(early)
        if early > 0:
            self.woke(due, kind)

    def woke(self, due: float, kind: str) -> None:
        """Note that a timer has fired that was due at `due`; what woke the process before is none."""
        now = time.monotonic()
        late = now - due
        if late < 0:
            return
        self.late[kind].append(late)
        if late > TOLERANCE or now - self._asked > REFRESH:
            used = self._work()
            still = late - (used - self._used)
            self._asked, self._used = now, used
            if still > self.still:
                self.still, self.still_at = still, due

    def _work(self) -> float:
        """Return the seconds that this process has worked or waited for a core; endless where /proc does not tell."""
        if self._stat < 0:
            return time.process_time()
        worked, waited, _ = os.pread(self._stat, 100, 0).split()
        return (int(worked) + int(waited)) / 1e9

    def lateness(self, start: float) -> Lateness:
        """Return the lateness of all timers in seconds, by kind; `start` of the run on the monotonic clock."""
        found = dict[str, Spread]()
        for kind, late in self.late.items():
            every = sorted(late)
            last = len(every) - 1
            found[kind] = Spread(len(every), every[last // 2], every[last * 99 // 100], every[last])
        return Lateness(found, self.still, self.still_at - start)


def stood_still(name: str, timers: Lateness | None) -> str:
    """Return what is wrong with the timers of a part, as part of a sentence, or an empty text."""
    if timers is None or timers.stood_still <= TOLERANCE:
        return ""
    return f"{name} stood still for {timers.stood_still:.2f} s at {timers.at:.2f} s"


class Timing:
    """What the lab itself had to do in a run and when it did it; times are seconds after the start of the run."""

    def __init__(self) -> None:
        self.steps: list[dict[str, Any]] = []
        self.timers = Timers()

    def take(self, step: ScheduledAction, start: float) -> None:
        """Do a step and note when; `start` of the run on the monotonic clock."""
        began = time.monotonic()
        step.do()
        took = time.monotonic() - began
        self.steps.append({"what": step.what, "intended": step.at, "actual": began - start, "took": took})

    def as_dict(self, start: float) -> dict[str, Any]:
        """Return what goes into the record's provenance."""
        return {"tolerance": TOLERANCE, "steps": self.steps, "looks": plain(self.timers.lateness(start))}

    def slips(self, start: float) -> list[str]:
        """Return what came later than `TOLERANCE` allows, as parts of a sentence."""
        found = [
            f"{step['what']} was due at {step['intended']:.3f} s and came {late:.2f} s late"
            for step in self.steps
            if (late := step["actual"] - step["intended"]) > TOLERANCE
        ]
        found += [f"{step['what']} took {step['took']:.2f} s" for step in self.steps if step["took"] > TOLERANCE]
        still = stood_still("the lab", self.timers.lateness(start))
        return [*found, still] if still else found
