"""What it costs a node to hand the work of a handler to a pool."""

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from twin.scenario.scenario import Scenario

HANDLER_PARTS = {
    "node_hand_over": "node: give a call to a thread of its pool, or take its result",
    "node_pass_on": "node: write a call to a process of its pool, or read its result",
    "node_worker": "process of a node's pool: read a call, and write its result",
}
"""A profile without them is a good one: the hand-over then costs nothing."""

OF_EXECUTOR: dict[str, tuple[str, ...]] = {
    "loop": (),
    "thread_pool": ("node_hand_over",),
    "process_pool": ("node_pass_on", "node_worker"),
}
"""Which of them an executor needs."""


def handler_parts(scenario: "Scenario") -> tuple[str, ...]:
    """Return which of the parts a scenario needs."""
    return OF_EXECUTOR[scenario.nodes.executor.kind] if scenario.nodes.handler is not None else ()
