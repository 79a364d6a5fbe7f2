"""What the start of a node costs: the parts of a host profile that `./lab calibrate` measures for it."""

from typing import TYPE_CHECKING

from twin.costs.polls import POLL_START

if TYPE_CHECKING:
    from twin.scenario.scenario import Scenario

START_PARTS = {
    "start_node": "node: start, until it listens",
    "start_broadcast": "node: the same with all that a broadcast needs",
    "start_sends": "node: the same with all that it needs for messages of its clients",
    "start_sessions": "node: the same with all that sessions need",
    POLL_START: "node: the same with all that a broadcast and polls need",
    "start_registry": "node: load what the registry needs, once it listens, connect to it and register",
}

GONE = {("node_start",)}
"""Where an earlier profile has what is no longer in one: a start as a time, which went with no core's speed."""

LEVEL = 16
"""The level under which they are kept: a start has no load, as the end of a killed process (`exit_delay`) has none."""


def start_part(scenario: "Scenario") -> str:
    """Return the part that the start of one of a scenario's nodes is: what it has to do decides what it loads."""
    if scenario.clients.transport.polls:
        return POLL_START
    if scenario.publisher is not None:
        return "start_broadcast"
    if scenario.sessions.store != "none":
        return "start_sessions"
    listens = scenario.clients.sends.rate > 0 or scenario.nodes.handler is not None
    return "start_sends" if listens else "start_node"
