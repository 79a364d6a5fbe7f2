"""What the lab orders a swarm to do, and what a swarm says."""

from live.control.messages import Message


class Warm(Message):
    """An order: connect from `first` on; the run begins at `start`. Both by the monotonic clock."""

    first: float
    start: float


class Connected(Message):
    """All clients have connected."""


class Stall(Message):
    """An order: client `number` stops reading (`on`), or reads again."""

    number: int
    on: bool
