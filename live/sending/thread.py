"""How a node with a thread for each connection takes what the clients of a run send: it notes each message."""

from typing import TYPE_CHECKING, Any

from live.sending.outbox import FIRST_BYTE, taker

if TYPE_CHECKING:
    from live.node.threads import ThreadedNode


def attach(node: "ThreadedNode", config: dict[str, Any]) -> None:
    """Add it to a node."""
    note = taker(node.events, node.number, **config["sends"])
    node.takers[FIRST_BYTE] = lambda connection, data: note(data)
