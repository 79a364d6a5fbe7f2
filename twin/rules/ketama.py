"""nginx's consistent hashing, which is that of the memcached client libraries (ketama).

Servers have points on a ring of 32-bit numbers, and a hash goes to the next one upwards. Each server has 160 points for
its weight of 1, so the shares are more even than those of HAProxy's ring. The points come from the server's name in the
configuration: whoever changes an address or a port moves clients.

Source: nginx 1.22 `src/http/modules/ngx_http_upstream_hash_module.c` (`ngx_http_upstream_init_chash`,
`ngx_http_upstream_find_chash_point`, `ngx_http_upstream_get_chash_peer`).
"""

from bisect import bisect_left
from collections.abc import Sequence
from zlib import crc32

POINTS = 160
"""Points of a server for each unit of its weight. Source: `ngx_http_upstream_init_chash`."""

MOST_STEPS = 20
"""Steps along the ring after which nginx takes the next peer in turn. Source: `ngx_http_upstream_get_chash_peer`."""


def ring(names: Sequence[str]) -> tuple[list[int], list[int]]:
    """Return the points of servers of weight 1, in order, and whose each of them is.

    A point is the CRC-32 of host, NUL, port and the point before, its lowest byte first. Of two servers with the same
    point the first has it.

    Args:
        names: of the servers as in the configuration: `host:port`, or `host` with no port to hash.
    """
    found: dict[int, int] = {}
    for server, name in enumerate(names):
        host, colon, port = name.rpartition(":")
        own, other = (host, port) if colon and (not port or port.isdecimal()) else (name, "")
        base, point = crc32(f"{own}\0{other}".encode()), 0
        for _ in range(POINTS):
            point = crc32(point.to_bytes(4, "little"), base)
            found.setdefault(point, server)
    points = sorted(found)
    return points, [found[point] for point in points]


def next_upwards(points: Sequence[int], owners: Sequence[int], usable: Sequence[bool], key: str, avoid: int) -> int:
    """Return the usable server of the first point at or above the hash of `key`, after so many steps of the next ones;
    -1 when there is none.

    Args:
        points: of all servers, in order.
        owners: the server of each point.
        usable: one flag a server.
        key: what is hashed, such as a client's address.
        avoid: a server that is not taken; -1 is none.
    """
    first = bisect_left(points, crc32(key.encode()))
    for step in range(MOST_STEPS + 1):
        server = owners[(first + step) % len(points)]
        if usable[server] and server != avoid:
            return server
    return -1
