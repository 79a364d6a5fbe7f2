"""What a host profile holds: the figures of the calibrations of one machine, and how further ones join them."""

from collections.abc import Container
from typing import Annotated, Any, Self

from pydantic import BaseModel, ConfigDict, Field, model_validator

from twin.costs.broadcast import BROADCAST_PARTS, PAYLOAD_PARTS, PAYLOADS
from twin.costs.curve import MOST_REPEATS, Cost, Pace, PartCosts, Repeats
from twin.costs.layout import USUAL, VERSION, migrated, room_of
from twin.costs.parts import LONE, LONE_OF_BROADCAST, LONE_OF_DISK, LONE_OF_MEMORY
from twin.costs.polls import OF_POLLS, POLL_ROUNDS
from twin.costs.sessions import SESSION_PARTS
from twin.rules.memory import FEW
from twin.scenario.balancer.kinds import DEFAULT
from twin.scenario.fields import refused, show

MOST_LOOKS = 16
"""Looks at the speed of the cores that a profile keeps, the latest ones."""

# A list ends at the first wrong entry: a file of megabytes would have as many errors
Look = Annotated[list[Annotated[list[Pace], Field(min_length=1, fail_fast=True)]], Field(min_length=1, fail_fast=True)]
Size = Annotated[float, Field(ge=0, le=2**40, allow_inf_nan=False)]
Shares = Annotated[list[Annotated[float, Field(ge=0, le=1, allow_inf_nan=False)]], Field(min_length=1, fail_fast=True)]


class Footprint(BaseModel):
    """What memory a node takes, in resident bytes; repeated measurements."""

    model_config = ConfigDict(frozen=True, extra="forbid")
    node: list[Size] = Field(
        min_length=1, fail_fast=True, description="Of a node without connections, had the first ones taken as much."
    )
    connection: list[Size] = Field(
        min_length=1, fail_fast=True, description=f"Of each open connection after the first {FEW}."
    )
    few: list[Size] = Field([], fail_fast=True, description=f"Of each of the first {FEW}; they take less.")


Parts = dict[str, PartCosts]
"""Parts by their names."""


