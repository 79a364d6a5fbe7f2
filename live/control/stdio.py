"""What a part says and hears: one message a line (`live.control.messages`), on its standard output and input."""

import asyncio
import sys
from collections.abc import Iterable

from live.control.messages import ControlMessage, Orders, decode, encode


def say(message: ControlMessage) -> None:
    """Write one message to the lab."""
    sys.stdout.write(encode(message).decode())
    sys.stdout.flush()


async def obey(orders: Orders) -> None:
    """Obey until standard input closes.

    Raises:
        MessageError: an order is none of these, or malformed.
    """
    reader = asyncio.StreamReader()
    await asyncio.get_running_loop().connect_read_pipe(lambda: asyncio.StreamReaderProtocol(reader), sys.stdin)
    kinds = _named(orders)
    while line := await reader.readline():
        message = decode(line, kinds)
        if (under_way := orders[type(message)](message)) is not None:
            await under_way


def obey_waiting(orders: Orders, given: Iterable[str] = sys.stdin) -> None:
    """Obey until standard input closes, in a process without an event loop.

    Raises:
        MessageError: an order is none of these, or malformed.
    """
    kinds = _named(orders)
    for line in given:
        message = decode(line.encode(), kinds)
        orders[type(message)](message)


def _named(orders: Orders) -> dict[str, type[ControlMessage]]:
    return {kind.__name__: kind for kind in orders}
