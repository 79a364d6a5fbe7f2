"""What a frame's place in the queue of a connection takes whose peer does not read.

Run as `python -m live.calibration.memory_bench`. Frames are written to a few such connections and then to more of them,
each lot its own: a frame is the same for all of a lot, so what the larger lot takes more is places.
"""

import asyncio
import os
import socket

from live.calibration.messages import PlaceBytes
from live.control.given import configuration
from live.control.running import run
from live.control.stdio import say
from live.control.usage import resident_bytes

FEW, MANY = 4, 36
"""Connections of the two lots."""
FRAMES, SIZE = 1000, 256
"""Frames that are written to each of a lot, and the bytes of one."""
FULL = 65_536
"""Bytes written at a time until the kernel takes no more."""


async def grown(peers: int) -> tuple[int, list[socket.socket], list[asyncio.WriteTransport]]:
    """Return the bytes by which this process grows when frames wait for so many peers; and who must be kept."""
    loop, theirs, mine = asyncio.get_running_loop(), [], []
    for _ in range(peers):
        own, other = socket.socketpair()
        own.setblocking(False)
        transport, _protocol = await loop.connect_accepted_socket(asyncio.Protocol, own)
        while not transport.get_write_buffer_size():
            transport.write(bytes(FULL))
        theirs.append(other)
        mine.append(transport)
    before = resident_bytes(os.getpid())
    for number in range(FRAMES):
        frame = number.to_bytes(4, "big") * (SIZE // 4)
        for transport in mine:
            transport.write(frame)
        await asyncio.sleep(0)
    return resident_bytes(os.getpid()) - before, theirs, list(mine)


async def main() -> None:
    """Measure, and say it."""
    few, *kept = await grown(FEW)
    many, *others = await grown(MANY)
    say(PlaceBytes(max(0.0, (many - few) / FRAMES / (MANY - FEW))))
    del kept, others


if __name__ == "__main__":
    configuration(dict[str, object])
    run(main())
