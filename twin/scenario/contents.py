"""What is in the publisher's messages of a run, and how large their frames are: the same for every replication."""

from functools import lru_cache
from struct import pack

from twin.rules.batching import Departure
from twin.rules.codecs import payload
from twin.rules.deflate import DeflatedSizes, DeflateSettings, alone
from twin.rules.frames import frame_bytes
from twin.scenario.broadcast import Publisher
from twin.scenario.codec import CodecKind

USUAL_EPOCH = 1_767_225_600_000_000
"""Stands for the epoch of a broker, the microseconds of its clock, where a stamp is compressed."""
MESSAGE = 77
"""First byte of a message on its way, "M"."""


class Contents:
    """The messages of a publisher by their numbers, from 1; a batch is one message.

    Args:
        codec: of the payloads.
        publisher: who sends them.
        duration: of the run, in seconds.
        compression: of connections to clients, None for none. A connection is taken to have had all messages: of one
            that is younger, the first frames are larger.
    """

    def __init__(
        self, codec: CodecKind, publisher: Publisher, duration: float, compression: DeflateSettings | None
    ) -> None:
        self.codec = codec
        self.text_bytes = publisher.payload_bytes
        self.batches = publisher.batches(duration)
        self.compression = compression
        self._deflated = DeflatedSizes(compression, self.content) if compression is not None else None

    def batch(self, number: int) -> Departure:
        """Return which of the publisher's messages one has in it."""
        return self.batches[number - 1]

    def payload(self, number: int) -> bytes:
        """Return its payload."""
        batch = self.batch(number)
        return payload(self.codec, self.text_bytes, batch.first, batch.count)

    def content(self, number: int) -> bytes:
        """Return the content of its frame before that is compressed."""
        return pack(">BQQQ", MESSAGE, USUAL_EPOCH, number, number) + self.payload(number)

    def size(self, number: int) -> int:
        """Return the bytes of the content of its frame to a client."""
        return len(self.content(number)) if self._deflated is None else self._deflated(number)

    def frame(self, number: int) -> int:
        """Return the bytes of its frame to a client."""
        return frame_bytes(self.size(number))

    def answer_frame(self, size: int, numbers: tuple[int, ...]) -> int:
        """Return the bytes of a frame with an answer of `size` bytes that has some messages in it."""
        if self.compression is None:
            return frame_bytes(size)
        data = b"".join(self.content(number) for number in numbers)
        return frame_bytes(alone(self.compression, data.ljust(size, b"\0")[:size]))


@lru_cache(64)
def contents_of(
    codec: CodecKind, publisher: Publisher, duration: float, compression: DeflateSettings | None
) -> Contents:
    """Return the messages of a run; what is compressed once is known to each replication of a process."""
    return Contents(codec, publisher, duration, compression)
