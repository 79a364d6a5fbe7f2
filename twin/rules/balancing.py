"""Which server gets a connection: the choice rules of HAProxy 2.8 and nginx 1.22.

A rule keeps only what the real balancer keeps. `choose` names a server, `take` and `release` follow its connections.
All servers have weight 1; only HAProxy's slowstart makes one weigh less for a while. `twin/rules/rotation.py` has
HAProxy's round robin, `twin/rules/ring.py` its consistent hashing and its random choice.
Sources: HAProxy `src/lb_fwlc.c`, `src/lb_map.c`, `src/backend.c`; nginx
`src/http/modules/ngx_http_upstream_least_conn_module.c`, `..._ip_hash_module.c`, `..._random_module.c` and
`src/http/ngx_http_upstream_round_robin.c`.
"""

from collections.abc import Callable, Sequence

from twin.rules.choice import WEIGHT_RANGE, Counting, Rule, Usable, ipv4_number
from twin.rules.ring import ConsistentSource, RandomOfTwo
from twin.rules.rotation import RoundRobin

MOST_DRAWS = 20
"""Draws after which nginx takes the next peer in turn. Source: `ngx_http_upstream_get_random2_peer`."""


class LeastConn(Counting):
    """HAProxy `leastconn`: the fewest connections for its weight; among equals the one that got there first."""

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

    def weigh(self, server: int, weight: int) -> None:
        """Note a weight; the server moves behind those that have as many."""
        super().weigh(server, weight)
        self._moved(server)

    def load(self, server: int) -> int:
        """Return the load by which servers are compared: a server without connections is always the first choice.

        Source: `fwlc_queue_srv`.
        """
        count = self.connections[server]
        return (count + 1) * WEIGHT_RANGE // self.weights[server] if count else 0

    def choose(self, usable: Usable, avoid: int, address: str, draw: Callable[[], float]) -> int:
        """Return the usable server with the smallest load."""
        best = -1
        for server in range(len(self.connections)):
            if not usable[server] or server == avoid:
                continue
            if best < 0 or (self.load(server), self.since[server]) < (self.load(best), self.since[best]):
                best = server
        if best < 0 and avoid >= 0 and usable[avoid]:
            return avoid
        return best


class Source(Counting):
    """HAProxy `source` with the default map-based hash: the address modulo the number of usable servers."""

    def choose(self, usable: Usable, avoid: int, address: str, draw: Callable[[], float]) -> int:
        """Return the same server for the same address as long as the set of usable servers stays."""
        alive = [server for server, up in enumerate(usable) if up]
        return alive[ipv4_number(address) % len(alive)] if alive else -1


class SmoothRoundRobin(Counting):
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


class NginxRandomOfTwo(SmoothRoundRobin):
    """nginx `random two least_conn`: two different peers at random, the one with fewer connections."""

    def choose(self, usable: Usable, avoid: int, address: str, draw: Callable[[], float]) -> int:
        """Return the less loaded of two usable peers, of two equals the second; when so many draws found no two, the
        next one in turn.
        """
        first = -1
        for _ in range(MOST_DRAWS + 1 if len(usable) > 1 else 0):
            peer = int(draw() * len(usable))
            if peer in (first, avoid) or not usable[peer]:
                continue
            if first >= 0:
                return first if self.connections[peer] > self.connections[first] else peer
            first = peer
        return super().choose(usable, avoid, address, draw)


RULES: dict[tuple[str, str], Callable[[int], Rule]] = {
    ("haproxy", "roundrobin"): RoundRobin,
    ("haproxy", "leastconn"): LeastConn,
    ("haproxy", "source"): Source,
    ("haproxy", "consistent"): ConsistentSource,
    ("haproxy", "random"): RandomOfTwo,
    ("nginx", "round_robin"): SmoothRoundRobin,
    ("nginx", "least_conn"): NginxLeastConn,
    ("nginx", "ip_hash"): IpHash,
    ("nginx", "random_two"): NginxRandomOfTwo,
}

__all__ = [
    "RULES",
    "ConsistentSource",
    "IpHash",
    "LeastConn",
    "NginxLeastConn",
    "NginxRandomOfTwo",
    "RandomOfTwo",
    "RoundRobin",
    "Rule",
    "SmoothRoundRobin",
    "Source",
    "Usable",
    "ipv4_number",
]
