"""What codecs and compression cost, and to which parts of a run that is added.

A profile keeps it by kind, as that of a balancer: `parts.codec.KIND` for each codec, `parts.deflate.KIND` for what a
connection's contexts take of memory (`CONTEXTS`). All of it is optional: what a profile does not know costs nothing,
and a prediction says so.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Protocol

from twin.costs.curve import Curve, PartCosts
from twin.rules.codecs import NO_CODEC
from twin.rules.deflate import DeflateSettings, deflate_memory

if TYPE_CHECKING:
    from twin.scenario.scenario import Scenario

TEXTS_MEASURED = (64, 1024, 16_384)
"""Bytes of the texts of the messages that are encoded and decoded."""
CONTENTS = (192, 1024, 16_384)
"""Bytes of the frames that are compressed; the first are small ones."""
CONNECTIONS = (16, 64, 256)
"""Connections whose contexts are used in turn: they share the caches of a core."""
CONTEXTS = {"9-1": (9, 1), "12-5": (12, 5), "15-8": (15, 8)}
"""Kind -> window bits and memory level of the contexts that are measured, the smallest first."""
CONTEXT_BYTES = tuple(f"context_bytes_{kind.replace('-', '_')}" for kind in CONTEXTS)
"""Fields of a profile with the resident bytes that a connection keeps for such contexts."""
USUAL_CODEC, USUAL_CONTEXT = "json", "12-5"

CODEC_PARTS = {
    f"codec_{what}{how}": f"codec: {what} {which}"
    for what in ("encode", "decode")
    for how, which in (
        ("", "a message, one after the other"),
        ("_lone", "a message after a pause of some milliseconds"),
        ("_more", "a further message of a batch"),
    )
}
DEFLATE_PARTS = {
    f"{what}_{how}{size}": f"permessage-deflate: {does} {which}, {of}"
    for what, does in (("deflate", "compress"), ("inflate", "decompress"))
    for size, which in (("", "a small frame"), ("_bytes", "what a larger frame costs more"))
    for how, of in (("kept", "with the context of the connection"), ("fresh", "with a new context"))
}
OF_CODECS = CODEC_PARTS | DEFLATE_PARTS
GATHER_PARTS = {"client_gather": "client: wake up at its time, and put a message into a batch"}
GATHER_LEVEL = 16
"""Level under which that is kept: it is done for one client at a time."""

FANOUT = ("node_fanout", "node_fanout_more")
APPLIED = ("client_delivery", "client_delivery_more")
BEHIND_NODE = (*FANOUT, "balancer_delivery", "balancer_delivery_more")
"""Parts that carry a message as it is compressed; a client copies what is decompressed."""


class Profile(Protocol):
    """A host profile, as is asked here."""

    def of(self, room: str, kind: str = ...) -> dict[str, PartCosts]:
        """Return the parts of a room of one kind."""
        ...

    def paces_at(self, contention_steps: int) -> Sequence[float]:
        """Return the pace of a core at each level of speed and contention."""
        ...

    def slowness(self, who: str) -> float:
        """Return the power of the pace to which costs go."""
        ...


@dataclass(frozen=True)
class Shape:
    """What a typical message of the publisher is, or what leaves together with it.

    Attributes:
        count: messages in it.
        payload: bytes as the publisher sends them.
        sent: bytes of payload as they are left in a frame to a client, which is smaller where that is compressed.
        content: bytes of that frame before it is compressed.
    """

    count: float
    payload: int
    sent: int
    content: int


def shape_of(scenario: "Scenario") -> Shape:
    """Return it; a scenario without a publisher has none."""
    publisher = scenario.publisher
    if publisher is None:
        return Shape(0.0, 0, 0, 0)
    if not scenario.counts_bytes or not (batches := scenario.contents.batches):
        size = publisher.payload_bytes
        return Shape(1.0, size, size, size)
    middle, contents = (len(batches) + 1) // 2, scenario.contents
    payload, content = len(contents.payload(middle)), len(contents.content(middle))
    sent = max(0, contents.size(middle) - (content - payload))
    return Shape(sum(one.count for one in batches) / len(batches), payload, sent, content)


def by_size(size: float, sizes: Sequence[int], costs: Sequence[float]) -> float:
    """Return the cost of a size: linear in the bytes between the sizes that were measured, and beyond them."""
    beyond = 1
    while beyond < len(sizes) - 1 and sizes[beyond] < size:
        beyond += 1
    low, high = beyond - 1, beyond
    share = (size - sizes[low]) / (sizes[high] - sizes[low])
    return max(0.0, costs[low] + (costs[high] - costs[low]) * share)


class CodecCosts:
    """What codec and compression of a scenario cost at each level of speed and contention.

    Args:
        profile: of the host.
        scenario: with its codec, its compression and the sizes of its messages.
        contention_steps: as of `HostProfile.curves`.
    """

    def __init__(self, profile: Profile, scenario: "Scenario", contention_steps: int) -> None:
        self.profile = profile
        self.scenario = scenario
        self.paces = profile.paces_at(contention_steps)
        compression = scenario.nodes.compression
        self.deflate = compression.rule() if compression is not None else None

    def encoded(self, what: str, text_bytes: int, count: float) -> list[Curve] | None:
        """Return what it costs to `encode` or `decode` messages that leave together; None if that is nothing.

        Args:
            what: which of the two.
            text_bytes: of the text of each message.
            count: how many there are.
        """
        kind = self.scenario.codec
        parts = self.profile.of("codec", kind) if kind != NO_CODEC else {}
        if not set(CODEC_PARTS) <= set(parts):
            return None

        def at(how: str, pace: float) -> float:
            costs = parts[f"codec_{what}{how}"].costs_at(pace, self.profile.slowness("codec"))
            return by_size(text_bytes, TEXTS_MEASURED, costs)

        found = []
        for pace in self.paces:
            more = (count - 1) * at("_more", pace)
            row = at("", pace) + more
            found.append(Curve([1, CONNECTIONS[0]], [max(row, at("_lone", pace) + more), row]))
        return found

    def deflated(self, what: str, content_bytes: int) -> list[Curve] | None:
        """Return what it costs to `deflate` or `inflate` a frame, for so many connections in turn; None if nothing."""
        if self.deflate is None or not knows_deflate(self.profile):
            return None
        return [self._deflated(what, content_bytes, pace, self.deflate) for pace in self.paces]

    def _deflated(self, what: str, content_bytes: int, pace: float, settings: DeflateSettings) -> Curve:
        how = f"{what}_{'kept' if settings.takeover else 'fresh'}"
        memory = deflate_memory(settings.window_bits, settings.memory_level)
        sizes = [deflate_memory(*context) for context in CONTEXTS.values()]
        kinds = [self.profile.of("deflate", kind) for kind in CONTEXTS]

        def between(cost: Callable[[dict[str, PartCosts]], float]) -> float:
            return by_size(memory, sizes, [cost(parts) for parts in kinds])

        slow = self.profile.slowness("deflate")
        more = between(
            lambda parts: by_size(content_bytes, CONTENTS, [0.0, *parts[f"{how}_bytes"].costs_at(pace, slow)])
        )

        def turn(place: int) -> float:
            return between(lambda parts: parts[how].costs_at(pace, slow)[place])

        costs = [more + turn(place) for place in range(len(CONNECTIONS))]
        return Curve(CONNECTIONS, costs)


def knows_deflate(profile: Profile) -> bool:
    """Tell whether it was calibrated what compression costs."""
    return all(set(DEFLATE_PARTS) <= set(profile.of("deflate", kind)) for kind in CONTEXTS)


def added(costs: CodecCosts, name: str, shape: Shape) -> tuple[list[Curve], float] | None:
    """Return what codec and compression add to a part of the broadcast, and which share of that comes before the first
    of many items is finished; None if it is nothing.

    A node compresses for all connections before it writes any of it: its writes wait for the end of the loop's round.
    """
    publisher = costs.scenario.publisher
    if publisher is None:
        return None
    text = publisher.payload_bytes
    if name == "publisher_send":
        encoded = costs.encoded("encode", text, shape.count)
        return None if encoded is None else (encoded, 0.0)
    if name in FANOUT:
        deflated = costs.deflated("deflate", shape.content)
        return None if deflated is None else (deflated, 1.0)
    if name in APPLIED:
        found = [costs.deflated("inflate", shape.content), costs.encoded("decode", text, shape.count)]
        known = [one for one in found if one is not None]
        return (beside(*known), 0.0) if known else None
    return None


def beside(*costs: Sequence[Curve]) -> list[Curve]:
    """Return the sum of some costs at each level."""
    first, *others = costs
    found = list(first)
    for more in others:
        found = [one.beside(other) for one, other in zip(found, more, strict=True)]
    return found


def carried(shape: Shape, name: str, payload: int) -> int:
    """Return how many bytes of payload a part of the broadcast deals with, `payload` where nothing changes that."""
    if payload == 0 or shape.count == 0:
        return payload
    return shape.sent if name in BEHIND_NODE else shape.payload
