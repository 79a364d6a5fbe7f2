"""What a part says and hears: one JSON object a line, on its standard output and input."""

import asyncio
import json
import sys
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    pass


def say(**message: Any) -> None:
    """Write one line of JSON to the lab."""
    sys.stdout.write(json.dumps(message) + "\n")
    sys.stdout.flush()


async def lines() -> asyncio.StreamReader:
    """Return standard input as a stream of lines."""
    reader = asyncio.StreamReader()
    await asyncio.get_running_loop().connect_read_pipe(lambda: asyncio.StreamReaderProtocol(reader), sys.stdin)
    return reader
