"""How a node takes what the clients of a run send: it notes each message."""

from typing import TYPE_CHECKING, Any

from websockets.asyncio.server import ServerConnection

from live.node.part import NodePart, Take
from live.sending.outbox import FIRST_BYTE, taker

if TYPE_CHECKING:
    from live.node.base import Node


class Arrivals(NodePart):
    """The messages of a node's clients.

    Args:
        take: notes one (`live.sending.outbox.taker`).
    """

    frames = frozenset({FIRST_BYTE})

    def __init__(self, take: Take) -> None:
        self.take = take

    def connected(self, connection: ServerConnection) -> Take:
        """Take each frame of a connection."""
        return self.take


def attach(node: "Node", config: dict[str, Any]) -> None:
    """Add it to a node."""
    node.add(Arrivals(taker(node.events, node.number, **config["sends"])))
