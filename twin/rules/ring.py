"""HAProxy's consistent hashing: servers have points on a ring of 32-bit numbers, and a hash goes to the nearest one.

When a server leaves, only what was near its points moves. Each server has as many points as its effective weight, 16 at
full weight, so the shares of the servers are far from equal: that is the price of a small ring.

Source: HAProxy 2.8 `src/lb_chash.c`, `get_server_sh` and `get_server_rnd` in `src/backend.c`, `full_hash` in
`include/haproxy/tools.h`. With `hash-type consistent` alone the avalanche modifier applies.
"""

from bisect import bisect_left
from collections.abc import Callable, Sequence

from twin.rules.choice import WEIGHT_RANGE, Counting, Usable, ipv4_number

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


def ring(weights: Sequence[int]) -> tuple[list[int], list[int]]:
    """Return the points of servers of such weights, in order, and whose each of them is; server i has HAProxy's id
    i + 1.
    """
    found = sorted(
        (full_hash((server + 1) * WEIGHT_RANGE + point), server)
        for server, weight in enumerate(weights)
        for point in range(weight)
    )
    return [point for point, _ in found], [server for _, server in found]


def nearest(points: Sequence[int], owners: Sequence[int], usable: Usable, value: int, avoid: int) -> int:
    """Return the usable server with the point nearest to `value` (of two as near the one below), and when that is
    `avoid` the next other one upwards; -1 when none is usable.

    Args:
        points: of all servers, in order.
        owners: the server of each point.
        usable: one flag a server.
        value: a number of 32 bits.
        avoid: a server that is taken only when there is no other; -1 is none.
    """
    count = len(points)
    above = bisect_left(points, value)
    tries = 0
    while tries < count and not usable[owners[above % count]]:
        above += 1
        tries += 1
    if tries == count:
        return -1
    below = above + count - 1
    while not usable[owners[below % count]]:
        below -= 1
    down, up = (value - points[below % count]) & _MASK, (points[above % count] - value) & _MASK
    place = below if down <= up else above
    for step in range(count):
        server = owners[(place + step) % count]
        if usable[server] and server != avoid:
            return server
    return avoid


def consistent_choice(
    points: Sequence[int], owners: Sequence[int], usable: Usable, number: int, avoid: int, alone: bool
) -> int:
    """Return the server for an address, as a number; for a lone server (`alone`) nothing is hashed."""
    return nearest(points, owners, usable, 0 if alone else full_hash(number), avoid)


def point_drawn(u: float) -> int:
    """Return the number of 32 bits that a uniform number in [0, 1) stands for."""
    return int(u * 4294967296.0)


def less_loaded(first: int, second: int, connections: Sequence[int], weights: Sequence[int]) -> int:
    """Return which of two servers has fewer connections for its weight; of two equals the second."""
    loaded = connections[second] * weights[first] > connections[first] * weights[second]
    return first if loaded else second


class Ring(Counting):
    """The points of the servers."""

    def __init__(self, servers: int) -> None:
        super().__init__(servers)
        self.points, self.owners = ring(self.weights)

    def weigh(self, server: int, weight: int) -> None:
        """Give `server` so many points."""
        super().weigh(server, weight)
        self.points, self.owners = ring(self.weights)

    def nearest(self, value: int, usable: Usable, avoid: int) -> int:
        """Return the usable server with the point nearest to `value`; see `nearest`."""
        return nearest(self.points, self.owners, usable, value, avoid)


class ConsistentSource(Ring):
    """HAProxy `balance source` with `hash-type consistent`."""

    hashes_address = True
    when_full = "server"

    def choose(self, usable: Usable, avoid: int, address: str, draw: Callable[[], float]) -> int:
        """Return the server nearest to the hash of the address."""
        return consistent_choice(self.points, self.owners, usable, ipv4_number(address), avoid, sum(usable) == 1)


class RandomOfTwo(Ring):
    """HAProxy `random(2)`: two random points of the ring, and of their servers the one with fewer connections for its
    weight. The same server may be drawn twice.
    """

    when_full = "any"

    def choose(self, usable: Usable, avoid: int, address: str, draw: Callable[[], float]) -> int:
        """Return the less loaded of two servers drawn from the ring."""
        first = self.nearest(point_drawn(draw()), usable, avoid)
        if first < 0:
            return -1
        second = self.nearest(point_drawn(draw()), usable, avoid)
        return less_loaded(first, second, self.connections, self.weights)
