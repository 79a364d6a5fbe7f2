"""What a run must not leave on the user's own server: its keys end by themselves, and what is left can be removed.

At its end a run removes its keys. One that was killed cannot, so each of its keys has a time to live, which the lab
renews while it runs. A key begins with that time to live: whoever kills the lab before it has renewed anything leaves
nothing for longer.
Source: Valkey's manual, PEXPIRE and SCAN.
"""

import contextlib
import re
import threading
from collections.abc import Iterable

import redis

from live.broadcast.base import BusServer
from live.broadcast.bus import client_of
from live.control.address import Address
from live.control.resp import FIRST_LIFE

LEASE = 120.0
"""Seconds after which the keys of a lab that was killed are gone."""
EVERY = 5.0
"""Seconds between two renewals."""
OURS = re.compile(r"(stormlab:(?:[0-9a-f]{8}|stormlab-[^:]+):).*", re.DOTALL)
"""The name of a key of a run; the group is what begins all names of the run."""


def first_life(bus: BusServer) -> int:
    """Return for how many milliseconds a new key lives: on an embedded server, which nobody keeps, for longer than any
    run (`live.control.resp.FIRST_LIFE`).
    """
    return FIRST_LIFE if bus.part is not None else round(LEASE * 1000)


class Keeper:
    """Renews the time to live of a run's keys; those with an end of their own, as sessions, are not its business.

    Args:
        bus: nothing is done on an embedded server, which ends with the run.
        keys: some may not be there yet; more may be added until it begins.
    """

    def __init__(self, bus: BusServer, keys: Iterable[str] = ()) -> None:
        self.bus = bus
        self.keys = list(keys)
        self._over = threading.Event()
        self._thread = threading.Thread(target=self._keep, daemon=True)

    def begin(self) -> None:
        """Renew from now on."""
        if self.bus.part is None and self.keys:
            self._thread.start()

    def close(self) -> None:
        """Renew no more."""
        self._over.set()
        if self._thread.is_alive():
            self._thread.join()

    def _keep(self) -> None:
        with contextlib.closing(self.bus.client()) as client:
            while True:
                with contextlib.suppress(redis.RedisError):  # it may be away for a moment
                    pipeline = client.pipeline(transaction=False)
                    for key in self.keys:
                        pipeline.pexpire(key, round(LEASE * 1000))
                    pipeline.execute()
                if self._over.wait(EVERY):
                    return


def clean(address: Address) -> tuple[int, int]:
    """Remove the keys of runs that are over; return how many keys there were, and how many runs still go on.

    A run goes on as long as one of its parts is connected: each names its connection after the run.

    Raises:
        redis.RedisError: the server does not answer, or does not let us.
    """
    with contextlib.closing(client_of(address, socket_timeout=10.0, socket_connect_timeout=2.0)) as client:
        names = [str(one["name"]) for one in client.client_list()]
        alive = {found[1] for name in names if (found := OURS.fullmatch(name))}
        removed = 0
        for key in client.scan_iter("stormlab:*", 1000):
            found = OURS.fullmatch(key.decode(errors="replace"))
            if found and found[1] not in alive:
                removed += int(client.delete(key))
        return removed, len(alive)
