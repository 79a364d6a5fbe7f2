"""The event of clients that poll, a part of the vocabulary of `twin.record.events`."""

from twin.record.typed import Event, event, own


@event("client node")
class Polled(Event):
    """A client that polls has read an answer; `node` is the one that gave it."""

    messages: int = own("messages in it")
    size: int = own("bytes of request and answer, heads included", "B")


OF_POLLING: tuple[type[Event], ...] = (Polled,)
"""Events of clients that poll."""
