"""The store behind the nodes' pools: what it answers, and to whom, until it is killed.

Valkey is one process that does one command after the other. PostgreSQL has a process for each connection, and they
share the cores; `pg_sleep` sleeps whole milliseconds. Source: PostgreSQL, src/backend/utils/adt/misc.c, pg_sleep
(`ceil(delay * 1000.0)`), and src/backend/postmaster/postmaster.c, BackendStartup.
"""

from collections.abc import Callable
from math import ceil

import simpy

from sim.machine.cores import Cores
from sim.machine.process import Cost, Process
from sim.ports import Work
from twin.rules.faults import Standing
from twin.rules.pool import Store

MILLISECOND = 0.001


class StoreLink:
    """One connection to the store.

    Attributes:
        process: who answers on it.
        life: of the store when it was opened.
    """

    def __init__(self, process: Process, life: int) -> None:
        self.process = process
        self.life = life


class PoolStore:
    """The store of a run.

    Args:
        env: the environment.
        kind: which one.
        cores: on which it runs.
        cost: of a part, by its name.
        start: seconds that it takes to start again after it was killed.

    Attributes:
        standing: what acts on it.
    """

    def __init__(
        self, env: simpy.Environment, kind: Store, cores: Cores, cost: Callable[[str], Cost], start: float
    ) -> None:
        self.env = env
        self.cores = cores
        self.forks = kind == "postgresql"
        self.use_cost = cost(f"store_{kind}_use")
        self.connect_cost = cost(f"store_{kind}_connect")
        self.check_cost = cost("store_postgresql_check") if self.forks else self.use_cost
        self.start_time = start
        self.up = True
        self.life = 0
        self.standing = Standing()
        self._process = Process(cores)
        self._asking: dict[simpy.Event, None] = {}

    def works(self, link: StoreLink | None) -> bool:
        """Tell whether a connection is open."""
        return link is not None and link.life == self.life

    def linked(self) -> StoreLink:
        """Return a connection that was opened before the run."""
        return StoreLink(Process(self.cores) if self.forks else self._process, self.life)

    def connect(self) -> Work[StoreLink | None]:
        """Open a connection; return it, or None if nobody answers."""
        if not self.up:
            return None
        link = self.linked()
        return link if (yield self._served(link, self.connect_cost, 0.0)) else None

    def ask(self, link: StoreLink, seconds: float) -> simpy.Event:
        """Ask over a connection; the event's value tells whether an answer came. The store waits `seconds` with it."""
        return self._served(link, self.use_cost, seconds)

    def check(self, link: StoreLink) -> simpy.Event:
        """Ask whether a connection works; the event's value tells so."""
        return self._served(link, self.check_cost, 0.0)

    def _served(self, link: StoreLink, cost: Cost, seconds: float) -> simpy.Event:
        reply = self.env.event()
        if not self.works(link):
            return reply.succeed(False)
        life = self.life
        self._asking[reply] = None

        def answer(_: simpy.Event) -> None:
            if life == self.life:
                del self._asking[reply]
                reply.succeed(True)

        def served(_: simpy.Event) -> None:
            if seconds > 0.0:
                self.env.timeout(ceil(seconds / MILLISECOND) * MILLISECOND).callbacks.append(answer)
            else:
                answer(_)

        link.process.work(cost, served)
        return reply

    def kill(self) -> None:
        """SIGKILL: every connection breaks, and who waits for an answer reads that."""
        self.up = False
        self.life += 1
        self._process = Process(self.cores)
        asking, self._asking = self._asking, {}
        for reply in asking:
            reply.succeed(False)

    def start(self) -> Work[None]:
        """Start it again; it answers when its process is up."""
        life = self.life
        yield self.env.timeout(self.start_time)
        self.up = life == self.life
