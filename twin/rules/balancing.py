"""Which server gets a connection: the choice rules of HAProxy 2.8 and nginx 1.22, all servers of equal weight.

A rule keeps only what the real balancer keeps. `choose` names a server, `take` and `release` follow its connections.
Sources: HAProxy `src/lb_fwrr.c`, `src/lb_fwlc.c`, `src/lb_map.c`, `src/backend.c`; nginx
`src/http/modules/ngx_http_upstream_least_conn_module.c`, `..._ip_hash_module.c`, `..._random_module.c` and
`src/http/ngx_http_upstream_round_robin.c`.
"""

from collections.abc import Callable, MutableSequence, Sequence
from typing import Protocol

Usable = Sequence[bool]


class Rule(Protocol):
    """A choice rule with its memory."""

    def choose(self, usable: Usable, avoid: int, address: str, draw: Callable[[], float]) -> int:
        """Return the index of a usable server, or -1 when there is none.

        Args:
            usable: one flag a server.
            avoid: a server that has just failed for this request and is used only when there is no other; -1 is none.
            address: the client's IPv4 address.
            draw: gives uniform numbers in [0, 1), for the rules that draw.
        """

    def take(self, server: int) -> None:
        """Note one more connection to `server`."""

    def release(self, server: int) -> None:
        """Note one connection less to `server`."""


class _Counting:
    def __init__(self, servers: int) -> None:
        self.connections = [0] * servers

    def take(self, server: int) -> None:
        """Note one more connection to `server`."""
        self.connections[server] += 1

    def release(self, server: int) -> None:
        """Note one connection less to `server`."""
        self.connections[server] -= 1


class RoundRobin(_Counting):
    """HAProxy `roundrobin`: the usable servers in turn. A server that comes back queues up at the end of the round."""

    def __init__(self, servers: int) -> None:
        super().__init__(servers)
        self.turn = list(range(servers + 1))

    def choose(self, usable: Usable, avoid: int, address: str, draw: Callable[[], float]) -> int:
        """Return the usable server whose turn was longest ago."""
        return next_in_turn(usable, avoid, self.turn)


def move_behind(order: MutableSequence[int], server: int) -> None:
    """Put a server behind all others. `order` has one number a server, and as its last item the next number to give."""
    order[server] = order[-1]
    order[-1] += 1


def next_in_turn(usable: Usable, avoid: int, turn: MutableSequence[int]) -> int:
    """Return the usable server whose turn was longest ago, or -1, and move `turn` on."""
    best = -1
    for server, up in enumerate(usable):
        if up and server != avoid and (best < 0 or turn[server] < turn[best]):
            best = server
    if best < 0:
        best = avoid if avoid >= 0 and usable[avoid] else -1
    if best >= 0:
        move_behind(turn, best)
        for server, up in enumerate(usable):
            if not up:
                move_behind(turn, server)
    return best


class LeastConn(_Counting):
    """HAProxy `leastconn`: the fewest connections; among equals the one that reached that number first."""

    def __init__(self, servers: int) -> None:
        super().__init__(servers)
        self.since = list(range(servers + 1))

    def take(self, server: int) -> None:
        """Note one more connection; the server moves behind those that have as many."""
        super().take(server)
        move_behind(self.since, server)

    def release(self, server: int) -> None:
        """Note one connection less; the server moves behind those that have as many."""
        super().release(server)
        move_behind(self.since, server)

    def choose(self, usable: Usable, avoid: int, address: str, draw: Callable[[], float]) -> int:
        """Return the usable server with the fewest connections."""
        return fewest_first(usable, avoid, self.connections, self.since)


def fewest_first(usable: Usable, avoid: int, connections: Sequence[int], since: Sequence[int]) -> int:
    """Return the usable server with the fewest connections, the one that has had so many the longest, or -1."""
    best = -1
    for server, count in enumerate(connections):
        if not usable[server] or server == avoid:
            continue
        if best < 0 or count < connections[best] or (count == connections[best] and since[server] < since[best]):
            best = server
    if best < 0 and avoid >= 0 and usable[avoid]:
        return avoid
    return best


class Source(_Counting):
    """HAProxy `source` with the default map-based hash: the address modulo the number of usable servers."""

    def choose(self, usable: Usable, avoid: int, address: str, draw: Callable[[], float]) -> int:
        """Return the same server for the same address as long as the set of usable servers stays."""
        return mapped(usable, ipv4_number(address))


