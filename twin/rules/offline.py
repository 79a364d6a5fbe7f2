"""What a client does with its messages while it is away: it keeps some, within bounds, and sends them when it is back.

The queue is in the client's memory. It is bounded by a number of messages and by their bytes; what does not fit costs
either the oldest ones, so that the latest word gets through, or the new one, so that nothing in between is missing. On
the new connection everything that is left goes out in order, in one go. Sources: Socket.IO's client keeps all
(`sendBuffer` in lib/socket.ts, no bound); Phoenix keeps all (`sendBuffer` in assets/js/phoenix/socket.js); Eclipse Paho
bounds the number and drops the oldest or refuses the new one (`DisconnectedBufferOptions`).
"""

from collections import deque
from typing import Literal

Overflow = Literal["oldest", "newest"]


def due_at(n: int, rate: float, phase: float) -> float:
    """Return when a client's message `n` (from 0) is due, in seconds after the start of the run.

    Args:
        n: how many came before.
        rate: messages a second.
        phase: part of the interval before the first one, in [0, 1).
    """
    return (n + phase) / rate


class OfflineQueue:
    """The messages that one client keeps.

    Args:
        max_messages: messages at most; 0 keeps none.
        max_bytes: bytes of their payloads at most; 0 is no bound.
        overflow: which message is dropped when one does not fit: the `oldest` ones, or the `newest`, which is the new
            one itself.
    """

    def __init__(self, max_messages: int, max_bytes: int, overflow: Overflow) -> None:
        self.max_messages = max_messages
        self.max_bytes = max_bytes
        self.overflow = overflow
        self.held = 0
        self._kept: deque[tuple[int, int]] = deque()

    def __len__(self) -> int:
        return len(self._kept)

    def offer(self, number: int, size: int) -> list[int]:
        """Keep a message of `size` bytes and return the numbers of those that are dropped, perhaps its own."""
        alone_too_large = self.max_messages == 0 or (self.max_bytes and size > self.max_bytes)
        if alone_too_large or (self.overflow == "newest" and not self._fits(size)):
            return [number]
        dropped = []
        while not self._fits(size):
            oldest, freed = self._kept.popleft()
            self.held -= freed
            dropped.append(oldest)
        self._kept.append((number, size))
        self.held += size
        return dropped

    def flush(self) -> list[tuple[int, int]]:
        """Return all messages that are kept, as (number, bytes) in order, and keep none."""
        kept = list(self._kept)
        self._kept.clear()
        self.held = 0
        return kept

    def _fits(self, size: int) -> bool:
        return len(self._kept) < self.max_messages and (not self.max_bytes or self.held + size <= self.max_bytes)
