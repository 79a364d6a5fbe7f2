"""What a stranger sends to a node, byte by byte."""

import asyncio
from collections.abc import Callable

from websockets.frames import Frame, Opcode

REQUEST = b"GET / HTTP/1.1\r\nHost: x\r\n"
HANDSHAKE = REQUEST + b"Connection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Version: 13\r\n"
HANDSHAKE += b"Sec-WebSocket-Key: AAAAAAAAAAAAAAAAAAAAAA==\r\n\r\n"


def masked(opcode: Opcode, data: bytes = b"", fin: bool = True) -> bytes:
    """Return a frame of a client."""
    return Frame(opcode, data, fin).serialize(mask=True, extensions=[])


async def until(true: Callable[[], object]) -> None:
    """Wait until something is true."""
    async with asyncio.timeout(10):
        while not true():
            await asyncio.sleep(0.001)