def candidates(usable: Usable, avoid: int) -> list[int]:
    """Return the usable servers but `avoid`."""
    return [server for server, up in enumerate(usable) if up and server != avoid]


def mapped(usable: Usable, number: int) -> int:
    """Return the usable server that an address, as a number, falls on, or -1."""
    alive = candidates(usable, -1)
    return alive[number % len(alive)] if len(alive) > 0 else -1


class RandomOfTwo(_Counting):
    """HAProxy `random(2)` and nginx `random two least_conn`: two servers at random, the one with fewer connections."""

    def choose(self, usable: Usable, avoid: int, address: str, draw: Callable[[], float]) -> int:
        """Return the less loaded of two usable servers drawn with replacement."""
        alive = candidates(usable, avoid)
        if not alive:
            return avoid if avoid >= 0 and usable[avoid] else -1
        return less_loaded(alive, self.connections, draw(), draw())


def less_loaded(alive: Sequence[int], connections: Sequence[int], u: float, v: float) -> int:
    """Return the one with fewer connections of two servers drawn from `alive` with the uniform numbers `u` and `v`."""
    first = alive[int(u * len(alive))]
    second = alive[int(v * len(alive))]
    return second if connections[second] < connections[first] else first


class SmoothRoundRobin(_Counting):
    """nginx round robin: every usable peer gains its weight, the richest is chosen and pays the total."""

    def __init__(self, servers: int) -> None:
        super().__init__(servers)
        self.current = [0] * servers

    def choose(self, usable: Usable, avoid: int, address: str, draw: Callable[[], float]) -> int:
        """Return the peer with the largest current weight. A peer already tried for a request is never tried again."""
        return richest(candidates(usable, avoid), self.current)


def richest(peers: Sequence[int], current: MutableSequence[int]) -> int:
    """Give each of some peers its weight of 1, and return the richest, who pays the total; -1 if there is none."""
    best = -1
    for server in peers:
        current[server] += 1
        if best < 0 or current[server] > current[best]:
            best = server
    if best >= 0:
        current[best] -= len(peers)
    return best


class NginxLeastConn(SmoothRoundRobin):
    """nginx `least_conn`: the fewest connections; among equals smooth round robin."""

    def choose(self, usable: Usable, avoid: int, address: str, draw: Callable[[], float]) -> int:
        """Return the peer with the fewest connections."""
        equals = least_connected(candidates(usable, avoid), self.connections)
        return equals[0] if len(equals) == 1 else richest(equals, self.current)


def least_connected(peers: Sequence[int], connections: Sequence[int]) -> list[int]:
    """Return those of some peers that have the fewest connections."""
    least = connections[peers[0]] if len(peers) > 0 else 0
    for server in peers:
        if connections[server] < least:
            least = connections[server]
    return [server for server in peers if connections[server] == least]


class IpHash(SmoothRoundRobin):
    """nginx `ip_hash`: a hash of the first three bytes of an IPv4 address, rehashed past peers that are down."""

    def choose(self, usable: Usable, avoid: int, address: str, draw: Callable[[], float]) -> int:
        """Return the peer that the /24 of `address` hashes to; after 20 rehashes, plain round robin."""
        peer = hashed(usable, avoid, ipv4_number(address))
        return peer if peer >= 0 else super().choose(usable, avoid, address, draw)


def hashed(usable: Usable, avoid: int, number: int) -> int:
    """Return the peer that the first three bytes of an address, as a number, hash to; -1 after 20 rehashes."""
    value = 89
    for _ in range(21):
        for shift in (24, 16, 8):
            value = (value * 113 + (number >> shift & 255)) % 6271
        peer = value % len(usable)
        if usable[peer] and peer != avoid:
            return peer
    return -1


def ipv4_number(address: str) -> int:
    """Return the 32-bit number of a dotted IPv4 address."""
    value = 0
    for part in address.split("."):
        value = value << 8 | int(part)
    return value


RULES: dict[tuple[str, str], Callable[[int], Rule]] = {
    ("haproxy", "roundrobin"): RoundRobin,
    ("haproxy", "leastconn"): LeastConn,
    ("haproxy", "source"): Source,
    ("haproxy", "random"): RandomOfTwo,
    ("nginx", "round_robin"): SmoothRoundRobin,
    ("nginx", "least_conn"): NginxLeastConn,
    ("nginx", "ip_hash"): IpHash,
    ("nginx", "random_two"): RandomOfTwo,
}
