"""Watches every part of a run: whether one ended, was stopped, or was told something that the lab had not ordered.

Such a run is void: what it shows is what somebody else did. The kernel tells at once when a process ends (a pidfd
becomes readable, see pidfd_open(2)); where it has none, the supervisor looks every few milliseconds.
"""

import contextlib
import os
import select
import time
from collections.abc import Callable, Iterator

from live.control.process import ChildProcess, Stage, ending
from twin.errors import VoidError

BLIND_LOOK = 0.004
"""Seconds between two looks at the processes where the kernel does not tell when one ends."""
FINE = 0.002
"""Seconds before the end of a wait from which on it is slept: poll(2) counts whole milliseconds, and rounds up."""


class Supervisor:
    """The watch over all parts of a stage, its guard included.

    Args:
        stage: where the parts run.

    Attributes:
        others: further things to watch; each is asked at each look and returns a sentence's middle that says what has
            gone wrong, or an empty text.
    """

    def __init__(self, stage: Stage) -> None:
        self.stage = stage
        self.others: list[Callable[[], str]] = []
        self.tells = hasattr(os, "pidfd_open")
        self._poll = select.poll() if self.tells else None
        self._watched: dict[int, tuple[ChildProcess, int]] = {}
        self._ended: set[int] = set()

    def wait(self, seconds: float) -> None:
        """Wait so long, or until a part has ended of which that was not known."""
        if self._poll is None:
            time.sleep(min(seconds, BLIND_LOOK))
            return
        self._watch_all()
        until = time.monotonic() + seconds
        if not self._poll.poll(1000 * max(0.0, seconds - FINE)):
            time.sleep(max(0.0, until - time.monotonic()))

    def check(self) -> None:
        """Look at every part.

        Raises:
            VoidError: one has ended, stopped or gone on without an order of the lab.
        """
        for part in self._parts():
            status = part.status
            if status is None:
                if part.was_stopped():
                    raise _void(part, "was stopped by a signal, or let go on by one")
            elif part.pid not in self._ended:
                self._ended.add(part.pid)
                self._forget(part.pid)
                if status not in part.may_end:
                    raise _void(part, ending(status))
        for other in self.others:
            if trouble := other():
                raise VoidError(f"{trouble}, and nothing in the lab had ordered it.")

    def close(self) -> None:
        """Watch no more."""
        for pid in list(self._watched):
            self._forget(pid)

    def _parts(self) -> list[ChildProcess]:
        return [*self.stage.parts, self.stage.guard]

    def _watch_all(self) -> None:
        """Open a pidfd for each new part, and close those of parts that are gone."""
        assert self._poll is not None
        parts = {part.pid: part for part in self._parts() if part.pid not in self._ended}
        for pid, (part, _) in list(self._watched.items()):
            if parts.get(pid) is not part:
                self._forget(pid)
        for pid in parts.keys() - self._watched.keys():
            with contextlib.suppress(ProcessLookupError):
                fd = os.pidfd_open(pid)
                self._watched[pid] = parts[pid], fd
                self._poll.register(fd, select.POLLIN)

    def _forget(self, pid: int) -> None:
        _, fd = self._watched.pop(pid, (None, -1))
        if fd >= 0 and self._poll is not None:
            self._poll.unregister(fd)
            os.close(fd)


@contextlib.contextmanager
def watched() -> Iterator[Stage]:
    """Give a stage for a measurement of parts, which does not count if one of them broke. Many a part does one thing
    and ends, and a bench stops and kills some on its own: those that it has reaped are its business.

    Raises:
        VoidError: at the end.
    """
    with Stage() as stage:
        yield stage
        for part in [*stage.parts, stage.guard]:
            if part.process.returncode is None and part.status not in (None, 0):
                raise _void(part, ending(part.status or 0))


def _void(part: ChildProcess, what: str) -> VoidError:
    return VoidError(
        f"{part.name} (process {part.pid}) {what}, and nothing in the lab had ordered it; the last line of its log: "
        f"{part.last_words}"
    )
