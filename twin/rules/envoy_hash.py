"""Envoy's consistent hashing: the ring (ketama) and the Maglev table, exactly as Envoy builds them.

Both are built of the servers that may be chosen, so a server that is marked unhealthy has no place in them. On the ring
each server has as many points as its weight says, and a key goes to the next point upwards; in the table it has very
nearly its share of the places, and some keys of servers that stay move when one leaves.

Sources: Envoy 1.40 `source/extensions/load_balancing_policies/ring_hash/ring_hash_lb.cc` (`Ring::Ring`,
`Ring::chooseHost`), `source/extensions/load_balancing_policies/maglev/maglev_lb.cc` (`constructMaglevTableInternal`,
`chooseHost`), `source/extensions/load_balancing_policies/common/thread_aware_lb_impl.cc` (`normalizeHostWeights`); Yann
Collet, "xxHash fast digest algorithm", doc/xxhash_spec.md (XXH64); Eisenbud et al., "Maglev", NSDI 2016.
"""

from bisect import bisect_left
from collections.abc import Sequence
from math import ceil

MINIMUM_RING_SIZE, MAXIMUM_RING_SIZE = 1024, 8 * 1024 * 1024
"""Points of a ring, at least and at most. Source: `DefaultMinRingSize`, `DefaultMaxRingSize` in ring_hash_lb.h."""

TABLE_SIZE = 65537
"""Places of a Maglev table, a prime number. Source: `DefaultTableSize` in maglev_lb.h."""

_MASK = 0xFFFFFFFFFFFFFFFF
_PRIMES = (
    *(0x9E3779B185EBCA87, 0xC2B2AE3D27D4EB4F, 0x165667B19E3779F9),
    *(0x85EBCA77C2B2AE63, 0x27D4EB2F165667C5),
)


def xxhash64(data: bytes, seed: int = 0) -> int:
    """Return the XXH64 digest of some bytes."""
    first, second, third, fourth, fifth = _PRIMES
    length, place = len(data), 0
    if length >= 32:
        lanes = [seed + first + second, seed + second, seed, seed - first]
        while place + 32 <= length:
            for lane in range(4):
                lanes[lane] = _round(lanes[lane], int.from_bytes(data[place : place + 8], "little"))
                place += 8
        found = sum(_rotated(lane & _MASK, by) for lane, by in zip(lanes, (1, 7, 12, 18), strict=True))
        for lane in lanes:
            found = ((found ^ _round(0, lane)) * first + fourth) & _MASK
    else:
        found = seed + fifth
    found = (found + length) & _MASK
    while place + 8 <= length:
        found ^= _round(0, int.from_bytes(data[place : place + 8], "little"))
        found = (_rotated(found, 27) * first + fourth) & _MASK
        place += 8
    if place + 4 <= length:
        found ^= int.from_bytes(data[place : place + 4], "little") * first & _MASK
        found = (_rotated(found, 23) * second + third) & _MASK
        place += 4
    for byte in data[place:]:
        found = _rotated(found ^ byte * fifth & _MASK, 11) * first & _MASK
    found = (found ^ found >> 33) * second & _MASK
    found = (found ^ found >> 29) * third & _MASK
    return found ^ found >> 32


def _rotated(number: int, by: int) -> int:
    """Return 64 bits rotated to the left."""
    return (number << by | number >> 64 - by) & _MASK


def _round(lane: int, word: int) -> int:
    return _rotated((lane + word * _PRIMES[1]) & _MASK, 31) * _PRIMES[0] & _MASK


def shares_of(names: Sequence[str], weights: Sequence[int]) -> list[float]:
    """Return the shares of servers of such weights; all weigh the same if there are none."""
    if not weights:
        return [1.0 / len(names)] * len(names)
    return [weight / sum(weights) for weight in weights]


def hash_ring(
    names: Sequence[str], minimum_ring_size: int = MINIMUM_RING_SIZE, weights: Sequence[int] = ()
) -> tuple[list[int], list[int]]:
    """Return the points of servers, in order, and whose each of them is.

    There are as many points as it takes for the server of the least weight to have a whole number of them, and for at
    least `minimum_ring_size` in all.

    Args:
        names: of the servers, `address:port` each.
        minimum_ring_size: the setting of that name.
        weights: of the servers; all weigh the same if there are none.
    """
    if not names:
        return [], []
    shares = shares_of(names, weights)
    least = min(shares)
    scale = min(ceil(least * minimum_ring_size) / least, float(MAXIMUM_RING_SIZE))
    found: list[tuple[int, int]] = []
    target = 0.0
    for server, name in enumerate(names):
        target += scale * shares[server]
        number = 0
        while len(found) < target:
            found.append((xxhash64(f"{name}_{number}".encode()), server))
            number += 1
    found.sort(key=lambda one: one[0])
    return [point for point, _ in found], [server for _, server in found]


def on_ring(points: Sequence[int], owners: Sequence[int], key: int, again: int = 0) -> int:
    """Return the server of the first point at or above a hash, `again` points further; -1 on an empty ring.

    A hash at or below the first point, and one above the last, go to the first point.
    """
    if not points:
        return -1
    place = bisect_left(points, key)
    return owners[(place % len(points) + again) % len(points)]


def maglev_table(names: Sequence[str], table_size: int = TABLE_SIZE, weights: Sequence[int] = ()) -> list[int]:
    """Return whose each place of the table is.

    The servers take turns in the order of their names, each with the next free place of its own permutation; one that
    weighs less than the heaviest sits out its share of the rounds.

    Args:
        names: of the servers, `address:port` each.
        table_size: the setting of that name, a prime number.
        weights: of the servers; all weigh the same if there are none.
    """
    shares = shares_of(names, weights) if names else []
    order = sorted(range(len(names)), key=lambda server: names[server].encode())
    table = [-1] * table_size if names else []
    keys = [names[server].encode() for server in order]
    places = [xxhash64(key) % table_size for key in keys]
    skips = [xxhash64(key, 1) % (table_size - 1) + 1 for key in keys]
    left, rounds, targets, most = len(table), 0, [0.0] * len(order), max(shares, default=0.0)
    while left:
        rounds += 1
        for turn, server in enumerate(order):
            if not left or rounds * shares[server] < targets[turn]:
                continue
            targets[turn] += most
            place, skip = places[turn], skips[turn]
            while table[place] >= 0:
                place = (place + skip) % table_size
            table[place] = server
            places[turn] = (place + skip) % table_size
            left -= 1
    return table


def in_table(table: Sequence[int], key: int, again: int = 0) -> int:
    """Return the server of a hash, in the `again`-th further try of one that has others bits set; -1 in an empty
    table.
    """
    if not table:
        return -1
    changed = key ^ (_MASK - again + 1) & _MASK if again else key
    return table[changed % len(table)]
