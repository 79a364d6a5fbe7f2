"""What a host profile knows of the parts that it need not know, and what it says about those that it lacks."""

import warnings
from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING, Protocol

from twin.costs.background import CHECK_PARTS, MOST_BUSY, PING_PARTS, rareness, rates
from twin.costs.codec import CODEC_PARTS, GATHER_PARTS, Profile, knows_deflate
from twin.costs.handler import handler_parts
from twin.costs.layout import room_of
from twin.costs.pool import pool_parts
from twin.costs.registry import registry_parts
from twin.costs.relay import RELAY_PARTS
from twin.errors import ProfileWarning, ScenarioError
from twin.rules.codecs import NO_CODEC
from twin.scenario.faults import through_relay

if TYPE_CHECKING:
    from twin.costs.curve import Curve
    from twin.scenario.scenario import Scenario

ROOMS = ("client", "balancer", "node")
"""Whose processes have something to do in the background."""


class Known(Profile, Protocol):
    """A host profile, as is asked here."""

    def knows_parts(self, names: Iterable[str], balancer: str = ...) -> bool:
        """Tell whether some parts were calibrated, those of the balancer with this kind of it."""
        ...

    def curves(
        self, name: str, balancer: str = ..., contention_steps: int = ..., payload: int = ..., runtime: str = ...
    ) -> "Sequence[Curve]":
        """Return the cost of a part at each level of speed of a core."""
        ...


def background(profile: Known, scenario: "Scenario", room: str, contention_steps: int = 0) -> tuple[float, ...]:
    """Return which share of the core of a process of a room the background takes, at each level as in `curves`; empty
    if that is none, or the profile does not know it. See `twin.costs.background`.
    """
    kind = scenario.balancer.kind
    often = {name: rate for name, rate in rates(scenario).items() if room_of(name) == room}
    shares: list[list[float]] = []
    for name, rate in often.items():
        if not profile.knows_parts([name], kind):
            continue
        rare = f"{name}_rare" if profile.knows_parts([f"{name}_rare"], kind) else name
        usual, rarely = (profile.curves(one, kind, contention_steps, 0, scenario.nodes.runtime) for one in (name, rare))
        cold = rareness(rate)
        shares.append([rate * (a(1) + cold * (b(1) - a(1))) for a, b in zip(usual, rarely, strict=True)])
    return tuple(min(MOST_BUSY, sum(at)) for at in zip(*shares, strict=True))


def check_background(profile: Known, scenario: "Scenario") -> None:
    """Make sure that what goes on in the background leaves something of each core.

    Raises:
        ScenarioError: it does not, on a core of medium speed.
    """
    for room in ROOMS:
        busy = background(profile, scenario, room)
        if busy and busy[len(busy) // 2] >= MOST_BUSY:
            beat, pings = scenario.clients.heartbeat.interval, scenario.nodes.ping_interval
            field, every = ("clients.heartbeat.interval", beat) if beat else ("nodes.ping_interval", pings)
            raise ScenarioError(
                f"{field} is {every:g}; allowed is so much that pings and checks leave the {room} more than "
                f"{1 - MOST_BUSY:.0%} of its core."
            )


def lacks(profile: Known, scenario: "Scenario") -> list[str]:
    """Return what a scenario has that a profile does not know, and that therefore costs nothing."""
    kind, asked = scenario.balancer.kind, rates(scenario)
    relayed = through_relay(scenario.faults, scenario.host.placement)
    pool = scenario.nodes.pool
    needs = {
        "pings and pongs": [name for name in PING_PARTS if name in asked],
        "the balancer's checks": [name for name in CHECK_PARTS if name in asked],
        "the registry": sorted(registry_parts(scenario.balancer.relists)) if scenario.registry is not None else [],
        "the pool of a handler": list(handler_parts(scenario)),
        "the pools of connections": pool_parts(pool.store, pool.check) if pool is not None else [],
        "the relay of a partition or delay": list(RELAY_PARTS) if relayed else [],
    }
    found = [what for what, names in needs.items() if not profile.knows_parts(names, kind)]
    codec, compressed = scenario.codec, scenario.nodes.compression is not None
    if codec != NO_CODEC and not set(CODEC_PARTS) <= set(profile.of("codec", codec)):
        found.append(f"the codec {codec}")
    if scenario.clients.sends.rate and scenario.clients.sends.batch and not profile.knows_parts(GATHER_PARTS, kind):
        found.append("batches of clients")
    return [*found, "compression"] if compressed and not knows_deflate(profile) else found


def warn_of_lacks(profile: Known, scenarios: "Iterable[Scenario]", stacklevel: int = 2) -> None:
    """Warn of what some scenarios have that a profile does not know; `stacklevel` is that of `warnings.warn`."""
    lacking = list(dict.fromkeys(what for scenario in scenarios for what in lacks(profile, scenario)))
    if lacking:
        *first, last = lacking
        said = f"{', '.join(first)} and {last}" if first else last
        warnings.warn(
            f"This host profile does not know what CPU time goes to {said}, so it is taken as none; run "
            "./lab calibrate.",
            ProfileWarning,
            stacklevel=stacklevel + 1,
        )
