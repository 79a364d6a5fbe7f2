"""What waits on the bus for the nodes: the server is asked while a run lasts."""

import contextlib
import threading
import time

import redis

from live.broadcast.bus import Bus
from twin.record.events import BusBuffer
from twin.record.record import Row, row

EVERY = 0.2
"""Seconds between two looks: what waits for a shorter time may be missed."""


class BufferWatch:
    """Keeps the most bytes that the server has counted in the output buffers of each node's subscriptions (`omem`).

    Args:
        bus: an embedded server; the user's own one may have any number of clients, and is not asked.
        prefix: begins the names of the run's connections; `node-N-` follows.
    """

    def __init__(self, bus: Bus, prefix: str) -> None:
        self.bus = bus
        self.prefix = f"{prefix}node-"
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
        with contextlib.closing(self.bus.client()) as client:
            while not self._over.wait(EVERY):
                with contextlib.suppress(redis.RedisError):  # it may be away: that is a fault of the schedule
                    self.look(client)

    def look(self, client: redis.Redis) -> None:
        """Ask once, and keep what is more than before."""
        waiting: dict[int, int] = {}
        for one in client.client_list(_type="pubsub"):
            name = str(one["name"])
            if name.startswith(self.prefix):
                number = int(name.removeprefix(self.prefix).partition("-")[0])
                waiting[number] = waiting.get(number, 0) + int(one["omem"])
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
