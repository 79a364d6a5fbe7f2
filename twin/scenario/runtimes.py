"""The kinds of runtimes that nodes may have, listed here."""

from collections.abc import Collection
from typing import Literal

from twin.scenario.fields import Problem

RuntimeKind = Literal["asyncio", "go"]

RUNTIME: RuntimeKind = "asyncio"
"""The runtime of nodes whose table does not say it."""

LACKS: dict[RuntimeKind, frozenset[str]] = {
    "asyncio": frozenset(),
    "go": frozenset({"sessions.store", "registry", "nodes.lifetime"}),
}
"""Tables and settings of mechanisms that the nodes of a runtime have not."""


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
