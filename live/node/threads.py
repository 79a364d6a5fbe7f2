"""One WebSocket server process with a thread for each connection (and one that reads it, which is the library's own).

Run as `python -m live.node.threads`, with the settings of `live.node.node`. It takes part in what clients send and in
requests that make it work: a handler here computes, blocks and waits in the thread of its connection, one request after
the other. It answers `/healthz`, obeys the same orders, and ends when its standard input closes.
"""

import json
import logging
import os
import signal
import threading
import time
from collections.abc import Callable
from http import HTTPStatus
from itertools import count
from pathlib import Path
from typing import Any

from websockets.exceptions import ConnectionClosed
from websockets.frames import CloseCode
from websockets.http11 import Request, Response
from websockets.sync.server import Server, ServerConnection, serve

from live.control.attaching import attach_all
from live.control.given import configuration
from live.control.messages import Done, Finish, Listening, on
from live.control.noted import Event
from live.control.stdio import obey_waiting, say
from live.node.asyncio_runtime import MOST_CONNECTIONS, MOST_FRAME, OPEN_WITHIN
from live.node.base import ORIGINS
from live.node.drain import PLACE
from live.node.messages import Closed, Drained, Look, Seen, StartDrain
from twin.rules.drain import SERVICE_RESTART, close_after

Take = Callable[[ServerConnection, bytes], None]
"""Takes a frame of a connection, in its thread."""
ROOMS = {"sends": "live.sending.thread", "handler": "live.handler.thread"}
"""Table of the settings -> module whose `attach` adds what takes the frames of a mechanism."""
END_WITHIN = 0.001
"""Seconds between two looks whether the last connection is gone."""
SERVED_WITHIN = 1.0
"""Seconds in which a client that has its 101 is one of the library's connections."""


class ThreadedNode:
    """The server: its connections, and what it has to tell at the end.

    Args:
        config: the settings.

    Attributes:
        number: of the node.
        events: what was noted.
        takers: by first byte, who takes the frames of a mechanism.
        drainer: the thread that lets the clients go, None before.
        server: set as soon as it listens.
    """

    server: Server

    def __init__(self, config: dict[str, Any]) -> None:
        self.number: int = config["number"]
        self.events: list[Event] = []
        self.checked = 0.0
        self.ready = True
        self.opened = count()
        self.draining = threading.Lock()
        self.drainer: threading.Thread | None = None
        self.takers: dict[int, Take] = {}
        attach_all(ROOMS, self, config)

    def on_request(self, connection: ServerConnection, request: Request) -> Response | None:
        """Answer the health check without a WebSocket handshake."""
        if request.path != "/healthz":
            return None
        self.checked = time.monotonic()
        if not self.ready:
            return connection.respond(HTTPStatus.SERVICE_UNAVAILABLE, "draining\n")
        return connection.respond(HTTPStatus.OK, "ok\n")

    def on_response(self, connection: ServerConnection, request: Request, response: Response) -> Response:
        """Tell the client which node it reached, and number the connection."""
        response.headers["X-Node"] = str(self.number)
        setattr(connection, PLACE, next(self.opened))
        return response

    def serve_client(self, connection: ServerConnection) -> None:
        """Keep a connection until it closes, in its own thread; one too many is dropped."""
        if len(self.server.handler_threads) > MOST_CONNECTIONS:
            return
        try:
            for data in connection:
                if isinstance(data, bytes) and data and (take := self.takers.get(data[0])) is not None:
                    take(connection, data)
        except ConnectionClosed:
            pass

    # Orders

    def finish(self, order: Finish) -> None:
        """Write the events."""
        events = list(self.events)
        Path(order.path).write_text(json.dumps(events))
        say(Done(len(events)))

    def drain(self, order: StartDrain) -> None:
        """Let the clients go, the oldest first, and end."""
        threading.Thread(target=self._drain, args=(order,), daemon=True).start()

    def _drain(self, order: StartDrain) -> None:
        self.ready = False
        time.sleep(order.lead)
        if not self.draining.acquire(blocking=False):
            return
        self.drainer = threading.current_thread()
        say(Drained(self._close_all(SERVICE_RESTART, order.pace)))

    def end(self) -> None:
        """Close all connections (1001), in a thread of its own, as a signal's handler must not wait."""

        def close() -> None:
            self._close_all(CloseCode.GOING_AWAY, 0.0)
            self.server.shutdown()  # who was in the middle of a handshake

        threading.Thread(target=close, daemon=True).start()

    def _close_all(self, code: int, pace: float) -> float:
        """Accept nobody any more and close all connections, the oldest first; return since when all have answered.

        Each is closed by a thread of its own: the library's `shutdown` has a handful, which wait for answers. A client
        may have its 101 a moment before the library knows of its connection, so those are looked for, too.
        """
        threading.Thread(target=self.server.shutdown, args=(False,), daemon=True).start()
        self.server.socket_closed.wait()
        closing, since = dict[ServerConnection, threading.Thread](), time.monotonic()
        deadline = since + SERVED_WITHIN
        while (new := self.server.connections - closing.keys()) or (
            self.server.handler_threads and time.monotonic() < deadline
        ):
            self._close(new, code, pace, closing)
            since = time.monotonic() if new else since
            time.sleep(END_WITHIN)
        return since

    def _close(
        self, some: set[ServerConnection], code: int, pace: float, closing: dict[ServerConnection, threading.Thread]
    ) -> None:
        """Close connections, the oldest first, and return when all have answered; their threads are noted."""
        began = time.monotonic()
        for place, connection in enumerate(sorted(some, key=lambda one: int(getattr(one, PLACE, 0)))):
            time.sleep(max(0.0, began + close_after(place, pace) - time.monotonic()))
            closing[connection] = threading.Thread(target=connection.close, args=(code,), daemon=True)
            closing[connection].start()
        for connection in some:
            closing[connection].join()


def obey_orders(node: ThreadedNode) -> None:
    """Obey until standard input closes, and end at once then."""
    orders = on(Finish, node.finish) | on(StartDrain, node.drain)
    orders |= on(Look, lambda order: say(Seen(node.checked, len(node.server.connections))))
    obey_waiting(orders)
    os._exit(0)


def main(config: dict[str, Any]) -> None:
    """Serve until standard input closes (at once) or SIGTERM comes (gracefully, close code 1001)."""
    node = ThreadedNode(config)
    node.server = serve(
        node.serve_client,
        "127.0.0.1",
        config["port"],
        backlog=config["backlog"],
        compression=None,
        origins=ORIGINS,
        ping_interval=config.get("ping_interval") or None,
        ping_timeout=config.get("ping_timeout"),
        open_timeout=OPEN_WITHIN,
        close_timeout=OPEN_WITHIN,
        max_size=MOST_FRAME,
        process_request=node.on_request,
        process_response=node.on_response,
    )
    signal.signal(signal.SIGTERM, lambda *_: node.end())
    threading.Thread(target=obey_orders, args=(node,), daemon=True).start()
    say(Listening(time.monotonic(), time.process_time()))
    node.server.serve_forever()
    while node.server.handler_threads:
        time.sleep(END_WITHIN)
    if node.drainer is not None:  # it says so before the node says that it has closed
        node.drainer.join()
    say(Closed(time.process_time()))


if __name__ == "__main__":
    logging.getLogger("websockets").setLevel(logging.CRITICAL)
    main(configuration(dict[str, Any]))
