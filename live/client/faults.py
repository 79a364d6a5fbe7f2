"""What faults do to a client."""

from typing import TYPE_CHECKING

from live.client import messages
from live.ports import Effect
from twin.scenario.faults import Fault

if TYPE_CHECKING:
    from live.ports import Cluster


class Stall(Effect):
    """A client stops reading, until the duration of all its stalls is over."""

    def __init__(self, cluster: "Cluster", fault: Fault) -> None:
        assert fault.client is not None
        self.kind = fault.kind
        self.number = fault.client
        self.hold = cluster.stalls[fault.client]
        self.swarm = cluster.swarm[fault.client // cluster.scenario.clients.per_process]

    def begin(self) -> None:
        """Stop reading."""
        if self.hold.begin():
            self.swarm.tell(messages.SetStall(self.number, True))

    def over(self, life: int) -> bool:
        """Tell whether it reads again: no other stall goes on."""
        return self.hold.over()

    def end(self) -> None:
        """Let it read again."""
        self.swarm.tell(messages.SetStall(self.number, False))


KINDS = {"stall": Stall}
