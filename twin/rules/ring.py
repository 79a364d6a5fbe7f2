"""HAProxy's consistent hashing: servers have points on a ring of 32-bit numbers, and a hash goes to the nearest one.

When a server leaves, only what was near its points moves. Each server has as many points as its effective weight, 16 at
full weight, so the shares of the servers are far from equal: that is the price of a small ring.

Source: HAProxy 2.8 `src/lb_chash.c`, `get_server_sh` and `get_server_rnd` in `src/backend.c`, `full_hash` in
`include/haproxy/tools.h`. With `hash-type consistent` alone the avalanche modifier applies.
"""

from bisect import bisect_left
from collections.abc import Callable

from twin.rules.choice import FULL_WEIGHT, WEIGHT_RANGE, Counting, Usable, ipv4_number

_MASK = 0xFFFFFFFF


def full_hash(number: int) -> int:
    """Return HAProxy's hash of a 32-bit number: one of Bob Jenkins' full avalanche hashes times a large prime."""
    number = (number + 0x7ED55D16 + (number << 12)) & _MASK
    number = (number ^ 0xC761C23C ^ (number >> 19)) & _MASK
    number = (number + 0x165667B1 + (number << 5)) & _MASK
    number = ((number + 0xD3A2646C) ^ (number << 9)) & _MASK
    number = (number + 0xFD7046C5 + (number << 3)) & _MASK
    number = (number ^ 0xB55A4F09 ^ (number >> 16)) & _MASK
    return number * 3221225473 & _MASK


class Ring(Counting):
    """The points of the servers; server i has HAProxy's id i + 1."""

    def __init__(self, servers: int) -> None:
        super().__init__(servers)
        self.up: tuple[bool, ...] = ()
        self._changed = True
        self._points: list[tuple[int, int]] = []
        self._all = [
            [full_hash((server + 1) * WEIGHT_RANGE + point) for point in range(FULL_WEIGHT)]
            for server in range(servers)
        ]

    def weigh(self, server: int, weight: int) -> None:
        """Give `server` so many points."""
        super().weigh(server, weight)
        self._changed = True

    def nearest(self, value: int, usable: Usable, avoid: int) -> int:
        """Return the usable server with the point nearest to `value` (of two as near the one below), and when that is
        `avoid` the next other one upwards; -1 when none is usable.
        """
        up = tuple(usable)
        if self._changed or up != self.up:
            self.up, self._changed = up, False
            self._points = sorted(
                (point, server)
                for server, points in enumerate(self._all)
                if up[server]
                for point in points[: self.weights[server]]
            )
        points = self._points
        if not points:
            return -1
        above = bisect_left(points, (value, -1)) % len(points)
        below = above - 1
        nearer_below = (value - points[below][0]) & _MASK <= (points[above][0] - value) & _MASK
        start = below if nearer_below else above
        for step in range(len(points)):
            server = points[(start + step) % len(points)][1]
            if server != avoid:
                return server
        return avoid


class ConsistentSource(Ring):
    """HAProxy `balance source` with `hash-type consistent`."""

    def choose(self, usable: Usable, avoid: int, address: str, draw: Callable[[], float]) -> int:
        """Return the server nearest to the hash of the address; a lone server is not hashed for."""
        alone = sum(usable) == 1
        return self.nearest(0 if alone else full_hash(ipv4_number(address)), usable, avoid)


class RandomOfTwo(Ring):
    """HAProxy `random(2)`: two random points of the ring, and of their servers the one with fewer connections for its
    weight. The same server may be drawn twice.
    """

    def choose(self, usable: Usable, avoid: int, address: str, draw: Callable[[], float]) -> int:
        """Return the less loaded of two servers drawn from the ring; of two equals the second."""
        first = self.nearest(int(draw() * 2**32), usable, avoid)
        if first < 0:
            return -1
        second = self.nearest(int(draw() * 2**32), usable, avoid)
        loaded = self.connections[second] * self.weights[first] > self.connections[first] * self.weights[second]
        return first if loaded else second
