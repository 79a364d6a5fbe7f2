"""What the servers that all nodes share are used for, and which of them a fault kills."""

from collections.abc import Sequence
from typing import Literal

from twin.scenario.fields import Problem

Use = Literal["messages", "sessions", "registry"]
"""What a server is there for: the broadcast, the shared sessions, the registry of the nodes."""

Servers = Literal["one", "several"]
"""Whether one server is there for all uses, or one for each."""


OF_SERVER = ("bus_down", "bus_hang", "bus_partition")
"""Faults that act on a shared server itself."""
IN_WORDS = "'bus_down', 'bus_hang' or 'bus_partition'"


def uses(publisher: bool, sessions: bool, registry: bool) -> tuple[Use, ...]:
    """Return for what a cluster needs a shared server.

    Args:
        publisher: whether something is broadcast.
        sessions: whether the nodes share the sessions.
        registry: whether there is a registry.
    """
    wanted: dict[Use, bool] = {"messages": publisher, "sessions": sessions, "registry": registry}
    return tuple(use for use, is_there in wanted.items() if is_there)


def server_problem(kind: str, server: Use | None, servers: Servers, there: Sequence[Use]) -> Problem | None:
    """Return what of a fault does not fit the shared servers, or None; the field is one of the fault.

    Args:
        kind: of the fault.
        server: the use of the server that it kills, if it says.
        servers: one for all uses, or several.
        there: the uses that the scenario has.
    """
    names = " or ".join(f"'{use}'" for use in there)
    if server is not None and kind not in OF_SERVER:
        return Problem("server", f"'{server}'", f"only with kind {IN_WORDS}")
    if kind in (*OF_SERVER, "partition", "delay") and not there:
        allowed = "only in a scenario with a [publisher], a [registry] or sessions.store 'redis'"
        return Problem("kind", f"'{kind}'", allowed)
    if server is not None and server not in there:
        return Problem("server", f"'{server}'", f"what a server is there for: {names}")
    if kind in OF_SERVER and server is None and servers == "several" and len(there) > 1:
        return Problem("server", "missing", f"{names} with bus.servers 'several'")
    return None
