"""How many bytes the lab's messages are on their ways; the limits of clients' outlets and of the bus count these.

Nodes and clients exchange binary WebSocket frames; those of a node are not masked. The bus pushes to subscribers as
RESP2 frames it. Sources: RFC 6455, section 5.2; Valkey, "RESP protocol specification" (arrays and bulk strings).
"""

from collections.abc import Iterable

from twin.rules.delivery import RecoveryAnswer

STAMP_BYTES = 25
"""A message besides its payload: a byte that says what it is; epoch, version and number, 8 bytes each."""
ANSWER_BYTES = 22
"""An answer besides its messages: two bytes that say what it is; epoch and version, 8 bytes each; their number, 4."""
LENGTH_BYTES = 4
"""The length before each message of an answer."""
PREFIX_BYTES = 18
"""What begins the names of a run's channels: `stormlab:`, eight digits, a colon."""
EPOCH_DIGITS = 16
"""Digits of an epoch, the microseconds of a clock between 2001 and 2286."""


def frame_bytes(body: int) -> int:
    """Return the bytes of an unmasked frame whose content has `body` bytes."""
    return body + (2 if body < 126 else 4 if body < 65_536 else 10)


def message_frame(payload: int) -> int:
    """Return the bytes of a message's frame to a client."""
    return frame_bytes(STAMP_BYTES + payload)


def answer_body(payloads: Iterable[int]) -> int:
    """Return the bytes of an answer with messages of such payloads, without the frame's header."""
    return ANSWER_BYTES + sum(LENGTH_BYTES + STAMP_BYTES + payload for payload in payloads)


def recovery_body(answer: RecoveryAnswer) -> int:
    """Return the bytes of an answer of a broker as a node passes it on, without the frame's header."""
    return answer_body(len(message.payload) for message in answer.messages)


def pushed_message(payload: int) -> int:
    """Return the bytes of a message that the bus pushes to a node, on the channel `fresh` or `again`."""
    return _push("fresh", STAMP_BYTES + payload)


def pushed_word(word: str, node: int, version: int) -> int:
    """Return the bytes of a node's word that the bus pushes to the publisher: `alive N`, `bye N` or `ack N EPOCH
    VERSION`.
    """
    place = 1 + EPOCH_DIGITS + 1 + len(str(version)) if word == "ack" else 0
    return _push("acks", len(f"{word} {node}") + place)


def _push(channel: str, body: int) -> int:
    return len("*3\r\n") + bulk_bytes(len("message")) + bulk_bytes(PREFIX_BYTES + len(channel)) + bulk_bytes(body)


def bulk_bytes(size: int) -> int:
    """Return the bytes of a string of `size` bytes as RESP frames it."""
    return len(f"${size}\r\n") + size + len("\r\n")
