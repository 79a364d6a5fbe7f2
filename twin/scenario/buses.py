"""The kinds of bus, listed here: what each promises, so that nobody else asks for a kind by its name."""

from dataclasses import dataclass
from typing import Literal

BusKind = Literal["none", "valkey", "pubsub", "stream", "kafka", "jetstream"]


@dataclass(frozen=True)
class BusTraits:
    """What the rest of the lab has to know of a kind of bus.

    Attributes:
        broadcasts: a publisher can broadcast over it.
        keeps: what it has acknowledged can be read from it again, so that nothing need be lost.
        redis: it is a Redis-protocol server, on which sessions and a registry can be, too.
        reads: nodes read from it with a cursor; where not, it pushes to them.
        commits: nodes commit where they stand, and a new process of a node goes on there.
        waits_for_disk: with `bus.persist` its answers wait until what they tell is on disk.
        live: a live run can have it.
        cuts: its server can close a connection of a node when it is told to (`bus_cut`).
        compiled: the compiled engine has it.
    """

    broadcasts: bool = True
    keeps: bool = False
    redis: bool = True
    reads: bool = False
    commits: bool = False
    waits_for_disk: bool = True
    live: bool = True
    cuts: bool = True
    compiled: bool = True


BUSES: dict[BusKind, BusTraits] = {
    "none": BusTraits(broadcasts=False, redis=False),
    "valkey": BusTraits(broadcasts=False),
    "pubsub": BusTraits(),
    "stream": BusTraits(keeps=True, reads=True),
    "kafka": BusTraits(keeps=True, redis=False, reads=True, commits=True, waits_for_disk=False, live=False),
    "jetstream": BusTraits(keeps=True, redis=False, waits_for_disk=False, cuts=False, compiled=False),
}
"""Kafka and NATS leave it to the system when what they keep is written. Sources: Kafka manual,
`log.flush.interval.messages`; NATS manual, JetStream, `sync_interval`."""


def those(**promise: bool) -> tuple[BusKind, ...]:
    """Return the kinds with some traits, in the order of the list."""
    wanted = promise.items()
    return tuple(
        kind for kind, traits in BUSES.items() if all(getattr(traits, name) is is_so for name, is_so in wanted)
    )


def in_words(kinds: tuple[BusKind, ...], before_last: str = "or") -> str:
    """Return kinds as a sentence has them: 'pubsub', 'stream' or 'kafka'."""
    *first, last = (f"'{kind}'" for kind in kinds)
    return f"{', '.join(first)} {before_last} {last}" if first else last
