"""What is in the messages, and how they travel: codec, compression, batches."""

from typing import Annotated, Literal

from pydantic import Field

from twin.rules.deflate import LEAST_WINDOW, MOST_WINDOW, DeflateSettings
from twin.scenario.fields import Table

CodecKind = Literal["none", "json", "orjson", "msgpack", "protobuf"]
"""The kinds of codecs, listed here."""


class Batching(Table):
    """When messages that are gathered leave together: whichever of the two comes first."""

    count: Annotated[int, Field(ge=1, le=1000)] = Field(10, description="Messages with which a batch leaves at once.")
    window: Annotated[float, Field(gt=0, le=60, allow_inf_nan=False)] = Field(
        0.05, description="Seconds after its first message at which a batch leaves, however few there are."
    )


class Compression(Table):
    """permessage-deflate (RFC 7692) on every connection of the nodes, both ways, if the client takes it; those here do.

    The defaults are those of `websockets`.
    """

    window_bits: Annotated[int, Field(ge=LEAST_WINDOW, le=MOST_WINDOW)] = Field(
        12, description="Size of the window in which repetitions are found, as a power of two; 15 is 32 kB."
    )
    memory_level: Annotated[int, Field(ge=1, le=9)] = Field(
        5, description="How much memory a compressor takes for its state, 1 to 9; 8 is zlib's default."
    )
    takeover: bool = Field(
        True,
        description="true: each side keeps its context from one message to the next, with its memory; false: each "
        "message begins with a new one.",
    )

    def rule(self) -> DeflateSettings:
        """Return the settings as the rules know them."""
        return DeflateSettings(self.window_bits, self.memory_level, self.takeover)
