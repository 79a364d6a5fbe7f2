"""What faults do to a client."""

from collections.abc import Sequence
from typing import Protocol

from sim.client.client import Client
from sim.ports import Effect, Work
from twin.scenario.faults import Fault


class Clients(Protocol):
    """A cluster with clients."""

    @property
    def clients(self) -> Sequence[Client]:
        """All clients; number 0 is the first."""
        ...


class Stall(Effect):
    """A client stops reading, until the duration of all its stalls is over."""

    def __init__(self, cluster: Clients, fault: Fault) -> None:
        assert fault.client is not None
        self.kind = fault.kind
        self.stall = cluster.clients[fault.client].stall

    def begin(self) -> Work[None]:
        """Stop reading."""
        self.stall.begin()
        yield from ()

    def over(self, life: int) -> bool:
        """Tell whether it reads again: no other stall goes on."""
        return self.stall.over()


KINDS = {"stall": Stall}
