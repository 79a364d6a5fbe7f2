"""A node's part of what sockets do."""

from typing import TYPE_CHECKING, Any

from live.network.nodelay import ServerSockets

if TYPE_CHECKING:
    from live.node.base import Node


def attach(node: "Node", config: dict[str, Any]) -> None:
    """Let a node's sockets be without TCP_NODELAY."""
    node.add(ServerSockets())
