"""The HTTP server of the page of `./lab serve`, with a bound on the connections that it holds.

Each connection has a thread. The server of the standard library starts as many as anybody opens connections, and one
who sends a byte now and then keeps its own for ever.
"""

import contextlib
import socket
import threading
from collections import OrderedDict
from http.server import ThreadingHTTPServer
from typing import Any

MOST_OPEN = 32
"""Connections at a time: a page opens two or three. A further one closes the oldest, so that a stranger who holds all
of them keeps nobody out."""


class PageServer(ThreadingHTTPServer):
    """A server of threads that closes the oldest connection when there is one too many."""

    daemon_threads = True
    request_queue_size = MOST_OPEN

    def __init__(self, *arguments: Any) -> None:
        self._open: OrderedDict[int, socket.socket] = OrderedDict()
        self._lock = threading.Lock()
        super().__init__(*arguments)

    def process_request(self, request: Any, client_address: Any) -> None:
        """Start a connection's thread (socketserver)."""
        with self._lock:
            if len(self._open) >= MOST_OPEN:
                _, oldest = self._open.popitem(last=False)
                with contextlib.suppress(OSError):  # its thread closes it when it reads the end
                    oldest.shutdown(socket.SHUT_RDWR)
            self._open[id(request)] = request
        super().process_request(request, client_address)

    def shutdown_request(self, request: Any) -> None:
        """End a connection (socketserver)."""
        with self._lock:
            self._open.pop(id(request), None)
        super().shutdown_request(request)

    def handle_error(self, request: Any, client_address: Any) -> None:
        """Say nothing on the terminal about a connection that broke (socketserver)."""
