"""What a host profile knows of the memory of nodes, and what a scenario's nodes take by that.

It is kept by runtime and by the part that the start of a node is (`twin.costs.starts`): a node is larger, and each of
its connections, the more mechanisms it has loaded. All of it is optional, but for a scenario with `nodes.memory_limit`.
"""

from collections.abc import Mapping
from typing import TYPE_CHECKING, Protocol

from twin.costs.codec import CONTEXT_BYTES, CONTEXTS, by_size
from twin.costs.curve import quantile
from twin.costs.starts import start_part
from twin.errors import ScenarioError
from twin.rules.deflate import deflate_memory
from twin.rules.memory import FEW, MemoryUse
from twin.scenario.runtimes import COSTS_AS, RUNTIME

if TYPE_CHECKING:
    from twin.scenario.scenario import Scenario

USUAL_START = "start_node"
"""The start of a node that has nothing but connections."""


class MeasuredMemory(Protocol):
    """Repeated measurements of a node's resident bytes."""

    @property
    def node(self) -> list[float]:
        """Of a node without connections."""
        ...

    @property
    def connection(self) -> list[float]:
        """Of each open connection."""
        ...

    @property
    def few(self) -> list[float]:
        """Of each of the first `FEW` connections; empty if that was not measured."""
        ...


class MemoryProfile(Protocol):
    """A host profile, as is asked here; it also has a list for each of `CONTEXT_BYTES`."""

    @property
    def connection_bytes(self) -> list[float]:
        """Resident bytes of an open connection of a node of the usual runtime that has nothing else."""
        ...

    @property
    def memory(self) -> Mapping[str, Mapping[str, MeasuredMemory]]:
        """Runtime -> part that the start of a node is -> its memory."""
        ...

    @property
    def place_bytes(self) -> list[float]:
        """Bytes of a frame's place in a node's queue for one client."""
        ...


def footprint(profile: MemoryProfile, scenario: "Scenario") -> MeasuredMemory | None:
    """Return what is known of a scenario's nodes; of a start that was not measured that of the plainest node."""
    runtime = scenario.nodes.runtime
    starts = profile.memory.get(COSTS_AS.get(runtime, runtime), {})
    return starts.get(start_part(scenario)) or starts.get(USUAL_START)


def connection_bytes(profile: MemoryProfile, scenario: "Scenario", u: float = 0.5) -> float | None:
    """Return the resident bytes that an open connection takes in its node, None if the profile does not know it.

    What a connection keeps for compression lies between what was measured, as the memory of its contexts does that
    zlib asks for; without takeover nothing is kept between two messages.

    Args:
        profile: of the host.
        scenario: with the runtime and the compression of its nodes.
        u: quantile of the repeats; of a profile without footprints it is the median.
    """
    known = footprint(profile, scenario)
    u = u if known is not None else 0.5
    usual = COSTS_AS.get(scenario.nodes.runtime, scenario.nodes.runtime) == RUNTIME
    repeats = known.connection if known is not None else profile.connection_bytes if usual else []
    if not repeats:
        return None
    found = quantile(sorted(repeats), u)
    compression = scenario.nodes.compression
    if compression is None or not compression.takeover:
        return found
    measured = [getattr(profile, name) for name in CONTEXT_BYTES]
    if not all(measured):
        return None
    sizes = [deflate_memory(*context) for context in CONTEXTS.values()]
    memory = deflate_memory(compression.window_bits, compression.memory_level)
    return found + by_size(memory, sizes, [quantile(sorted(one), u) for one in measured])


def node_memory(profile: MemoryProfile, scenario: "Scenario", u: float = 0.5) -> MemoryUse | None:
    """Return what the memory of a scenario's nodes is made of, None if the profile does not know what a connection
    takes; what else it does not know is taken as nothing. The arguments are those of `connection_bytes`.
    """
    connection = connection_bytes(profile, scenario, u)
    if connection is None:
        return None
    known = footprint(profile, scenario)
    empty = quantile(sorted(known.node), u) if known is not None else 0.0
    place = quantile(sorted(profile.place_bytes), u) if profile.place_bytes else 0.0
    spared = quantile(sorted(known.connection), u) - quantile(sorted(known.few), u) if known and known.few else 0.0
    return MemoryUse(empty + FEW * spared, connection, place, scenario.nodes.compression is None, spared)


def asks_memory(scenario: "Scenario") -> bool:
    """Tell whether a scenario asks for the memory of its nodes."""
    return scenario.host.memory or scenario.nodes.memory_limit > 0


def check_memory(profile: MemoryProfile, scenario: "Scenario") -> None:
    """Make sure that a profile knows the memory of a scenario's nodes, if that is asked for.

    Raises:
        ScenarioError: it does not.
    """
    known = footprint(profile, scenario) is not None and profile.place_bytes
    if asks_memory(scenario) and (not known or connection_bytes(profile, scenario) is None):
        limit = scenario.nodes.memory_limit
        asked = f"nodes.memory_limit is {limit}" if limit else "host.memory is true"
        raise ScenarioError(
            f"{asked}; this host profile was calibrated without the memory of such nodes: run ./lab calibrate again."
        )
