"""The kinds of runtimes that nodes may have, listed here."""

from collections.abc import Collection
from typing import Annotated, Literal

from pydantic import Field

from twin.scenario.fields import Problem, Table

RuntimeKind = Literal["asyncio", "processes", "threads", "go"]

RUNTIME: RuntimeKind = "asyncio"
"""The runtime of nodes whose table does not say it."""

COSTS_AS: dict[str, RuntimeKind] = {"processes": "asyncio"}
"""Runtime -> the one of which a host profile has what its parts cost, where that is another one."""

BESIDE = frozenset(
    {
        *("codec", "nodes.compression", "nodes.batch", "publisher.batch", "clients.sends.batch", "nodelay"),
        *("nodes.pool", "clients.transport", "host.accounts"),
    }
)
"""What only nodes of one process with an event loop have: what decides how messages travel, pools, polls, accounts."""

LACKS: dict[RuntimeKind, frozenset[str]] = {
    "asyncio": frozenset(),
    "processes": frozenset({"publisher", "sessions.store", "registry", "nodes.memory_limit", "host.memory", *BESIDE}),
    "threads": frozenset(
        {"publisher", "sessions.store", "registry", "nodes.lifetime", "nodes.deadlines", "nodes.memory_limit", *BESIDE}
    ),
    "go": frozenset({"sessions.store", "registry", "nodes.lifetime", "nodes.memory_limit", *BESIDE}),
}
"""Tables and settings of mechanisms that the nodes of a runtime have not."""


class Workers(Table):
    """The worker processes of a node with several."""

    count: Annotated[int, Field(ge=1, le=64)] = Field(
        2,
        description="Worker processes of each node; each has a socket of its own on the port (SO_REUSEPORT), and the "
        "kernel chooses by a hash.",
    )


def runtime_problem(runtime: RuntimeKind, used: Collection[str]) -> Problem | None:
    """Return what does not fit, or None.

    Args:
        runtime: of the nodes.
        used: tables and settings of the mechanisms of nodes that a scenario has.
    """
    lacking = sorted(LACKS[runtime] & set(used))
    if not lacking:
        return None
    able = " or ".join(f"'{one}'" for one, lacks in LACKS.items() if not lacks & set(used))
    return Problem("nodes.runtime", f"'{runtime}'", f"{able} with {lacking[0]}")
