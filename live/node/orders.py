"""What the lab orders a node to do: a line of JSON each, on standard input; its first word that is known counts."""

import json
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any

from live.control.stdio import lines, say
from live.node.base import Node

Order = Callable[[Any], Awaitable[None] | None]


def orders_of(node: Node) -> dict[str, Order]:
    """Return what each word orders: those of the node itself, and those of its parts."""

    def drain(message: dict[str, Any]) -> None:
        node.order(node.drain_and_end(message["drain"], message["pace"]))

    def finish(message: dict[str, Any]) -> None:
        events = node.finish()
        Path(message["finish"]).write_text(json.dumps(events))
        say(done=len(events))

    known: dict[str, Order] = {"drain": drain, "finish": finish}
    for part in node.parts:
        known |= part.orders
    return known


async def obey(node: Node) -> None:
    """Obey until standard input closes; what orders nothing asks what the node has seen."""
    known, reader = orders_of(node), await lines()
    while line := await reader.readline():
        message = json.loads(line)
        order = next((known[word] for word in message if word in known), None)
        if order is None:
            say(checked=node.checked, connections=len(node.server.connections))
        elif (under_way := order(message)) is not None:
            await under_way
