"""The frames of a WebSocket, byte by byte: how they are written, masked, read, and put together to messages.

Nothing here is used by the lab's own nodes, which speak through `websockets`; it is what a reader takes apart, and the
tests hold it to that library and to the examples of the RFC.

Source: RFC 6455, sections 5.1 to 5.5 (frames), 5.7 (examples), 7.4.1 (codes), 10.3 (why a client masks).
"""

import struct
from dataclasses import dataclass

CONTINUATION, TEXT, BINARY, CLOSE, PING, PONG = 0x0, 0x1, 0x2, 0x8, 0x9, 0xA
DATA = (TEXT, BINARY)
CONTROL = (CLOSE, PING, PONG)
MOST_CONTROL = 125
"""Bytes of a control frame: it must fit into the short form, so that it can be sent amid anything. RFC 6455, 5.5."""
PROTOCOL_ERROR, INVALID_DATA, TOO_BIG = 1002, 1007, 1009


class FrameError(ValueError):
    """Bytes that are no frame, or frames that no message may be made of.

    Attributes:
        code: with which the connection is closed.
    """

    def __init__(self, code: int, why: str) -> None:
        super().__init__(why)
        self.code = code


@dataclass(frozen=True)
class WireFrame:
    """A frame: what kind it is, its content without the mask, whether it ends a message, and whether it was masked."""

    opcode: int
    payload: bytes = b""
    fin: bool = True
    masked: bool = False


def masked(payload: bytes, key: bytes) -> bytes:
    """Return content under a mask of 4 bytes, or what is under one: each byte XOR that of the key at the same place,
    modulo 4.

    It hides nothing, as the key is in the frame. It keeps a page from choosing the bytes that its browser sends, so
    that no proxy in between takes them for a request of HTTP and stores an answer (RFC 6455, 10.3); the key must be a
    new and random one for each frame.
    """
    if len(key) != 4:
        raise ValueError(f"key has {len(key)} bytes; allowed is 4")
    return bytes(byte ^ key[i % 4] for i, byte in enumerate(payload))


def encode_frame(frame: WireFrame, key: bytes = b"") -> bytes:
    """Return the bytes of a frame; with a `key` it is masked, as each frame of a client is and none of a server.

    The first byte has FIN, three bits that an extension may use, and the opcode; the second whether there is a mask and
    the length up to 125, or 126 and the length in 2 bytes, or 127 and the length in 8.
    """
    size = len(frame.payload)
    mask = 0x80 if key else 0
    first = (0x80 if frame.fin else 0) | frame.opcode
    if size <= MOST_CONTROL:
        head = struct.pack(">BB", first, mask | size)
    elif size < 1 << 16:
        head = struct.pack(">BBH", first, mask | 126, size)
    else:
        head = struct.pack(">BBQ", first, mask | 127, size)
    return head + key + (masked(frame.payload, key) if key else frame.payload)


def decode_frame(data: bytes, max_bytes: int = 1 << 20) -> tuple[WireFrame, bytes] | None:
    """Return the frame that bytes begin with and what follows it; None if they are not all there yet.

    Args:
        data: what has come.
        max_bytes: bytes of content that are taken.

    Raises:
        FrameError: no frame begins so, or it is too big, which its head already tells.
    """
    if len(data) < 2:
        return None
    opcode, fin, size = data[0] & 0x0F, bool(data[0] & 0x80), data[1] & 0x7F
    if data[0] & 0x70:
        raise FrameError(PROTOCOL_ERROR, "a reserved bit is set, and no extension was agreed upon")
    if opcode not in (CONTINUATION, *DATA, *CONTROL):
        raise FrameError(PROTOCOL_ERROR, f"the opcode is {opcode:#x}, which means nothing")
    if opcode in CONTROL and (size > MOST_CONTROL or not fin):
        raise FrameError(PROTOCOL_ERROR, f"a control frame is whole and has at most {MOST_CONTROL} bytes")
    at = 2
    if size > MOST_CONTROL:
        form, least = (">H", 126) if size == 126 else (">Q", 1 << 16)
        if len(data) < at + struct.calcsize(form):
            return None
        (size,) = struct.unpack_from(form, data, at)
        at += struct.calcsize(form)
        if size < least or size >= 1 << 63:
            raise FrameError(PROTOCOL_ERROR, f"the length {size} is not written in its shortest form")
    if size > max_bytes:
        raise FrameError(TOO_BIG, f"the content has {size} bytes; allowed is at most {max_bytes}")
    has_mask = bool(data[1] & 0x80)
    key = data[at : at + 4] if has_mask else b""
    at += 4 if has_mask else 0
    if len(data) < at + size:
        return None
    payload = data[at : at + size]
    return WireFrame(opcode, masked(payload, key) if has_mask else payload, fin, has_mask), data[at + size :]


class MessageAssembler:
    """Puts the frames that one side has sent together to messages.

    Args:
        from_client: whether that side is the client, whose frames must be masked; those of a server must not.
        max_bytes: bytes of a message that are taken.
    """

    def __init__(self, from_client: bool, max_bytes: int = 1 << 20) -> None:
        self.from_client = from_client
        self.max_bytes = max_bytes
        self._opcode: int | None = None
        self._parts: list[bytes] = []

    def take(self, frame: WireFrame) -> bytes | str | None:
        """Take a frame; return the message that it ends, None for one that ends none. Control frames may come amid the
        fragments of a message, other messages may not.

        Raises:
            FrameError: it must not come here.
        """
        if frame.masked is not self.from_client:
            whose = "a client's frame is masked" if self.from_client else "a server's frame is not masked"
            raise FrameError(PROTOCOL_ERROR, f"{whose}, and this one is {'' if frame.masked else 'not'}".rstrip())
        if frame.opcode in CONTROL:
            return None
        if frame.opcode == CONTINUATION and self._opcode is None:
            raise FrameError(PROTOCOL_ERROR, "a continuation follows no first fragment")
        if frame.opcode in DATA and self._opcode is not None:
            raise FrameError(PROTOCOL_ERROR, "a message begins before the fragments of another have ended")
        if self._opcode is None:
            self._opcode = frame.opcode
        self._parts.append(frame.payload)
        if sum(len(part) for part in self._parts) > self.max_bytes:
            raise FrameError(TOO_BIG, f"the message has more than {self.max_bytes} bytes")
        if not frame.fin:
            return None
        opcode, whole = self._opcode, b"".join(self._parts)
        self._opcode, self._parts = None, []
        if opcode == BINARY:
            return whole
        try:
            return whole.decode()
        except UnicodeDecodeError:
            raise FrameError(INVALID_DATA, "a text is not UTF-8") from None


def fragments(payload: bytes, opcode: int, size: int) -> list[WireFrame]:
    """Return a message as frames of at most `size` bytes each: the first has the opcode, the last FIN."""
    parts = [payload[at : at + size] for at in range(0, len(payload), size)] or [b""]
    last = len(parts) - 1
    return [WireFrame(CONTINUATION if i else opcode, part, i == last) for i, part in enumerate(parts)]
