"""What the lab may order a node to do."""

import json
from pathlib import Path

from live.control.messages import Done, Finish, Orders, on
from live.control.stdio import say
from live.node.base import Node
from live.node.messages import Look, Seen, StartDrain


def orders_of(node: Node) -> Orders:
    """Return what obeys each type of message: the node itself, or one of its parts."""

    def drain(order: StartDrain) -> None:
        node.order(node.drain_and_end(order.lead, order.pace))

    def finish(order: Finish) -> None:
        events = node.finish()
        Path(order.path).write_text(json.dumps(events))
        say(Done(len(events)))

    def look(order: Look) -> None:
        say(Seen(node.checked, len(node.server.connections)))

    known = on(StartDrain, drain) | on(Finish, finish) | on(Look, look)
    for part in node.parts:
        known |= part.orders
    return known
