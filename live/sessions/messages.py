"""What the lab orders a node with sessions to do, and what it says."""

from live.control.messages import Message


class HashFrom(Message):
    """An order: logins cost their hash in full from `begin` on, by the monotonic clock."""

    begin: float


class Join(Message):
    """A question: does the node reach the server of the sessions? It answers `Joined` as soon as it does."""


class Joined(Message):
    """It does since `at`, by the monotonic clock."""

    at: float
