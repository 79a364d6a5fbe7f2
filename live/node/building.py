"""Which mechanisms a node has: each room adds its own part when the node's settings have its table."""

from collections.abc import Iterable
from typing import Any

from live.control.attaching import Attach, attach_all
from live.node.base import Node

ROOMS = {
    "sessions": "live.sessions.node",
    "page": "live.page.node",
    "lifetime": "live.node.lifetime",
    "deadlines": "live.deadlines.node",
    "sends": "live.sending.node",
    "handler": "live.handler.node",
    "broadcast": "live.broadcast.node",
    "compression": "live.codec.node",
    "nagle": "live.network.node",
    "registry": "live.registry.node",
    "pool": "live.pool.node",
    "polls": "live.transport.endpoint",
}
"""Table of the settings -> module whose `attach` adds the part, in the order in which parts are asked. Only what a node
needs is loaded: a node's start is a cost of its own (`twin.costs.starts`)."""


def build(config: dict[str, Any], more: Iterable[Attach[Node]] = ()) -> Node:
    """Return a node with all that its settings ask for, and `more`."""
    node = Node(config["number"])
    attach_all(ROOMS, node, config, more)
    return node
