"""What the lab orders a node with a pool to do, and what it says."""

from live.control.messages import ControlMessage


class UseFrom(ControlMessage):
    """An order: uses begin at `begin`, by the monotonic clock; handshakes before that are none."""

    begin: float


class AskPool(ControlMessage):
    """A question: has the pool opened the connections that there are always? It answers `PoolReady` once it has."""


class PoolReady(ControlMessage):
    """It has since `at`, by the monotonic clock."""

    at: float
