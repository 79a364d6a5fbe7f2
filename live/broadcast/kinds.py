"""The kinds of bus of a live run: the modules of each, one line a kind.

A process loads only what it needs: a node's start is a cost of its own (`twin.costs.starts`).
"""

from collections.abc import Callable
from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from live.broadcast.node_end import NodeEnd, Note
    from live.broadcast.publisher_end import PublisherEnd

NODE_ENDS = {
    "pubsub": "live.broadcast.subscriber",
    "stream": "live.broadcast.subscriber",
    "jetstream": "live.jetstream.subscriber",
}
"""Kind of bus -> module whose `joining` makes a node's end of it."""
PUBLISHER_ENDS = {
    "pubsub": "live.broadcast.publisher_end",
    "stream": "live.broadcast.publisher_end",
    "jetstream": "live.jetstream.publisher",
}
"""Kind of bus -> module whose `publishing` makes the publisher's end of it."""


def node_end(config: dict[str, Any], number: int, take: Callable[[bytes], None], note: "Note") -> "NodeEnd":
    """Return a node's end of the bus.

    Args:
        config: of the broadcast, from the lab.
        number: of the node.
        take: receives the body of each message.
        note: notes an event of the node.
    """
    found: NodeEnd = import_module(NODE_ENDS[config["kind"]]).joining(config, number, take, note)
    return found


def publisher_end(config: dict[str, Any]) -> "PublisherEnd":
    """Return the publisher's end of the bus; `config` is the publisher's, from the lab."""
    found: PublisherEnd = import_module(PUBLISHER_ENDS[config["kind"]]).publishing(config)
    return found
