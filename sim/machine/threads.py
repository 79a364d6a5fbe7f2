"""The threads of one Python process: each competes for a core as a process does, but only who has the lock works.

Who waits for the interpreter lock sleeps, so it wants no core. Who is to give it up does so at the end of the piece of
work that it is doing. The rule is `twin.rules.gil`.
"""

from collections.abc import Callable

import simpy

from sim.machine.process import PIECE, Process, Scheduler
from twin.rules.gil import SWITCH_INTERVAL, InterpreterLock

LEAST_PIECE = 1e-6
"""Seconds of the shortest piece of work."""


class Thread(Process):
    """A thread of a process with an interpreter lock. What stops the process (SIGSTOP) stops all its threads.

    Attributes:
        gil: the lock that it needs.
        queued: whether it waits for the lock.
        displaced: whether it is to give the lock up in the middle of its work.
    """

    def __init__(self, gil: "Gil") -> None:
        super().__init__(gil)
        self.gil = gil
        self.queued = False
        self.displaced = False
        self.on_rest = self._rested
        gil.threads.append(self)

    def _rested(self) -> None:
        self.gil.rested(self)

    def block(self, seconds: float, then: Callable[[], None]) -> None:
        """Make a blocking call: the thread gives the lock up for so long; `then` is called at its end."""
        life = self.life

        def returns(_: simpy.Event) -> None:
            if life == self.life:
                then()

        self.gil.env.timeout(seconds).callbacks.append(returns)

    def stop(self) -> None:
        """Stop the whole process."""
        for thread in self.gil.threads:
            Process.stop(thread)

    def resume(self) -> None:
        """Let the whole process go on."""
        for thread in self.gil.threads:
            Process.resume(thread)

    def piece(self, left: float) -> float:
        """Return how long the next piece of some CPU work is: others ask for the lock at its end, and not within it."""
        due = self.gil.lock.due
        return min(PIECE, left) if due is None else min(PIECE, left, max(LEAST_PIECE, due - self.gil.env.now))

    def _goes_on(self) -> None:
        self.stopped = self.halted or self.displaced
        if self.displaced and not self.halted and not self.ready:
            self.gil.rested(self)
        elif self.busy and not self.ready and not self.stopped:
            self.gil.wake(self)

    def clear(self) -> None:
        """Forget all work of the thread, and that it waits for the lock."""
        self.gil.forget(self)
        super().clear()


class Gil:
    """The interpreter lock of one process, between its threads and the cores.

    Args:
        cores: on which the threads run.
        interval: seconds that a thread waits before it asks for the lock.

    Attributes:
        threads: all that there are.
        lock: who has it, and who waits.
    """

    def __init__(self, cores: Scheduler, interval: float = SWITCH_INTERVAL) -> None:
        self.cores = cores
        self.count = cores.count
        self.unseen = cores.time_slice if cores.count == 1 else 0.0
        self.env = cores.env
        self.time_slice = cores.time_slice
        self.clock = cores.clock
        self.threads: list[Thread] = []
        self.lock = InterpreterLock(interval)
        self._looks_at: float | None = None

    def wake(self, process: Process) -> None:
        """Let a thread that has got work have the lock, and then compete for a core, or wait for the lock."""
        thread = process
        assert isinstance(thread, Thread)
        if thread.queued:
            return
        if self.lock.holder is thread or self.lock.want(thread, self.env.now):
            self.cores.wake(thread)
        else:
            thread.queued = True
            self._watch()

    def _watch(self) -> None:
        """Look again when the next wait is over."""
        due = self.lock.due
        if due is not None and due != self._looks_at:
            self._looks_at = due
            self.env.timeout(max(0.0, due - self.env.now), due).callbacks.append(self._look)

    def _look(self, event: simpy.Event) -> None:
        if event.value != self._looks_at:  # an earlier look has been arranged meanwhile
            return
        self._looks_at = None
        holder = self.lock.holder
        if self.lock.due is None or not isinstance(holder, Thread):
            return
        if self.lock.look(self.env.now):
            holder.displaced = holder.stopped = True
        else:
            self._watch()

    def rested(self, thread: Thread) -> None:
        """A thread has given its core up: it has nothing to do, is to give way, or was stopped from outside.

        Who was stopped from outside in the middle of its work keeps the lock.
        """
        if self.lock.holder is not thread or (thread.halted and thread.busy):
            return
        again = thread.displaced and thread.busy
        thread.displaced = False
        thread.stopped = thread.halted
        following = self.lock.release(self.env.now, 0.0 if again else self.unseen)
        if isinstance(following, Thread):
            following.queued = False
            if not following.stopped:
                self.cores.wake(following)
        if again:
            thread.queued = not self.lock.want(thread, self.env.now, displaced=True)
            if not thread.queued:
                self.cores.wake(thread)
        self._watch()

    def forget(self, thread: Thread) -> None:
        """A thread's work is cleared, as its process is gone."""
        self.lock.leave(thread)
        thread.queued = thread.displaced = False
