"""The events of what requests make nodes do, a part of the vocabulary of `twin.record.events`."""

from twin.record.typed import Event, event, own

_TASK = "name of the task"


@event("client node version")
class Requested(Event):
    """The client has written a request to its connection; `version` is its number among those of its task, from 0."""

    task: str = own(_TASK)


@event("client node version")
class Answered(Event):
    """The client has read the answer to its request of the same task and `version`."""

    task: str = own(_TASK)


@event("node")
class LoopLate(Event):
    """The node has looked how late its loop is, every 37 ms: a timer that was due then went off so much later. A loop
    that stood still makes up for the looks that it missed.
    """

    late: int = own("by how much", "us")


OF_HANDLER: tuple[type[Event], ...] = (Requested, Answered, LoopLate)
"""Events of what requests make nodes do."""
