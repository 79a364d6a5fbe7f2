"""A user-space link between the balancer and one node, which can drop every packet without closing anything.

Run as `python -m live.network.blackhole`; its settings are `LinkSettings`. While it drops, what
was sent stays in the kernel's socket buffers and here, as it stays in a sender's buffer when no packet is acknowledged;
and no SYN is answered, because the accept queue is kept full (Linux, `sk_acceptq_is_full` in include/net/sock.h), so
that the balancer's kernel sends it again after 1, 3, 7 s, as over a dead network. No rights of root are needed. When
the link is back, everything passes at once; over a real network the sender's next retransmission decides.
"""

import asyncio
import socket
import time

from live.broadcast.relay import LinkState
from live.control.given import configuration
from live.control.messages import Listening, on
from live.control.running import run
from live.control.stdio import obey, say
from live.network.messages import Drop, LinkSettings

AGAIN = 0.1
"""Seconds until the next try to accept a connection for which there was no open file left."""
BACKLOG = 4096
"""Connections that wait while the link is up: more than a node's own queue holds."""


class LinkListener:
    """A listening socket that can stop answering.

    Args:
        port: on loopback.
        state: what the connections share.
        to: host and port of the node.
    """

    def __init__(self, port: int, state: LinkState, to: tuple[str, int]) -> None:
        self.state = state
        self.to = to
        self.socket = socket.create_server(("127.0.0.1", port), backlog=BACKLOG)
        self.socket.setblocking(False)
        self.plug: socket.socket | None = None
        self.plug_port = 0
        self.served: set[asyncio.Task[None]] = set()
        self.accepting = asyncio.ensure_future(self._accept())

    async def _accept(self) -> None:
        loop = asyncio.get_running_loop()
        while True:
            try:
                taken, peer = await loop.sock_accept(self.socket)
            except OSError:  # too many files are open: whoever waits is taken when there is room
                await asyncio.sleep(AGAIN)
                continue
            if peer[1] == self.plug_port:
                self.plug_port = 0
                taken.close()
                continue
            reader, writer = await asyncio.open_connection(sock=taken)
            task = asyncio.ensure_future(self.state.connect(reader, writer, *self.to))
            self.served.add(task)
            task.add_done_callback(self.served.discard)

    def drop(self) -> None:
        """Let nothing pass, and answer no SYN: one connection of our own fills the accept queue."""
        if self.plug is not None:
            return
        self.state.open.clear()
        self.accepting.cancel()
        self.socket.listen(0)
        self.plug = socket.socket()
        self.plug.setblocking(False)
        self.plug.bind(("127.0.0.1", 0))
        self.plug_port = self.plug.getsockname()[1]
        self.plug.connect_ex(self.socket.getsockname())

    def restore(self) -> None:
        """Let everything pass again."""
        if self.plug is None:
            return
        self.plug.close()
        self.plug = None
        self.socket.listen(BACKLOG)
        self.accepting = asyncio.ensure_future(self._accept())
        self.state.open.set()


async def main(settings: LinkSettings) -> None:
    """Obey the lab until standard input closes."""
    door = LinkListener(settings.port, LinkState(), (settings.host, settings.to_port))
    say(Listening(time.monotonic(), time.process_time()))
    await obey(on(Drop, lambda order: door.drop() if order.on else door.restore()))


if __name__ == "__main__":
    run(main(configuration(LinkSettings)))
