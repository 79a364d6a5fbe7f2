"""What clients send, and what they do with it while they are away."""

from typing import Annotated

from pydantic import Field

from twin.rules.codecs import NO_CODEC, payload
from twin.rules.offline import Overflow
from twin.scenario.codec import Batching
from twin.scenario.fields import Problem, Table

MOST_SENT = 200_000
"""Messages that the clients of one run may send."""

MOST_FRAME = 65_536
"""Bytes of a client's frame that a node takes."""
NAME_BYTES = 8
"""Bytes of a frame before its payload where that is encoded or a batch; a payload alone begins with them."""


class Sends(Table):
    """What each client sends to its node, at even intervals; the clients' phases are drawn."""

    rate: Annotated[float, Field(ge=0, le=1000, allow_inf_nan=False)] = Field(
        0.0, description="Messages a second of each client; 0 is none."
    )
    payload_bytes: Annotated[int, Field(ge=8, le=MOST_FRAME)] = Field(
        64, description="Bytes of each payload; with a `codec`, of the text in it."
    )
    batch: Batching | None = Field(
        None, description="Messages that leave together are one frame; left out: each leaves when it is due."
    )


class Offline(Table):
    """What a client keeps of what it would have sent while it is not connected."""

    messages: Annotated[int, Field(ge=0, le=100_000)] = Field(
        100, description="Messages that a client keeps at most; 0 keeps none."
    )
    bytes: Annotated[int, Field(ge=0, le=2**30)] = Field(
        65_536, description="Bytes of their payloads at most; 0 is no bound."
    )
    overflow: Overflow = Field(
        "oldest", description="What is dropped when a message does not fit: the oldest ones, or the newest."
    )


def sending_problem(sends: Sends, clients: int, duration: float, codec: str) -> Problem | None:
    """Return what does not fit, or None.

    Args:
        sends: what the scenario asks for.
        clients: how many.
        duration: of a run, in seconds.
        codec: of the payloads.
    """
    if not sends.rate:
        return None
    count = 1 if sends.batch is None else sends.batch.count
    if count * sends.payload_bytes > MOST_FRAME or frame_content(sends, count, codec) > MOST_FRAME:
        one = count == 1
        field, value, of = ("payload_bytes", sends.payload_bytes, "little") if one else ("batch.count", count, "few")
        return Problem(f"clients.sends.{field}", f"{value}", f"so {of} that a frame has at most {MOST_FRAME} bytes")
    if sends.rate * clients * duration > MOST_SENT:
        return Problem("clients.sends.rate", f"{sends.rate:g}", f"such that at most {MOST_SENT} messages are sent")
    return None


def frame_content(sends: Sends, count: int, codec: str) -> int:
    """Return the bytes of a frame with `count` messages of a client, without its header; the numbers are large ones."""
    if codec == NO_CODEC and sends.batch is None:
        return sends.payload_bytes
    return NAME_BYTES + len(payload(codec, sends.payload_bytes, MOST_SENT, count, 0))
