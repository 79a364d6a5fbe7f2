"""Who is there: leases with generations, what the balancer has to change, and which clients try the next version.

A node registers in a slot and gets a generation, a number that only grows. It must renew its lease before `ttl` seconds
have passed. A renewal counts only with the present generation of the slot, and only before the lease has ended: a late
heartbeat never revives what was given up, whoever sends it. This is a fencing token checked where the truth is kept,
so no clock but the registry's own is asked. A registry that has lost its data knows no generation: who gives it a sign
of life registers anew, and says which generation it had, so that generations go on growing.

Sources: Gray & Cheriton, "Leases: an efficient fault-tolerant mechanism for distributed file cache consistency", SOSP
1989; Kleppmann, "How to do distributed locking", 2016 (fencing tokens); Consul, "TTL checks", for the pattern of a
heartbeat and a time to live.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from math import floor
from typing import Literal
from zlib import crc32

Reply = Literal["renewed", "expired", "replaced"]
"""What the registry says to a heartbeat: it counts; its lease had ended (or was lost with the registry's data), and
nobody took the slot; somebody did."""

Pool = Literal["cluster", "next"]
"""The servers of the present version, and those of the next one in a gray release."""

SHARES = 1000
"""Parts into which the clients are hashed: the finest step of a share."""


@dataclass(frozen=True)
class Registration:
    """One registration that is alive.

    Attributes:
        generation: which registration of its slot it is, from 1.
        address: `host:port` of the node.
        version: version of what it runs, as its metadata say.
        connections: how many it had at its last heartbeat.
        cpu: what it used between its last two heartbeats, in thousandths of a core.
        at: when the registry heard of it last, in seconds on the registry's clock.
        since: when it registered.
    """

    generation: int
    address: str
    version: str = ""
    connections: int = 0
    cpu: int = 0
    at: float = 0.0
    since: float = 0.0


@dataclass
class Leases:
    """The registry: who holds which slot until when.

    Args:
        ttl: seconds from a heartbeat to the end of the lease.
    """

    ttl: float
    generations: dict[int, int] = field(default_factory=dict)
    held: dict[int, Registration] = field(default_factory=dict)

    def members(self, now: float) -> dict[int, Registration]:
        """Return who is alive at `now`, by slot. A lease ends `ttl` seconds after the last sign, not later."""
        return {slot: one for slot, one in sorted(self.held.items()) if now < one.at + self.ttl}

    def register(self, slot: int, address: str, version: str, now: float, before: int = 0) -> int:
        """Take a slot, whoever holds it, and return the new generation, which is above the one that the node had."""
        generation = self.generations[slot] = max(self.generations.get(slot, 0), before) + 1
        self.held[slot] = Registration(generation, address, version, at=now, since=now)
        return generation

    def beat(self, slot: int, generation: int, connections: int, cpu: int, now: float) -> Reply:
        """Renew a lease if it is this generation's and has not ended."""
        member = self.members(now).get(slot)
        if member is not None and member.generation == generation:
            self.held[slot] = replace(member, connections=connections, cpu=cpu, at=now)
            return "renewed"
        return "expired" if self.generations.get(slot, generation) == generation else "replaced"

    def leave(self, slot: int, generation: int) -> bool:
        """Give a slot up; tell whether it was this generation's to give up."""
        member = self.held.get(slot)
        if member is None or member.generation != generation:
            return False
        del self.held[slot]
        return True

    def forget(self) -> None:
        """The data of the registry are lost: nobody is registered."""
        self.generations.clear()
        self.held.clear()


@dataclass(frozen=True)
class Changes:
    """What a balancer's list of servers lacks.

    Attributes:
        gone: slots to take out, with the members that the balancer has there.
        came: slots to take in, with the members that are there now.
    """

    gone: tuple[tuple[int, Registration], ...]
    came: tuple[tuple[int, Registration], ...]


def changes(known: Mapping[int, Registration], members: Mapping[int, Registration]) -> Changes:
    """Compare what the balancer has with who is alive.

    A slot that is at another address now, or runs another version, is taken out and in again; a new generation that
    has both of the old one gives the balancer nothing to do.
    """

    def same(slot: int) -> bool:
        old, new = known.get(slot), members.get(slot)
        return old is not None and new is not None and (old.address, old.version) == (new.address, new.version)

    gone = [(slot, one) for slot, one in sorted(known.items()) if not same(slot)]
    came = [(slot, one) for slot, one in sorted(members.items()) if not same(slot)]
    return Changes(tuple(gone), tuple(came))


def pool_of(version: str, following: str | None) -> Pool:
    """Return the pool of a member by the version in its metadata, whatever its slot.

    Args:
        version: what the member has written to the registry.
        following: the next version of a gray release; None is no gray release. Any other version than this, an unknown
            one too, is served to the clients of the present version only.
    """
    return "next" if following is not None and version == following else "cluster"


def next_sign(first: float, every: float, now: float) -> float:
    """Return the first of the times ..., first, first + every, ... that is later than `now`.

    A process that was stopped does not make up for the signs that it missed.
    """
    return first + (floor((now - first) / every + 1e-9) + 1) * every


def removal_bounds(ttl: float, heartbeat: float, sync: float) -> tuple[float, float]:
    """Return the shortest and the longest time in seconds from a node's death to its removal from the balancer.

    The last heartbeat was up to `heartbeat` ago, its lease ends `ttl` after it, and the registrar looks every `sync`.
    """
    return ttl - heartbeat, ttl + sync


def share_parts(share: float) -> int:
    """Return how many of `SHARES` parts of the clients a share is."""
    return round(share * SHARES)


def tries_next(client: int, parts: int) -> bool:
    """Tell whether a client belongs to the share that is sent to the next version.

    A hash of the client's id decides, so that a client meets one version only, reconnects included, and that a larger
    share holds all clients of a smaller one. The hash is CRC-32 (IEEE 802.3), which HAProxy has as the converter
    `crc32`. Source: HAProxy 2.8 configuration manual, section 7.3.1.
    """
    return crc32(str(client).encode()) % SHARES < parts
