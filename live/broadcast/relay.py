"""A user-space relay between one node and the bus, where the kernel cannot hold packets back.

Run as `python -m live.broadcast.relay`; its settings are `RelaySettings`. The order `Cut` stops everything in both
directions and closes nothing, as a network that drops packets does; `SetDelay` makes each direction slower. What is
held back waits in the kernel's socket buffers and here, at most `MOST_HELD` bytes for a direction.
"""

import asyncio
import contextlib
import time
from collections import deque

from live.broadcast.messages import Cut, RelaySettings, SetDelay
from live.control.given import configuration
from live.control.messages import Listening, on
from live.control.running import run
from live.control.stdio import obey, say
from live.node.asyncio_runtime import MOST_CONNECTIONS

MOST_HELD = 1 << 22
"""Bytes that one direction of a connection holds until it stops reading."""
OF_A_PIECE = 256
"""Bytes that a piece counts beside its own, so that many small ones are bounded, too."""


class LinkState:
    """What both directions of all connections share: whether they are cut, and how long they take."""

    def __init__(self) -> None:
        self.delay = 0.0
        self.carried = 0
        self.open = asyncio.Event()
        self.open.set()

    async def carry(self, source: asyncio.StreamReader, target: asyncio.StreamWriter) -> None:
        """Pass on what comes until its end, each piece after the delay and in order."""
        held: deque[tuple[float, bytes]] = deque()
        size = 0
        some, room = asyncio.Event(), asyncio.Event()

        async def read() -> None:
            nonlocal size
            while True:
                await self.open.wait()
                data = await source.read(1 << 16)
                held.append((time.monotonic() + self.delay, data))
                size += len(data) + OF_A_PIECE
                some.set()
                if not data:
                    return
                while size >= MOST_HELD:
                    room.clear()
                    await room.wait()

        reading = asyncio.ensure_future(read())
        try:
            while True:
                await some.wait()
                while held:
                    wait = held[0][0] - time.monotonic()
                    if wait > 0:
                        await asyncio.sleep(wait)
                    await self.open.wait()
                    _, data = held.popleft()
                    size -= len(data) + OF_A_PIECE
                    room.set()
                    if not data:
                        return
                    target.write(data)
                    await target.drain()
                some.clear()
        finally:
            reading.cancel()

    async def connect(
        self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter, host: str, port: int, path: str = ""
    ) -> None:
        """Serve one connection of the node: both directions, until either ends. `path` is of a Unix socket, if any.

        One above `MOST_CONNECTIONS` is cut.
        """
        if self.carried >= MOST_CONNECTIONS:
            writer.transport.abort()
            return
        self.carried += 1
        try:
            await self._connect(reader, writer, host, port, path)
        finally:
            self.carried -= 1

    async def _connect(
        self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter, host: str, port: int, path: str
    ) -> None:
        await self.open.wait()
        far: asyncio.StreamWriter | None = None
        try:
            far_reader, far = await (
                asyncio.open_unix_connection(path) if path else asyncio.open_connection(host, port)
            )
            pairs = ((reader, far), (far_reader, writer))
            ways = [asyncio.ensure_future(self.carry(source, target)) for source, target in pairs]
            try:
                await asyncio.wait(ways, return_when=asyncio.FIRST_COMPLETED)
                await self.open.wait()
            finally:
                for way in ways:
                    way.cancel()
                await asyncio.gather(*ways, return_exceptions=True)
        except OSError:
            pass
        finally:
            for one in (writer, far):
                if one is not None:
                    with contextlib.suppress(OSError, RuntimeError):
                        one.close()  # what was read before the end is still written


async def main(settings: RelaySettings) -> None:
    """Obey the lab until standard input closes."""
    state = LinkState()

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await state.connect(reader, writer, settings.to.host, settings.to.port, settings.to.path)

    def cut(order: Cut) -> None:
        if order.on:
            state.open.clear()
        else:
            state.open.set()

    def delay(order: SetDelay) -> None:
        state.delay = order.seconds

    await asyncio.start_server(serve, "127.0.0.1", settings.port)
    say(Listening(time.monotonic(), time.process_time()))
    await obey(on(Cut, cut) | on(SetDelay, delay))


if __name__ == "__main__":
    run(main(configuration(RelaySettings)))
