"""What the lab orders a swarm to do, and what a swarm says."""

from live.control.messages import ControlMessage


class Warm(ControlMessage):
    """An order: connect from `first` on; the run begins at `start`. Both by the monotonic clock."""

    first: float
    start: float


class AllConnected(ControlMessage):
    """All clients have connected."""


class SetStall(ControlMessage):
    """An order: client `number` stops reading (`on`), or reads again."""

    number: int
    on: bool
