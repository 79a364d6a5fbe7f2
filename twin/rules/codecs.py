"""What each codec makes of messages, byte by byte: how large a message is on its way is decided here, for both worlds.

The live parts encode with real libraries, which give the same bytes (`tests/live/codec/test_codecs.py`). A body is
always a list of messages, so that one message and a batch of them are encoded alike.

Sources: RFC 8259 (JSON, without white space); MessagePack specification (msgpack.org); Protocol Buffers, "Encoding"
(protobuf.dev): varints, length-delimited fields, fields with the default value left out.
"""

import json
from collections.abc import Callable, Sequence
from functools import lru_cache
from struct import pack

from twin.rules.chat import ChatLine, chat

MessageCodec = Callable[[Sequence[ChatLine]], bytes]

NO_CODEC = "none"
"""Messages without one are a filling."""
FIELDS = ("number", "room", "sender", "sent", "text")
"""Of a message in their order; Protocol Buffers number them from 1."""


def as_json(chats: Sequence[ChatLine]) -> bytes:
    """Return messages as a JSON array of objects."""
    return json.dumps([plain(one) for one in chats], separators=(",", ":")).encode()


def plain(one: ChatLine) -> dict[str, int | str]:
    """Return a message as a dict."""
    return {name: getattr(one, name) for name in FIELDS}


def as_msgpack(chats: Sequence[ChatLine]) -> bytes:
    """Return messages as a MessagePack array of maps."""
    parts = [_sized(len(chats), 0x90, 15, (None, 0xDC, 0xDD))]
    for one in chats:
        parts.append(bytes([0x80 | len(FIELDS)]))
        for name, value in plain(one).items():
            parts += (_string(name), _string(value) if isinstance(value, str) else _number(value))
    return b"".join(parts)


def as_protobuf(chats: Sequence[ChatLine]) -> bytes:
    """Return messages as a Protocol Buffers message `Batch` whose only field, 1, is a repeated `Chat`."""
    return b"".join(_tagged(1, _fields(one)) for one in chats)


def _fields(one: ChatLine) -> bytes:
    parts = []
    for tag, value in enumerate(plain(one).values(), 1):
        if isinstance(value, str):
            parts.append(_tagged(tag, value.encode()) if value else b"")
        else:
            parts.append(bytes([tag << 3]) + _varint(value) if value else b"")
    return b"".join(parts)


def _tagged(tag: int, content: bytes) -> bytes:
    return bytes([tag << 3 | 2]) + _varint(len(content)) + content


def _varint(value: int) -> bytes:
    found = bytearray()
    while value > 0x7F:
        found.append(value & 0x7F | 0x80)
        value >>= 7
    found.append(value)
    return bytes(found)


def _string(value: str) -> bytes:
    data = value.encode()
    return _sized(len(data), 0xA0, 31, (0xD9, 0xDA, 0xDB)) + data


def _sized(size: int, short: int, limit: int, longer: tuple[int | None, int, int]) -> bytes:
    """Return how MessagePack says a length: within one byte, or behind a byte that says how many follow."""
    if size <= limit:
        return bytes([short | size])
    if longer[0] is not None and size < 1 << 8:
        return pack(">BB", longer[0], size)
    return pack(">BH", longer[1], size) if size < 1 << 16 else pack(">BI", longer[2], size)


def _number(value: int) -> bytes:
    if value < 0x80:
        return bytes([value])
    for code, form, bits in ((0xCC, ">BB", 8), (0xCD, ">BH", 16), (0xCE, ">BI", 32)):
        if value < 1 << bits:
            return pack(form, code, value)
    return pack(">BQ", 0xCF, value)


FORMATS: dict[str, MessageCodec] = {
    "json": as_json,
    "orjson": as_json,
    "msgpack": as_msgpack,
    "protobuf": as_protobuf,
}
"""Codec -> what it makes of messages. orjson is another program for the same format."""


@lru_cache(64)
def filling(size: int) -> bytes:
    """Return what stands for the content of messages without a codec."""
    return (bytes(range(251)) * (size // 251 + 1))[:size]


@lru_cache(16_384)
def payload(codec: str, size: int, first: int, count: int = 1, author: int = -1) -> bytes:
    """Return the payload of some messages that travel together.

    Args:
        codec: one of `FORMATS`, or `none`: they are a filling.
        size: bytes of the text of each of them, without a codec of each of them.
        first: number of the first one; the others follow.
        count: how many.
        author: see `twin.rules.chat.chat`.
    """
    if codec == NO_CODEC:
        return filling(size * count)
    return FORMATS[codec]([chat(number, size, author) for number in range(first, first + count)])
