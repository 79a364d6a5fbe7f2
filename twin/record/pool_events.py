"""The events of the nodes' pools of connections, a part of the vocabulary of `twin.record.events`."""

from twin.record.typed import Event, event, own


@event("node version")
class BorrowAsked(Event):
    """A use asks its node's pool for a connection; `version` is the number of the use."""


@event("node version")
class Borrowed(Event):
    """The use has got one, and asks the store."""


@event("node version")
class BorrowFailed(Event):
    """The use gets none."""

    reason: str = own(
        "`full` (as many wait as may), `timeout`, `down` (the store does not answer) or `gone` (who asked is gone)"
    )


@event("node version")
class GivenBack(Event):
    """The use has given its connection back."""

    broken: bool = own("it was found to be broken, and the use has failed", default=False)


@event("node version")
class Leaked(Event):
    """The use has ended without giving its connection back; only the record knows."""


@event("node")
class PoolOpened(Event):
    """A pool has opened a connection to the store in the run."""


@event("node")
class PoolClosed(Event):
    """A pool has closed a connection, or found it closed."""

    reason: str = own("`idle`, `lifetime` or `broken`")


@event("node version?")
class PoolAlarm(Event):
    """A pool raises an alarm; `version` is the use that it is about, if there is one."""

    alarm: str = own("`saturated`, `slow` or `leak`")


OF_POOLS: tuple[type[Event], ...] = (
    *(BorrowAsked, Borrowed, BorrowFailed, GivenBack, Leaked, PoolOpened, PoolClosed, PoolAlarm),
)
"""Events of the nodes' pools, in the order of docs/measures.md."""
