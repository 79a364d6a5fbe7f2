"""What the frames of clients' messages cost besides what every frame costs: their codec, and compression."""

from sim.machine.machine import Machine
from sim.machine.process import Cost
from twin.costs.codec import GATHER_PARTS
from twin.scenario.scenario import Scenario
from twin.scenario.sending import frame_content


class FrameCosts:
    """The costs of frames by the number of messages in them.

    Args:
        scenario: whose clients send.
        machine: what parts cost.

    Attributes:
        gather: of a message that is put into a batch; nothing where the profile does not know it.
    """

    def __init__(self, scenario: Scenario, machine: Machine) -> None:
        self.sends = scenario.clients.sends
        self.codec = scenario.codec
        self.machine = machine
        knows = machine.knows(GATHER_PARTS)
        self.gather = machine.cost("client_gather") if knows else Cost.constant(0.0)
        self._known: dict[int, tuple[Cost | None, Cost | None]] = {}

    def of(self, count: int) -> tuple[Cost | None, Cost | None]:
        """Return what it costs to write and to read a frame with so many messages, None where that is nothing."""
        if count not in self._known:
            size = frame_content(self.sends, count, self.codec)
            text, machine = self.sends.payload_bytes, self.machine
            self._known[count] = (
                _sum(machine.encoded("encode", "client", text, count), machine.deflated("deflate", "client", size)),
                _sum(machine.deflated("inflate", "node", size), machine.encoded("decode", "node", text, count)),
            )
        return self._known[count]


def _sum(one: Cost | None, other: Cost | None) -> Cost | None:
    if one is None or other is None:
        return one or other
    return one.beside(other)
