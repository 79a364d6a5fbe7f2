"""A node's part of a broadcast."""

from typing import TYPE_CHECKING, Any

from live.broadcast.fanout import FanOut

if TYPE_CHECKING:
    from live.node.base import Node


def attach(node: "Node", config: dict[str, Any]) -> None:
    """Add it to a node."""
    node.add(FanOut(node.number, config["broadcast"]))