class Measured(BaseModel):
    """Everything that was measured on a machine. See `twin.costs.parts` for the names of the parts."""

    model_config = ConfigDict(frozen=True, extra="forbid")
    version: int = Field(VERSION, ge=VERSION, le=VERSION, description="Of the layout of `parts`.")
    made: str = Field(description="When, ISO 8601.")
    machine: dict[str, Any] = Field(description="CPU, cores, system.")
    parts: dict[str, dict[str, Parts]] = Field(
        description="Room -> kind -> name of a part -> what it costs; see `twin.costs.layout`."
    )
    first_part: dict[str, Shares] = Field(
        description="Share of an item's cost that a process with many items ready spends on all of them before it "
        "finishes the first: for node, haproxy, nginx and the parts of the client."
    )
    wake: dict[str, Shares] = Field(
        description="What it costs a process with warm caches to wake up for a single item, as a share of what a lone "
        "item costs it more when they are cold: client, node, haproxy and nginx; node_KIND of another runtime."
    )
    speed: list[Look] = Field(
        fail_fast=True,
        min_length=1,
        description="Looks at the speed of the cores: how long a fixed piece of work took, every PACE_STEP seconds, in "
        "seconds; one series for each core, all at the same time.",
    )
    crowding: list[Pace] = Field(
        [],
        fail_fast=True,
        description="How many times as long a fixed piece of work takes a core while all other cores work, too; empty "
        "if there are no others.",
    )
    balancer_start: dict[str, Repeats] = Field(
        description="Seconds from starting the balancer's process until it listens, for haproxy and nginx."
    )
    store_start: dict[str, Repeats] = Field(
        {},
        description="Seconds from starting a store of pools that was killed until it answers: redis, postgresql; empty "
        "in a profile that does not know pools.",
    )
    node_stop: Repeats = Field(description="Seconds from SIGTERM to the end of a node without connections.")
    check_overhead: Repeats = Field(description="Seconds by which a check's period exceeds its interval.")
    table_growth: Repeats = Field(
        description="Seconds a process of several threads waits while its table of open files doubles."
    )
    bus_start: list[Cost] = Field(
        [],
        fail_fast=True,
        description="Seconds from starting a bus that holds data until it answers; empty without a broadcast.",
    )
    path_bytes: list[Size] = Field(
        [],
        fail_fast=True,
        description="Bytes that the way from a node to a client that does not read holds outside of the node's own "
        "memory; empty without a broadcast.",
    )
    path_bytes_large: list[Size] = Field(
        [],
        fail_fast=True,
        description="The same for messages with the largest of the payloads that are measured: the kernel gives a "
        "socket more room the more has been read from it at a time; empty without a broadcast.",
    )
    bus_path_bytes: list[Size] = Field(
        [],
        fail_fast=True,
        description="Bytes that a connection to the bus holds for a subscriber that does not read; empty in a profile "
        "without it, where `path_bytes` stands for it.",
    )
    disk_wait: list[Cost] = Field(
        [],
        fail_fast=True,
        description="Seconds that a bus that persists waits for its disk, off its core, when it has not written for a "
        "while; empty in a profile that does not know the disk.",
    )
    disk_wait_in_a_row: list[Cost] = Field(
        [], fail_fast=True, description="The same when it writes again as soon as the last write is on disk."
    )
    connection_bytes: list[Size] = Field(
        [],
        fail_fast=True,
        description="Resident bytes that an open connection takes in its node; empty if that is not known.",
    )
    context_bytes_9_1: list[Size] = Field(
        [],
        fail_fast=True,
        description="Resident bytes that a connection of a node keeps for compression with 9 window bits and memory "
        "level 1, once messages were sent over it; empty in a profile that does not know it.",
    )
    context_bytes_12_5: list[Size] = Field([], fail_fast=True, description="The same with 12 bits and level 5.")
    context_bytes_15_8: list[Size] = Field([], fail_fast=True, description="The same with 15 bits and level 8.")
    warm_paces: bool = Field(
        False,
        description="Whether the paces beside the parts were read with warm caches, as those of `speed` are. In a "
        "profile of an earlier lab they were not: its parts pass for faster than they are by a tenth or so.",
    )
    memory: dict[str, dict[str, Footprint]] = Field(
        {},
        description="Runtime -> part that the start of a node is -> what memory such a node takes; empty in a profile "
        "that does not know it.",
    )
    place_bytes: list[Size] = Field(
        [],
        fail_fast=True,
        description="Bytes that a frame's place takes in a node's queue for one client that does not read; empty in a "
        "profile that does not know it.",
    )
    time_slice: Pace = Field(description="Seconds a process may keep a core that others want.")
    tick: Cost = Field(description="Seconds between two ticks at which the kernel takes the core from a process.")

    def of(self, room: str, kind: str = "") -> Parts:
        """Return the parts of a room of one kind, by default the usual one; none if they were not measured."""
        return self.parts.get(room, {}).get(kind or USUAL[room], {})

    def by_name(self, balancer: str = DEFAULT) -> Parts:
        """Return all parts with one kind of balancer, and the usual kind of all other rooms."""
        rooms = {**USUAL, "balancer": balancer}
        return {name: part for room, kind in rooms.items() for name, part in self.of(room, kind).items()}

    @property
    def balancers(self) -> list[str]:
        """The kinds of balancers of which parts were measured."""
        return list(self.parts.get("balancer", {}))

    @model_validator(mode="before")
    @classmethod
    def _migrate(cls, data: Any) -> Any:
        return migrated(data) if isinstance(data, dict) else data

    @model_validator(mode="after")
    def _check(self) -> Self:
        for room, kinds in self.parts.items():
            if room not in USUAL:
                raise refused("parts", show(room), f"the rooms {', '.join(USUAL)}")
            for kind, parts in kinds.items():
                self._check_parts(room, kind, parts)
        return self

    def _check_parts(self, room: str, kind: str, parts: Parts) -> None:
        where = f"parts.{room}.{kind}"
        for name, part in parts.items():
            if room_of(name) != room:
                raise refused(f"{where}.{name}", "set", f"only in parts.{room_of(name)}")
            if name in PAYLOAD_PARTS and part.levels != list(PAYLOADS):
                raise refused(f"{where}.{name}.levels", show(part.levels), f"the payloads {list(PAYLOADS)}")
        refusal, request = (parts.get(f"balancer_{what}") for what in ("refused", "request"))
        if refusal is not None and request is not None and refusal.levels != request.levels:
            levels = f"those of balancer_request, {show(request.levels)}"
            raise refused(f"{where}.balancer_refused.levels", show(refusal.levels), levels)

    def with_earlier(self, earlier: Self) -> Self:
        """Return this profile with the repeats of an earlier one of the same machine, at most `MOST_REPEATS` of each.

        A shared machine is faster at one time than at another. The spread between calibrations belongs in the
        predictions as much as the spread within one. Parts of a broadcast that were taken apart in another way, so that
        some are missing, are not kept, nor are figures beside paces that were read in another way than the new ones.
        """
        if earlier.machine != self.machine:
            return self
        if not set(BROADCAST_PARTS) <= set(earlier.by_name()):
            earlier = earlier.without(BROADCAST_PARTS)

        def lists(new: dict[str, list[float]], old: dict[str, list[float]]) -> dict[str, list[float]]:
            return {name: (new.get(name, []) + old.get(name, []))[:MOST_REPEATS] for name in {**old, **new}}

        names = (*LONE, *LONE_OF_BROADCAST, *LONE_OF_DISK, *LONE_OF_MEMORY, "crowding")
        lone = {name: getattr(self, name) for name in names}
        return type(self).model_validate(
            {
                **self.model_dump(),
                "parts": _both(self.parts, earlier.parts, self.warm_paces == earlier.warm_paces),
                "first_part": lists(self.first_part, earlier.first_part),
                "wake": lists(self.wake, earlier.wake),
                "balancer_start": lists(self.balancer_start, earlier.balancer_start),
                "store_start": lists(self.store_start, earlier.store_start),
                "memory": with_earlier(self.memory, earlier.memory),
                "speed": (self.speed + earlier.speed)[:MOST_LOOKS],
                **lists(lone, {name: getattr(earlier, name) for name in names}),
            }
        )

    def with_look(self, look: list[list[float]]) -> Self:
        """Return this profile with one more look at the speed of the cores, a series each, at most `MOST_LOOKS`."""
        return type(self).model_validate({**self.model_dump(), "speed": [look, *self.speed][:MOST_LOOKS]})

    def with_sessions_of(self, measured: Self) -> Self:
        """Return this profile with the parts of sessions of another one, in place of its own."""
        return self.with_parts(measured.only(SESSION_PARTS).parts)

    def with_polls_of(self, measured: Self) -> Self:
        """Return this profile with the parts of polls of another one, in place of its own."""
        shares = {name: measured.first_part[name] for name in set(POLL_ROUNDS.values())}
        found = self.with_parts(measured.only(OF_POLLS).parts)
        return found.model_copy(update={"first_part": found.first_part | shares})

    def with_memory_of(self, measured: Self) -> Self:
        """Return this profile with the memory of nodes of another one, in place of its own."""
        names = ("memory", "place_bytes", "connection_bytes")
        return self.model_copy(update={name: getattr(measured, name) for name in names})

    def with_parts(self, parts: dict[str, dict[str, Parts]]) -> Self:
        """Return this profile with some parts, by room and kind, in place of its own of the same names."""
        changed = {room: dict(kinds) for room, kinds in self.parts.items()}
        for room, kinds in parts.items():
            for kind, own in kinds.items():
                known = changed.setdefault(room, {})
                known[kind] = known.get(kind, {}) | own
        return type(self).model_validate({**self.model_dump(), "parts": changed})

    def only(self, names: Container[str]) -> Self:
        """Return this profile with no parts but some."""
        kept = {
            room: {kind: {n: part for n, part in parts.items() if n in names} for kind, parts in kinds.items()}
            for room, kinds in self.parts.items()
        }
        return self.model_copy(update={"parts": kept})

    def without(self, names: Container[str]) -> Self:
        """Return this profile without some parts."""
        every = {name for kinds in self.parts.values() for parts in kinds.values() for name in parts}
        return self.only({name for name in every if name not in names})


