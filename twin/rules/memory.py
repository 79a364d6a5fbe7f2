"""How much memory a node takes, and when its limit ends it.

A node without connections has a size, each connection adds its own, and what waits for slow clients adds the rest. A
frame that waits for several clients is the same for all and kept once, unless it was compressed for each; every client
for whom it waits costs a place in a queue besides. Sources: RFC 6455, section 5.1 (frames of a server are not masked);
RFC 7692, section 7.1.1 (contexts of compression); setrlimit(2), RLIMIT_DATA.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

Kept = tuple[int, int]
"""Who a frame is (equal for the same one), and its bytes."""


FEW = 64
"""The first connections of a node: they find room that its start has left, so each takes less than a later one."""


@dataclass(frozen=True)
class MemoryUse:
    """What a node's memory is made of, in bytes.

    Attributes:
        empty: of a node without connections.
        connection: of each connection, with what that keeps for compression.
        place: of a frame's place in the queue of one client that does not read.
        shared: whether clients have the same frames.
        spared: how much less each of the first `FEW` connections takes.
    """

    empty: float
    connection: float
    place: float
    shared: bool
    spared: float = 0.0

    def resident(self, connections: int, waiting: float = 0.0) -> float:
        """Return the bytes of a node with so many connections, while so many wait for its clients."""
        return self.empty + connections * self.connection - min(FEW, connections) * self.spared + waiting

    def waiting(self, queues: Iterable[Sequence[Kept]]) -> float:
        """Return the bytes that the queues of clients take which do not read."""
        known: dict[int, int] = {}
        places = total = 0
        for queue in queues:
            places += len(queue)
            total += sum(size for _, size in queue)
            known.update(queue)
        return places * self.place + (sum(known.values()) if self.shared else total)


def newest(queue: Sequence[Kept], room: int) -> list[Kept]:
    """Return the last frames of a client's queue: those of which something is beyond the `room` bytes that the way to
    the client holds.
    """
    passed = first = 0
    while first < len(queue) and passed + queue[first][1] <= room:
        passed += queue[first][1]
        first += 1
    return list(queue[first:])


def data_limit(limit: int, resident: int, data: int) -> int:
    """Return the RLIMIT_DATA of a process that may have `limit` resident bytes.

    The kernel counts what the process may write, whether it has touched that or not: what is left of the limit is
    added to what it counts by now.

    Args:
        limit: bytes that it may have.
        resident: bytes that it has.
        data: bytes that the kernel counts by now (VmData of /proc/PID/status).
    """
    return data + max(0, limit - resident)
