"""Whether the user's own Redis or Valkey is the same all through a run, and answers.

It is no part of the lab, and nobody supervises it.

A server that somebody stops, or that waits for its disk or its fork, lets everything on the bus wait, and no client
sees an error. So it is asked PING over a connection of its own. Source: Valkey's manual, PING and "Diagnosing latency
issues".
"""

import contextlib
import os
import threading
import time

import redis

from live.broadcast.base import BusServer

EVERY = 0.05
"""Seconds from an answer to the next question; a load that no server feels."""
SILENT = 0.25
"""Seconds for which it may keep silent in a run that counts. Its own wait for a core is among them, which may take
0.1 s on a host that is just not starved (`live.machine.placement.STARVED_DELAY`), on the way there and back."""


class ServerWatch:
    """Asks the user's own server while a run lasts; the embedded one is a part, which the supervisor watches.

    Args:
        bus: the server.

    Attributes:
        silent: the longest time that an answer took, in seconds.
    """

    def __init__(self, bus: BusServer) -> None:
        self.bus = bus
        self.silent = 0.0
        self._over = threading.Event()
        self._thread = threading.Thread(target=self._watch, daemon=True)
        self._asked: float | None = None
        self._identity = "", ""

    def begin(self) -> None:
        """Ask from now on."""
        if self.bus.part is None and not self._thread.is_alive():
            self._identity = self._look()
            self._thread.start()

    def close(self) -> None:
        """Ask no more."""
        self._over.set()
        if self._thread.is_alive():
            self._thread.join()

    def changes(self) -> list[str]:
        """Return what is wrong with the server since the run began, as parts of a sentence."""
        if self.bus.part is not None:
            return []
        if self._look() != self._identity:
            return [f"the server at {self.bus.url} was started anew, or evicted keys"]
        return [trouble] if (trouble := self.trouble()) else []

    def _look(self) -> tuple[str, str]:
        """Return which process the server is, and how many keys it has evicted."""
        with contextlib.suppress(redis.RedisError), contextlib.closing(self.bus.client()) as client:
            info = client.info()
            return str(info.get("run_id", "")), str(info.get("evicted_keys", ""))
        return "gone", ""

    def trouble(self) -> str:
        """Return for how long the server was silent, as part of a sentence, or nothing if that was not too long."""
        asked = self._asked  # it may be silent still
        silent = max(self.silent, 0.0 if asked is None else time.monotonic() - asked)
        return f"the server at {self.bus.url} was silent for {silent:.2f} s" if silent > SILENT else ""

    def _watch(self) -> None:
        with contextlib.closing(self.bus.client()) as client:
            while not self._over.wait(EVERY):
                began, waited = time.monotonic(), _waited()
                self._asked = began
                with contextlib.suppress(redis.RedisError):  # who is gone is silent, too
                    client.ping()
                self._asked = None
                self.silent = max(self.silent, time.monotonic() - began - (_waited() - waited))


def _waited() -> float:
    """Return the seconds for which this thread has waited for a core, which is not the server's silence.

    Source: Linux, Documentation/scheduler/sched-stats.rst, /proc/PID/task/TID/schedstat.
    """
    try:
        number = os.open("/proc/thread-self/schedstat", os.O_RDONLY)
    except OSError:
        return 0.0
    try:
        return int(os.read(number, 100).split()[1]) / 1e9
    finally:
        os.close(number)
