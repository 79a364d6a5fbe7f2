"""What waits on the bus for the nodes: the server is asked while a run lasts."""

import threading
import time

from live.broadcast.base import BusServer
from twin.record.events import BusBuffer
from twin.record.record import Row, row

EVERY = 0.2
"""Seconds between two looks: what waits for a shorter time may be missed."""


class BufferWatch:
    """Keeps the most bytes that the server has counted in its memory for each node.

    Args:
        bus: an embedded server; the user's own one may have any number of clients, and is not asked.
        prefix: begins the names of the run's connections; `node-N-` follows.
    """

    def __init__(self, bus: BusServer, prefix: str) -> None:
        self.bus = bus
        self.prefix = prefix
        self.peaks: dict[int, tuple[int, float]] = {}
        self._over = threading.Event()
        self._thread = threading.Thread(target=self._watch, daemon=True)

    def begin(self) -> None:
        """Look from now on."""
        if self.bus.part is not None:
            self._thread.start()

    def close(self) -> None:
        """Look no more."""
        self._over.set()
        if self._thread.is_alive():
            self._thread.join()

    def _watch(self) -> None:
        with self.bus.counting(self.prefix) as count:
            while not self._over.wait(EVERY):
                self.look(count())

    def look(self, waiting: dict[int, int]) -> None:
        """Keep what is more than before of what waits for each node."""
        now = time.monotonic()
        for number, count in waiting.items():
            if count > self.peaks.get(number, (0, 0.0))[0]:
                self.peaks[number] = (count, now)

    def finish(self, start: float) -> list[Row]:
        """Return an event for each node for which something has waited; times become seconds since `start`."""
        self.close()
        return [
            row(when - start, "bus_buffer", node=number, detail=BusBuffer.pack(count))
            for number, (count, when) in sorted(self.peaks.items())
        ]
