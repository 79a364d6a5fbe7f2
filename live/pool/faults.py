"""What a fault does to the store behind the nodes' pools."""

import contextlib
import threading
import time
from typing import TYPE_CHECKING

from live.pool.pool import Pools
from live.ports import Effect
from twin.errors import ClusterError, HostError
from twin.scenario.faults import Fault

if TYPE_CHECKING:
    from live.ports import Cluster


class StoreDown(Effect):
    """The store is killed, and started again after the duration; one that is dead already is not killed."""

    kind = "kill"
    heals = False

    def __init__(self, cluster: "Cluster", fault: Fault) -> None:
        self.cluster = cluster
        self.fault = fault
        pools = cluster.room(Pools)
        assert pools is not None, "such a fault needs pools"
        self.store = pools.store
        self.standing = self.store.standing

    def begin(self) -> None:
        """Kill it."""
        self.store.kill()

    def end(self) -> None:
        """Start it; it is healed when it answers, unless it was killed before."""
        begun = self.store.standing.boots()
        self.store.start_again()
        threading.Thread(target=self._answers_again, args=(begun,), daemon=True).start()

    def _answers_again(self, begun: int) -> None:
        with contextlib.suppress(ClusterError, HostError, OSError):
            self.store.wait_ready()
            if self.store.standing.listens(begun):
                self.cluster.note(time.monotonic(), "healed", detail=self.fault.kind)


KINDS = {"store_down": StoreDown}
