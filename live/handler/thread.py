"""How a node with a thread for each connection handles requests: in that thread, one after the other."""

import threading
import time
from typing import TYPE_CHECKING, Any

from websockets.sync.server import ServerConnection

from live.control.noted import Event
from live.handler import wire
from live.handler.work import do
from twin.rules.handler import LOOK_EVERY, looks_missed

if TYPE_CHECKING:
    from live.node.threads import ThreadedNode


def attach(node: "ThreadedNode", config: dict[str, Any]) -> None:
    """Add it to a node, with a thread that sees how late timers are."""
    size: int = config["handler"]["answer_bytes"]

    def handle(connection: ServerConnection, data: bytes) -> None:
        name, demand = wire.read_request(data)
        do(demand.cpu, demand.blocking + demand.awaiting)
        connection.send(wire.answer(name, size))

    node.takers[wire.REQUEST] = handle
    threading.Thread(target=look_again, args=(node.number, node.events), daemon=True).start()


def look_again(number: int, events: list[Event]) -> None:
    """See again and again how late a timer of a thread goes off."""
    begun, last = time.monotonic(), 0
    while True:
        time.sleep(max(0.0, begun + (last + 1) * LOOK_EVERY - time.monotonic()))
        now = time.monotonic()
        for place in looks_missed(last, now - begun):
            late = now - begun - place * LOOK_EVERY
            events.append((now, "loop_late", -1, number, -1, -1, (round(late * 1e6),)))
            last = place
