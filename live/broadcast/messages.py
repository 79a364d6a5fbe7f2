"""What the lab orders the publisher and the relays between nodes and bus to do, and what a relay is told first."""

from live.control.address import Way
from live.control.messages import ControlMessage, Struct


class RelaySettings(Struct):
    """The settings of a relay.

    Attributes:
        port: where it listens, on loopback.
        to: where the bus is.
    """

    port: int
    to: Way


class Publish(ControlMessage):
    """An order to the publisher: the run begins at `start`, by the monotonic clock."""

    start: float


class Cut(ControlMessage):
    """An order to a relay: let nothing pass (`on`), or let it pass again."""

    on: bool


class SetDelay(ControlMessage):
    """An order to a relay: make each direction slower by so many seconds."""

    seconds: float
