"""What a node's pool notes in the record, with the alarms that follow from it."""

from sim.ports import Run
from twin.rules.pool_alarms import Alarm, PoolWatch


class PoolNotes:
    """The notes of one pool.

    Args:
        run: the replication.
        node: number of the node.
    """

    def __init__(self, run: Run, node: int) -> None:
        pool = run.scenario.nodes.pool
        assert pool is not None
        self.run = run
        self.env = run.env
        self.node = node
        self.size = pool.size
        self.limits = pool.alarms.limits()
        self.renew()

    def renew(self) -> None:
        """A new process has a pool of its own."""
        self.watch = PoolWatch(self.size, self.limits)

    def asked(self, use: int) -> None:
        """A use asks for a connection."""
        self._raise(self.watch.asked(self.env.now, use))
        self._note("borrow_asked", use)

    def borrowed(self, use: int) -> None:
        """It has got one."""
        self._raise(self.watch.borrowed(self.env.now, use))
        self._note("borrowed", use)

    def failed(self, use: int, reason: str) -> None:
        """It gets none."""
        self._raise(self.watch.failed(self.env.now, use))
        self._note("borrow_failed", use, reason)

    def given_back(self, use: int, broken: bool) -> None:
        """It has given its connection back."""
        self._raise(self.watch.given_back(self.env.now, use))
        self._note("given_back", use, "broken" if broken else "")

    def leaked(self, use: int) -> None:
        """It has kept its connection."""
        self._note("leaked", use)

    def opened(self) -> None:
        """A connection was opened."""
        self.run.note("pool_opened", node=self.node)

    def closed(self, reason: str) -> None:
        """A connection was closed."""
        self.run.note("pool_closed", node=self.node, detail=reason)

    def until_now(self) -> None:
        """Note the alarms that are due by now."""
        self._raise(self.watch.until(self.env.now))

    def _note(self, event: str, use: int, detail: str = "") -> None:
        self.run.note(event, node=self.node, version=use, detail=detail)

    def _raise(self, alarms: list[Alarm]) -> None:
        for t, kind, use in alarms:
            self.run.rows.append((t, "pool_alarm", -1, self.node, -1, use, kind))
