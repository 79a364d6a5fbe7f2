"""What is done to the balancer."""

from typing import TYPE_CHECKING

from live.ports import Effect
from twin.scenario.faults import Fault

if TYPE_CHECKING:
    from live.ports import Cluster


class Reload(Effect):
    """The balancer reloads its configuration."""

    def __init__(self, cluster: "Cluster", fault: Fault) -> None:
        self.kind = fault.kind
        self.balancer = cluster.balancer

    def begin(self) -> None:
        """Reload it."""
        self.balancer.reload()


KINDS = {"reload": Reload}