def with_earlier(
    new: dict[str, dict[str, Footprint]], old: dict[str, dict[str, Footprint]]
) -> dict[str, dict[str, Footprint]]:
    """Return the footprints of two profiles; those that both have keep the measurements of both."""
    merged = {runtime: dict(starts) for runtime, starts in old.items()}
    for runtime, starts in new.items():
        known = merged.setdefault(runtime, {})
        for start, one in starts.items():
            if (other := known.get(start)) is not None:
                both = {
                    name: (getattr(one, name) + getattr(other, name))[:MOST_REPEATS] for name in Footprint.model_fields
                }
                one = Footprint(**both)
            known[start] = one
    return merged


def _both(
    new: dict[str, dict[str, Parts]], old: dict[str, dict[str, Parts]], alike: bool
) -> dict[str, dict[str, Parts]]:
    """Return the parts of two profiles; those that both have keep the measurements of both, if these are `alike`."""
    merged = {room: {kind: dict(parts) for kind, parts in kinds.items()} for room, kinds in old.items()}
    for room, kinds in new.items():
        for kind, parts in kinds.items():
            known = merged.setdefault(room, {}).setdefault(kind, {})
            for name, part in parts.items():
                known[name] = part.with_earlier(known[name]) if alike and name in known else part
    return merged
