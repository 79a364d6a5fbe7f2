"""What the calibration orders its clients (`live.calibration.bench`) to do, and what they answer.

Times are by the monotonic clock; 0 where there was no such event.
"""

from live.control.messages import ControlMessage, Struct


class Tokens(ControlMessage):
    """An order: the clients that come next show these, one each, when they have sessions."""

    tokens: list[str]


class OpenBatch(ControlMessage):
    """An order: so many new clients try once to connect, all at once or one after the other; the answer is `Opened`.

    Attributes:
        port: where; None is where the last ones did.
    """

    size: int
    port: int | None = None
    together: bool = True


class Span(ControlMessage):
    """When the first and the last of some events were."""

    first: float
    last: float


class Opened(Span):
    """When the first and the last attempt ended, how many opened, and why the others failed."""

    opened: int
    failed: int
    why: list[str]


class AskMissed(ControlMessage):
    """An order: each client asks its node what it missed."""


class Ask(ControlMessage):
    """An order: so many clients that poll ask once, `waits` if the node may hold the request; the answer is `Asked`, as
    soon as all are answered.
    """

    clients: int
    waits: bool


class Asked(Span):
    """When the first and the last answer had been read, how many messages the clients got, and how many failed."""

    messages: int
    failed: int


class AskDelivered(ControlMessage):
    """A question: when were the first and the last delivery since this was asked last? The answer is `Delivered`."""


class Delivered(Span):
    """When they were."""


class Abandon(ControlMessage):
    """An order: each client pings its node and breaks its connection off after so many seconds."""

    after: float


class AwaitLoss(ControlMessage):
    """A question: when is every connection lost that is open? The answer is `AllLost`."""


class AllLost(Span):
    """When the first and the last were lost."""


class CodecBench(Struct):
    """The settings of a bench of codecs.

    Attributes:
        room: of a profile, `codec` or `deflate`; or `gather`, of which there is one kind.
        kind: of the room.
    """

    room: str
    kind: str


class CodecTimes(ControlMessage):
    """What it found.

    Attributes:
        seconds: of CPU time; for each of its parts by name a figure for each level.
        bytes: that a connection keeps for the contexts, resident; 0 of a codec.
    """

    seconds: dict[str, list[float]]
    bytes: float = 0.0


class OpenPool(ControlMessage):
    """An order: open a pool with so many connections; the answer is `Spent`."""

    size: int


class UsePool(ControlMessage):
    """An order: use the last pool so often, all at once; the answer is `Spent`."""

    count: int


class Spent(ControlMessage):
    """So many seconds of CPU time have gone to what was ordered."""

    cpu: float


class PlaceBytes(ControlMessage):
    """What a frame's place in a queue takes, in bytes."""

    each: float
