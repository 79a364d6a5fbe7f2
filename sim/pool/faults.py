"""What a fault does to the store behind the nodes' pools."""

from typing import Protocol

from sim.pool.pools import Pools
from sim.ports import Effect, Work
from twin.scenario.faults import Fault


class Pooled(Protocol):
    """A cluster whose nodes may have pools."""

    @property
    def pools(self) -> Pools | None:
        """The pools of its nodes."""
        ...


class StoreDown(Effect):
    """The store is killed, and started again after the duration; one that is dead already is not killed."""

    kind = "kill"

    def __init__(self, cluster: Pooled, fault: Fault) -> None:
        assert cluster.pools is not None, "such a fault needs pools"
        self.store = cluster.pools.store
        self.standing = self.store.standing

    def begin(self) -> Work[None]:
        """Kill it."""
        self.store.kill()
        yield from ()

    def end(self) -> Work[bool]:
        """Start it; it is healed when it answers, unless it was killed before."""
        begun = self.store.standing.boots()
        yield from self.store.start()
        return self.store.standing.listens(begun)


KINDS = {"store_down": StoreDown}
