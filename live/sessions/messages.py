"""What the lab orders a node with sessions to do, and what it says."""

from live.control.messages import ControlMessage


class HashFrom(ControlMessage):
    """An order: logins cost their hash in full from `begin` on, by the monotonic clock."""

    begin: float


class AskJoined(ControlMessage):
    """A question: does the node reach the server of the sessions? It answers `Joined` as soon as it does."""


class Joined(ControlMessage):
    """It does since `at`, by the monotonic clock."""

    at: float
