"""Places of servers that take only so many connections at once, and who gets the next one.

A request for which a server was chosen that is full waits in that server's own queue; one that finds all servers full
waits in the backend's. A place that becomes free goes at once to whoever has waited longest of those two queues, so a
newcomer never overtakes. What is queued is anything: the queues only keep its order.

Source: HAProxy 2.8, src/backend.c (`assign_server_and_queue`), src/queue.c (`pendconn_process_next_strm`,
`pendconn_grab_from_px`, `pendconn_redistribute`).
"""

from typing import Generic, TypeVar

Request = TypeVar("Request")

ANY = -1
"""Stands for the backend's queue among the servers."""


class Places(Generic[Request]):
    """The connections of some servers, and the requests that wait.

    Args:
        servers: how many there are; they are numbered from 0.
        maxconn: connections that each takes at once.

    Attributes:
        held: how many each has.
        longest: the most requests that waited at one time.
    """

    def __init__(self, servers: int, maxconn: int) -> None:
        self.maxconn = maxconn
        self.held = [0] * servers
        self.longest = 0
        self._waiting: dict[Request, int] = {}

    def __len__(self) -> int:
        """Return how many requests wait."""
        return len(self._waiting)

    def free(self, server: int) -> bool:
        """Tell whether a newcomer may have a place of a server: it has one, and nobody waits for it."""
        return self.held[server] < self.maxconn and server not in self._waiting.values()

    def take(self, server: int) -> None:
        """Take a place of a server."""
        self.held[server] += 1

    def wait(self, request: Request, server: int) -> None:
        """Put a request at the end of a server's queue, or of the backend's (`ANY`)."""
        self._waiting[request] = server
        self.longest = max(self.longest, len(self._waiting))

    def leave(self, request: Request) -> None:
        """A request waits no longer."""
        self._waiting.pop(request, None)

    def release(self, server: int) -> None:
        """A connection of a server is over."""
        self.held[server] -= 1

    def following(self, server: int, up: bool) -> Request | None:
        """Give a free place of a server to who is next; None if there is no place or nobody waits.

        Args:
            server: whose place it is.
            up: whether the server may get connections; one that may not takes nothing from the backend's queue.
        """
        if self.held[server] >= self.maxconn:
            return None
        queues = (server, ANY) if up else (server,)
        found = next((one for one, of in self._waiting.items() if of in queues), None)
        if found is not None:
            del self._waiting[found]
            self.take(server)
        return found

    def dissolve(self, server: int) -> list[Request]:
        """Return who waited for a server that was marked down, in order; they choose anew."""
        found = [one for one, of in self._waiting.items() if of == server]
        for one in found:
            del self._waiting[one]
        return found
