"""What is done to the balancer."""

from typing import Protocol

from sim.balancer.balancer import Balancer
from sim.balancer.reload import reload
from sim.ports import Effect, Work
from twin.scenario.faults import Fault


class Balanced(Protocol):
    """A cluster with a balancer."""

    @property
    def balancer(self) -> Balancer:
        """The balancer."""
        ...


class Reload(Effect):
    """The balancer reloads its configuration."""

    def __init__(self, cluster: Balanced, fault: Fault) -> None:
        self.kind = fault.kind
        self.balancer = cluster.balancer

    def begin(self) -> Work[None]:
        """Reload it."""
        yield from reload(self.balancer)


KINDS = {"reload": Reload}
