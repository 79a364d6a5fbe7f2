"""What nodes and clients say to each other in binary WebSocket frames; the first byte says what it is.

* "M", a message as the broker stamped it (`live.broadcast.broker.body`): passed on unchanged.
* "S", from the node: an answer to a question, or a snapshot in place of messages that were not sent.
* "R", from the client: what came after (epoch, version)?
* "A", from the client: I stand at (epoch, version). Only when clients acknowledge.
"""

import struct

from live.broadcast.broker import body, message
from twin.rules.delivery import RecoveryAnswer

ANSWER, QUESTION, STANDING = 83, 82, 65
_ANSWER = struct.Struct(">BBQQI")
_PLACE = struct.Struct(">BQQ")
_LENGTH = struct.Struct(">I")
LARGEST_HEADER = 64
"""Bytes that a message needs at most besides its payload, on any way of this lab."""


def answer(found: RecoveryAnswer) -> bytes:
    """Return an answer as it is sent."""
    parts = [_ANSWER.pack(ANSWER, found.recovered, found.epoch, found.version, len(found.messages))]
    for one in found.messages:
        data = body(one)
        parts += (_LENGTH.pack(len(data)), data)
    return b"".join(parts)


def read_answer(data: bytes) -> RecoveryAnswer:
    """Return the answer in a frame."""
    _, recovered, epoch, version, count = _ANSWER.unpack_from(data)
    at, messages = _ANSWER.size, []
    for _ in range(count):
        (size,) = _LENGTH.unpack_from(data, at)
        at += _LENGTH.size
        messages.append(message(data[at : at + size]))
        at += size
    return RecoveryAnswer(bool(recovered), epoch, version, tuple(messages))


def question(epoch: int, version: int) -> bytes:
    """Return a client's question for what came after its position."""
    return _PLACE.pack(QUESTION, epoch, version)


def standing(epoch: int, version: int) -> bytes:
    """Return a client's word about its position."""
    return _PLACE.pack(STANDING, epoch, version)


def read_place(data: bytes) -> tuple[int, int]:
    """Return the position in a client's frame."""
    _, epoch, version = _PLACE.unpack_from(data)
    return epoch, version
