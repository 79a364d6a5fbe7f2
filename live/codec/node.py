"""A node's part of compression."""

from typing import TYPE_CHECKING, Any

from live.codec.compression import ServerCompression

if TYPE_CHECKING:
    from live.node.base import Node


def attach(node: "Node", config: dict[str, Any]) -> None:
    """Add it to a node."""
    node.add(ServerCompression(config["compression"]))
