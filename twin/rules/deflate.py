"""permessage-deflate: what a connection's contexts take of memory, and what is left of a frame.

The sizes are zlib's own: the model compresses each message once, as a node does for each of its connections.

Sources: RFC 7692, sections 7.1 (window bits, context takeover) and 7.2.1 (sync flush, whose last four bytes are not
sent); zlib, zconf.h ("memory requirements for deflate", "for inflate").
"""

import zlib
from collections.abc import Callable
from dataclasses import dataclass
from functools import lru_cache

SMALL_OBJECTS = 7 * 1024
"""Bytes that inflate takes beside its window ("about 7 kilobytes for small objects")."""
LEAST_WINDOW, MOST_WINDOW = 9, 15
"""Window bits that both sides can do: zlib refuses 8 for raw deflate (its issue 171)."""
_FLUSHED = b"\x00\x00\xff\xff"


def deflate_memory(window_bits: int, memory_level: int) -> int:
    """Return the bytes that the context of a compressor takes."""
    return (1 << (window_bits + 2)) + (1 << (memory_level + 9))


def inflate_memory(window_bits: int) -> int:
    """Return the bytes that the context of a decompressor takes."""
    return (1 << window_bits) + SMALL_OBJECTS


@dataclass(frozen=True)
class DeflateSettings:
    """What the two sides of a connection agreed on.

    Attributes:
        window_bits: of the window in which repetitions are found.
        memory_level: of zlib, 1 to 9.
        takeover: whether the context of one message is kept for the next.
    """

    window_bits: int
    memory_level: int
    takeover: bool

    @property
    def kept_bytes(self) -> int:
        """Bytes that one side keeps of a connection between two messages: a compressor and a decompressor, or none."""
        if not self.takeover:
            return 0
        return deflate_memory(self.window_bits, self.memory_level) + inflate_memory(self.window_bits)


class Deflater:
    """One direction of one connection."""

    def __init__(self, settings: DeflateSettings) -> None:
        self.settings = settings
        self._encoder = self._fresh()

    def _fresh(self) -> Callable[[bytes], bytes]:
        encoder = zlib.compressobj(wbits=-self.settings.window_bits, memLevel=self.settings.memory_level)
        return lambda data: encoder.compress(data) + encoder.flush(zlib.Z_SYNC_FLUSH)

    def __call__(self, data: bytes) -> bytes:
        """Return the content of the frame of the next message."""
        if not self.settings.takeover:
            self._encoder = self._fresh()
        return self._encoder(data).removesuffix(_FLUSHED)


class DeflatedSizes:
    """How large the messages of one sequence are that are sent in their order over a connection that has them all.

    Args:
        settings: of the connection.
        content: returns the content of the message of a number, from 1.
    """

    def __init__(self, settings: DeflateSettings, content: Callable[[int], bytes]) -> None:
        self.settings = settings
        self.content = content
        self._deflater = Deflater(settings)
        self._known: list[int] = []

    def __call__(self, number: int) -> int:
        """Return the bytes of the content of a frame with message `number`."""
        while len(self._known) < number:
            self._known.append(len(self._deflater(self.content(len(self._known) + 1))))
        return self._known[number - 1]


@lru_cache(4096)
def alone(settings: DeflateSettings, data: bytes) -> int:
    """Return the bytes of the content of a frame whose context is new, such as the first one of a connection."""
    return len(Deflater(settings)(data))
