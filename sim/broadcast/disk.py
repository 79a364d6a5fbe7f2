"""The disk of a bus that persists: nothing that it has to say goes out before what it has done is in its log.

A command that writes leaves its trace in a buffer. When all that was ready has been read, and before anything is sent,
the server writes the buffer to its log and has it on disk: once, however many commands have written. It spends some CPU
time on that, and then it waits off its core, so that others may have it, but does nothing else. Answers to those who
only asked, and what is pushed to subscribers, wait too. Source: Valkey, `beforeSleep` in src/server.c
(`flushAppendOnlyFile` comes before `handleClientsWithPendingWrites`), `flushAppendOnlyFile` in src/aof.c with
`appendfsync always`.
"""

from collections.abc import Callable
from functools import partial
from typing import Any

import simpy

from sim.machine.cold_start import ColdStart
from sim.machine.process import Cost, Process
from twin.costs.curve import after_sleep


class Disk:
    """The log of one server.

    Args:
        env: the simulation.
        process: the server's.
        cost: CPU time of having the log on disk (`bus_sync`).
        waits: seconds until it is there, for a disk that has rested and for one that is written to again at once.
    """

    def __init__(self, env: simpy.Environment, process: Process, cost: Cost, waits: tuple[float, float]) -> None:
        self.env = env
        self.process = process
        self.sync = ColdStart(env, cost)
        self.rested, self.at_once = waits
        self.life = 0
        self.idle_since = -1.0
        self.unsent: list[Callable[[], Any]] | None = None

    def wrote(self) -> None:
        """A command has written: what comes out from now on waits, until what is ready has been read and is on disk."""
        if self.unsent is None:
            self.unsent = []
            self.process.work(self.sync, partial(self._begin, self.life))

    def out(self, act: Callable[[], Any]) -> None:
        """Let something go out, when all that was written before is on disk."""
        if self.unsent is None:
            act()
        else:
            self.unsent.append(act)

    def _begin(self, life: int, _: simpy.Event) -> None:
        if life != self.life:
            return
        self.process.stop()
        wait = after_sleep(self.at_once, self.rested, 0.0, self.env.now - self.idle_since)
        self.env.timeout(wait).callbacks.append(partial(self._end, life))

    def _end(self, life: int, _: simpy.Event) -> None:
        if life == self.life:
            self.idle_since = self.env.now
            self.process.resume_with(Cost.constant(0.0), partial(self._release, life))

    def _release(self, life: int, _: simpy.Event) -> None:
        if life != self.life or self.unsent is None:
            return
        unsent, self.unsent = self.unsent, None
        for act in unsent:
            act()

    def lose(self) -> None:
        """The server has died: nothing that waits goes out; what it has written is in its log all the same."""
        self.life += 1
        self.unsent = None
        self.process.resume()
