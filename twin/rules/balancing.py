"""Which server gets a connection: the choice rules of HAProxy 2.8 and nginx 1.22, and the list of all.

A rule keeps only what the real balancer keeps. `choose` names a server, `take` and `release` follow its connections.
All servers have weight 1; only HAProxy's slowstart makes one weigh less for a while. `twin/rules/rotation.py` has
HAProxy's round robin, `twin/rules/ring.py` its consistent hashing and its random choice, `twin/rules/ketama.py` nginx's
consistent hashing, `twin/rules/envoy.py` Envoy's rules.
Sources: HAProxy `src/lb_fwlc.c`, `src/lb_map.c`, `src/backend.c`; nginx
`src/http/modules/ngx_http_upstream_least_conn_module.c`, `..._ip_hash_module.c`, `..._random_module.c` and
`src/http/ngx_http_upstream_round_robin.c`.
"""

from collections.abc import Callable, MutableSequence, Sequence

from twin.rules.choice import FULL_WEIGHT, WEIGHT_RANGE, Counting, Rule, Usable, ipv4_number
from twin.rules.envoy import EnvoyRandom, EnvoyRoundRobin, LeastRequest, Maglev, RingHash
from twin.rules.ketama import next_upwards, ring
from twin.rules.ring import ConsistentSource, RandomOfTwo
from twin.rules.rotation import RoundRobin

MOST_DRAWS = 20
"""Draws after which nginx takes the next peer in turn. Source: `ngx_http_upstream_get_random2_peer`."""


def move_behind(order: MutableSequence[int], server: int) -> None:
    """Put a server behind all others. `order` has one number a server, and as its last item the next number to give."""
    order[server] = order[-1]
    order[-1] += 1


class LeastConn(Counting):
    """HAProxy `leastconn`: the fewest connections for its weight; among equals the one that got there first."""

    prefers_fewest = True

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

    def weigh(self, server: int, weight: int) -> None:
        """Note a weight; the server moves behind those that have as many."""
        super().weigh(server, weight)
        move_behind(self.since, server)

    def load(self, server: int) -> int:
        """Return the load by which servers are compared: a server without connections is always the first choice.

        Source: `fwlc_queue_srv`.
        """
        count = self.connections[server]
        return (count + 1) * WEIGHT_RANGE // self.weights[server] if count else 0

    def choose(self, usable: Usable, avoid: int, address: str, draw: Callable[[], float]) -> int:
        """Return the usable server with the smallest load."""
        if min(self.weights) == FULL_WEIGHT:
            return fewest_first(usable, avoid, self.connections, self.since)
        loads = [self.load(server) for server in range(len(self.connections))]
        return fewest_first(usable, avoid, loads, self.since)


def fewest_first(usable: Usable, avoid: int, loads: Sequence[int], since: Sequence[int]) -> int:
    """Return the usable server with the smallest load, the one that has had it the longest, or -1.

    With servers of equal weight the numbers of their connections do as well as their loads.
    """
    best = -1
    for server, load in enumerate(loads):
        if not usable[server] or server == avoid:
            continue
        if best < 0 or load < loads[best] or (load == loads[best] and since[server] < since[best]):
            best = server
    if best < 0 and avoid >= 0 and usable[avoid]:
        return avoid
    return best


class Source(Counting):
    """HAProxy `source` with the default map-based hash: the address modulo the number of usable servers."""

    hashes_address = True
    when_full = "server"

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


class SmoothRoundRobin(Counting):
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

    prefers_fewest = True

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

    hashes_address = True

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


def drawn(draw: Callable[[], float]) -> float:
    """Return the next uniform number of a balancer. An engine whose numbers come otherwise puts its own here."""
    return draw()


def two_drawn(draw: Callable[[], float], usable: Usable, avoid: int, connections: Sequence[int]) -> int:
    """Return the less loaded of two different usable peers drawn at random, of two equals the second; -1 when so many
    draws found no two.
    """
    first = -1
    for _ in range(MOST_DRAWS + 1 if len(usable) > 1 else 0):
        peer = int(drawn(draw) * len(usable))
        if peer in (first, avoid) or not usable[peer]:
            continue
        if first >= 0:
            return first if connections[peer] > connections[first] else peer
        first = peer
    return -1


class NginxRandomOfTwo(SmoothRoundRobin):
    """nginx `random two least_conn`: two different peers at random, the one with fewer connections."""

    def choose(self, usable: Usable, avoid: int, address: str, draw: Callable[[], float]) -> int:
        """Return the less loaded of two usable peers; when the draws found no two, the next one in turn."""
        found = two_drawn(draw, usable, avoid, self.connections)
        return found if found >= 0 else super().choose(usable, avoid, address, draw)


class HashConsistent(SmoothRoundRobin):
    """nginx `hash $remote_addr consistent`: the next point upwards of the hash of an address, on a ring of the servers'
    names; until it is told these, the servers are called 1, 2, 3.
    """

    hashes_address = hashes_names = True

    def __init__(self, servers: int) -> None:
        super().__init__(servers)
        self.name_servers([str(server + 1) for server in range(servers)])

    def name_servers(self, names: Sequence[str]) -> None:
        """Give each server the points of its name."""
        self.points, self.owners = ring(names)

    def choose(self, usable: Usable, avoid: int, address: str, draw: Callable[[], float]) -> int:
        """Return the peer that the address falls on; a lone one, and after 20 steps any one, by plain round robin."""
        peer = next_upwards(self.points, self.owners, usable, address, avoid) if len(usable) > 1 else -1
        return peer if peer >= 0 else super().choose(usable, avoid, address, draw)


RULES: dict[tuple[str, str], type[Counting]] = {
    ("haproxy", "roundrobin"): RoundRobin,
    ("haproxy", "leastconn"): LeastConn,
    ("haproxy", "source"): Source,
    ("haproxy", "consistent"): ConsistentSource,
    ("haproxy", "random"): RandomOfTwo,
    ("nginx", "round_robin"): SmoothRoundRobin,
    ("nginx", "least_conn"): NginxLeastConn,
    ("nginx", "ip_hash"): IpHash,
    ("nginx", "random_two"): NginxRandomOfTwo,
    ("nginx", "hash_consistent"): HashConsistent,
    ("envoy", "round_robin"): EnvoyRoundRobin,
    ("envoy", "least_request"): LeastRequest,
    ("envoy", "random"): EnvoyRandom,
    ("envoy", "ring_hash"): RingHash,
    ("envoy", "maglev"): Maglev,
}
"""The choice rules of each kind of balancer, by their names in a scenario; each is made for a number of servers."""

__all__ = [
    "RULES",
    "ConsistentSource",
    "HashConsistent",
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
