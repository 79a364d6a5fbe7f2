"""What a host profile holds: the figures of the calibrations of one machine, and how further ones join them."""

from typing import Annotated, Any, Self

from pydantic import BaseModel, ConfigDict, Field, model_validator

from twin.costs.broadcast import BROADCAST_PARTS, PAYLOAD_PARTS, PAYLOADS
from twin.costs.curve import MOST_REPEATS, Cost, Pace, PartCosts, Repeats
from twin.costs.parts import LONE, LONE_OF_BROADCAST, LONE_OF_DISK
from twin.costs.sessions import SESSION_PARTS
from twin.scenario.fields import refused, show

BALANCER_PARTS = {"haproxy": "parts", "nginx": "nginx_parts"}
"""Kind of balancer -> field of a profile in which its parts are; that of the default kind has everybody else's, too."""
MOST_LOOKS = 16
"""Looks at the speed of the cores that a profile keeps, the latest ones."""

# A list ends at the first wrong entry: a file of megabytes would have as many errors
Look = Annotated[list[Annotated[list[Pace], Field(min_length=1, fail_fast=True)]], Field(min_length=1, fail_fast=True)]
Size = Annotated[float, Field(ge=0, le=2**40, allow_inf_nan=False)]
Shares = Annotated[list[Annotated[float, Field(ge=0, le=1, allow_inf_nan=False)]], Field(min_length=1, fail_fast=True)]


class Measured(BaseModel):
    """Everything that was measured on a machine. See `twin.costs.parts` for the names in `parts`."""

    model_config = ConfigDict(frozen=True, extra="forbid")
    made: str = Field(description="When, ISO 8601.")
    machine: dict[str, Any] = Field(description="CPU, cores, system.")
    parts: dict[str, PartCosts]
    nginx_parts: dict[str, PartCosts] = Field(
        {}, description="Balancer parts measured with nginx, where it is installed."
    )
    first_part: dict[str, Shares] = Field(
        description="Share of an item's cost that a process with many items ready spends on all of them before it "
        "finishes the first: for node, haproxy, nginx and the parts of the client."
    )
    wake: dict[str, Shares] = Field(
        description="What it costs a process with warm caches to wake up for a single item, as a share of what a lone "
        "item costs it more when they are cold: client, node, haproxy and nginx."
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
    time_slice: Pace = Field(description="Seconds a process may keep a core that others want.")
    tick: Cost = Field(description="Seconds between two ticks at which the kernel takes the core from a process.")

    def through(self, balancer: str) -> dict[str, PartCosts]:
        """Return the parts that were measured with this kind of balancer; see `BALANCER_PARTS`."""
        found: dict[str, PartCosts] = getattr(self, BALANCER_PARTS[balancer])
        return found

    @model_validator(mode="after")
    def _check(self) -> Self:
        for kind, where in BALANCER_PARTS.items():
            parts = self.through(kind)
            for name, part in parts.items():
                if name in PAYLOAD_PARTS and part.levels != list(PAYLOADS):
                    raise refused(f"{where}.{name}.levels", show(part.levels), f"the payloads {list(PAYLOADS)}")
            refusal, request = (parts.get(f"balancer_{what}") for what in ("refused", "request"))
            if refusal is not None and request is not None and refusal.levels != request.levels:
                levels = f"those of balancer_request, {show(request.levels)}"
                raise refused(f"{where}.balancer_refused.levels", show(refusal.levels), levels)
        return self

    def with_earlier(self, earlier: Self) -> Self:
        """Return this profile with the repeats of an earlier one of the same machine, at most `MOST_REPEATS` of each.

        A shared machine is faster at one time than at another. The spread between calibrations belongs in the
        predictions as much as the spread within one. Parts of a broadcast that were taken apart in another way, so that
        some are missing, are not kept.
        """
        if earlier.machine != self.machine:
            return self
        if not set(BROADCAST_PARTS) <= set(earlier.parts):
            known = {name: part for name, part in earlier.parts.items() if name not in BROADCAST_PARTS}
            earlier = earlier.model_copy(update={"parts": known})

        def lists(new: dict[str, list[float]], old: dict[str, list[float]]) -> dict[str, list[float]]:
            return {name: (new.get(name, []) + old.get(name, []))[:MOST_REPEATS] for name in {**old, **new}}

        def parts(new: dict[str, PartCosts], old: dict[str, PartCosts]) -> dict[str, PartCosts]:
            merged = {name: part for name, part in old.items() if name not in new}
            for name, part in new.items():
                merged[name] = part.with_earlier(old[name]) if name in old else part
            return merged

        names = (*LONE, *LONE_OF_BROADCAST, *LONE_OF_DISK, "crowding")
        lone = {name: getattr(self, name) for name in names}
        return type(self).model_validate(
            {
                **self.model_dump(),
                **{where: parts(getattr(self, where), getattr(earlier, where)) for where in BALANCER_PARTS.values()},
                "first_part": lists(self.first_part, earlier.first_part),
                "wake": lists(self.wake, earlier.wake),
                "balancer_start": lists(self.balancer_start, earlier.balancer_start),
                "speed": (self.speed + earlier.speed)[:MOST_LOOKS],
                **lists(lone, {name: getattr(earlier, name) for name in names}),
            }
        )

    def with_look(self, look: list[list[float]]) -> Self:
        """Return this profile with one more look at the speed of the cores, a series each, at most `MOST_LOOKS`."""
        return type(self).model_validate({**self.model_dump(), "speed": [look, *self.speed][:MOST_LOOKS]})

    def with_sessions_of(self, measured: Self) -> Self:
        """Return this profile with the parts of sessions of another one, in place of its own."""
        changed = {}
        for field in BALANCER_PARTS.values():
            sessions = {name: part for name, part in getattr(measured, field).items() if name in SESSION_PARTS}
            changed[field] = getattr(self, field) | sessions
        return type(self).model_validate({**self.model_dump(), **changed})
