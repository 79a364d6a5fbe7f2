"""Whether this machine has time for a measurement just now: the same bounds as those that make a run void."""

import os
import threading
import time
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import psutil

from live.conditions import throttled
from live.machine.canary import PERIOD
from live.machine.placement import STARVED_DELAY, STARVED_SHARE

LOOK = 1.0
"""Seconds for which the machine is watched."""
NAMES = Path("/proc/net/unix")
PROMISED = "@stormlab-port-"
"""What the names begin with by which labs on this machine tell each other of their ports (`placement.free_ports`)."""


@dataclass(frozen=True)
class Quietness:
    """What was seen.

    Attributes:
        others: cores that other programs and the hypervisor took, on average.
        stolen: of these, what the hypervisor took.
        delay: longest wait of a ready thread in seconds.
        throttled: seconds for which the quota of the control group held this process back.
        other_labs: whether another lab runs on this machine.
        why: why the machine is not quiet enough to measure, as sentences; none if it is.
    """

    others: float
    stolen: float
    delay: float
    throttled: float
    other_labs: bool
    why: tuple[str, ...]

    @property
    def quiet(self) -> bool:
        """Whether a run would count now."""
        return not self.why

    def as_dict(self) -> dict[str, Any]:
        """Return it for JSON."""
        return {"quiet": self.quiet, **asdict(self), "why": list(self.why)}


def judged(others: float, stolen: float, delay: float, held: float, other_labs: bool) -> Quietness:
    """Say what is too much; see `Quietness` for the arguments."""
    why = []
    if others > STARVED_SHARE:
        why.append(f"Others take {others:.2f} cores; a run counts with at most {STARVED_SHARE:g}.")
    if delay > STARVED_DELAY:
        why.append(
            f"A ready thread waited for {delay * 1000:.0f} ms; a run counts with at most {STARVED_DELAY * 1e3:g}."
        )
    if held > 0:
        why.append(f"The CPU quota of the control group held the lab back for {held:.2f} s.")
    if other_labs:
        why.append("Another lab runs on this machine.")
    return Quietness(round(others, 4), round(stolen, 4), round(delay, 6), round(held, 4), other_labs, tuple(why))


def watched(seconds: float = LOOK) -> Quietness:
    """Watch the machine for some seconds.

    Args:
        seconds: how long.
    """
    cores = sorted(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else list(range(os.cpu_count() or 1))
    held, before, own, began = throttled(), psutil.cpu_times(), time.process_time(), time.monotonic()
    delays: list[float] = []
    threads = [threading.Thread(target=_wait, args=(core, began + seconds, delays)) for core in cores]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    passed, after = time.monotonic() - began, psutil.cpu_times()
    mine = time.process_time() - own
    others = max(0.0, _busy(after) - _busy(before) - mine) / passed
    stolen = max(0.0, getattr(after, "steal", 0.0) - getattr(before, "steal", 0.0)) / passed
    return judged(others, stolen, max(delays, default=0.0), throttled() - held, another_lab())


def _wait(core: int, until: float, delays: list[float]) -> None:
    """Note how much later than asked for a thread on one core wakes up, until a moment."""
    if hasattr(os, "sched_setaffinity"):
        try:
            os.sched_setaffinity(0, {core})
        except OSError:
            return
    while (began := time.monotonic()) < until:
        time.sleep(PERIOD)
        delays.append(time.monotonic() - began - PERIOD)


def _busy(times: Any) -> float:
    """Return the seconds for which cores were not idle."""
    return float(sum(times[:8]) - times.idle - getattr(times, "iowait", 0.0))


def another_lab() -> bool:
    """Tell whether a lab on this machine has ports; it tells others so as long as it runs (Linux)."""
    try:
        return any(PROMISED in line for line in NAMES.read_text().splitlines())
    except OSError:
        return False
