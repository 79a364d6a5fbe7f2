"""Which server gets a connection: the choice rules of HAProxy 2.8 and nginx 1.22, all servers of equal weight.

A rule keeps only what the real balancer keeps. `choose` names a server, `take` and `release` follow its connections.
Sources: HAProxy `src/lb_fwrr.c`, `src/lb_fwlc.c`, `src/lb_map.c`, `src/backend.c`; nginx
`src/http/modules/ngx_http_upstream_least_conn_module.c`, `..._ip_hash_module.c`, `..._random_module.c` and
`src/http/ngx_http_upstream_round_robin.c`.
"""

from collections.abc import Callable, Sequence
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
        self.turn = list(range(servers))
        self.clock = servers

    def choose(self, usable: Usable, avoid: int, address: str, draw: Callable[[], float]) -> int:
        """Return the usable server whose turn was longest ago."""
        best = -1
        for server, turn in enumerate(self.turn):
            if usable[server] and server != avoid and (best < 0 or turn < self.turn[best]):
                best = server
        if best < 0:
            best = avoid if avoid >= 0 and usable[avoid] else -1
        if best >= 0:
            for server in [best, *(server for server, up in enumerate(usable) if not up)]:
                self.turn[server] = self.clock
                self.clock += 1
        return best


class LeastConn(_Counting):
    """HAProxy `leastconn`: the fewest connections; among equals the one that reached that number first."""

    def __init__(self, servers: int) -> None:
        super().__init__(servers)
        self.since = list(range(servers))
        self.clock = servers

    def _moved(self, server: int) -> None:
        self.since[server] = self.clock
        self.clock += 1

    def take(self, server: int) -> None:
        """Note one more connection; the server moves behind those that have as many."""
        super().take(server)
        self._moved(server)

    def release(self, server: int) -> None:
        """Note one connection less; the server moves behind those that have as many."""
        super().release(server)
        self._moved(server)

    def choose(self, usable: Usable, avoid: int, address: str, draw: Callable[[], float]) -> int:
        """Return the usable server with the fewest connections."""
        best = -1
        for server, count in enumerate(self.connections):
            if not usable[server] or server == avoid:
                continue
            if best < 0 or (count, self.since[server]) < (self.connections[best], self.since[best]):
                best = server
        if best < 0 and avoid >= 0 and usable[avoid]:
            return avoid
        return best


class Source(_Counting):
    """HAProxy `source` with the default map-based hash: the address modulo the number of usable servers."""

    def choose(self, usable: Usable, avoid: int, address: str, draw: Callable[[], float]) -> int:
        """Return the same server for the same address as long as the set of usable servers stays."""
        alive = [server for server, up in enumerate(usable) if up]
        return alive[ipv4_number(address) % len(alive)] if alive else -1


class RandomOfTwo(_Counting):
    """HAProxy `random(2)` and nginx `random two least_conn`: two servers at random, the one with fewer connections."""

    def choose(self, usable: Usable, avoid: int, address: str, draw: Callable[[], float]) -> int:
        """Return the less loaded of two usable servers drawn with replacement."""
        alive = [server for server, up in enumerate(usable) if up and server != avoid]
        if not alive:
            return avoid if avoid >= 0 and usable[avoid] else -1
        first = alive[int(draw() * len(alive))]
        second = alive[int(draw() * len(alive))]
        return second if self.connections[second] < self.connections[first] else first


class SmoothRoundRobin(_Counting):
    """nginx round robin: every usable peer gains its weight, the richest is chosen and pays the total."""

    def __init__(self, servers: int) -> None:
        super().__init__(servers)
        self.current = [0] * servers

    def choose(self, usable: Usable, avoid: int, address: str, draw: Callable[[], float]) -> int:
        """Return the peer with the largest current weight. A peer already tried for a request is never tried again."""
        return self._richest([server for server, up in enumerate(usable) if up and server != avoid])

    def _richest(self, candidates: Sequence[int]) -> int:
        best = -1
        for server in candidates:
            self.current[server] += 1
            if best < 0 or self.current[server] > self.current[best]:
                best = server
        if best >= 0:
            self.current[best] -= len(candidates)
        return best


class NginxLeastConn(SmoothRoundRobin):
    """nginx `least_conn`: the fewest connections; among equals smooth round robin."""

    def choose(self, usable: Usable, avoid: int, address: str, draw: Callable[[], float]) -> int:
        """Return the peer with the fewest connections."""
        candidates = [server for server, up in enumerate(usable) if up and server != avoid]
        if not candidates:
            return -1
        least = min(self.connections[server] for server in candidates)
        equals = [server for server in candidates if self.connections[server] == least]
        return equals[0] if len(equals) == 1 else self._richest(equals)


class IpHash(SmoothRoundRobin):
    """nginx `ip_hash`: a hash of the first three bytes of an IPv4 address, rehashed past peers that are down."""

    def choose(self, usable: Usable, avoid: int, address: str, draw: Callable[[], float]) -> int:
        """Return the peer that the /24 of `address` hashes to; after 20 rehashes, plain round robin."""
        octets = [int(part) for part in address.split(".")[:3]]
        value = 89
        for _ in range(21):
            for octet in octets:
                value = (value * 113 + octet) % 6271
            peer = value % len(usable)
            if usable[peer] and peer != avoid:
                return peer
        return super().choose(usable, avoid, address, draw)


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
