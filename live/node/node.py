"""One WebSocket server process.

Run as `python -m live.node.node`, which reads its settings first (`live.control.given`): number, port, backlog, pings,
and what `live.broadcast.fanout` needs when something is broadcast. It answers `/healthz` for the balancer's check, and
tells the lab on standard output when it listens, and how much CPU time it has used by then. It ends when its standard
input closes.
"""

import asyncio
import gc
import json
import logging
import signal
import sys
import time
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

import uvloop
from websockets.asyncio.server import Server, serve

from live.control.given import configuration
from live.control.stdio import YOUNG_GARBAGE, lines, say
from live.node.base import FENCED, PLACE, Node
from live.node.connection import BoundedConnection, bounds
from twin.rules.drain import SERVICE_RESTART, close_after

if TYPE_CHECKING:
    from live.sessions.node import SessionNode


async def drain(node: Node, server: Server, lead: float, pace: float) -> bool:
    """Fail the check, after `lead` seconds stop listening, and close `pace` connections a second, the oldest first.

    Returns False at once when an earlier order to drain has come so far.
    """
    node.ready = False
    await asyncio.sleep(lead)
    if not server.is_serving():
        return False
    server.server.close()  # handshakes under way get a 503
    await close_oldest(server, len(server.connections), pace)
    return True


async def close_oldest(server: Server, count: int, pace: float) -> None:
    """Close the `count` oldest connections, `pace` a second, and wait until they are closed."""
    began, closing = time.monotonic(), []
    oldest = sorted(server.connections, key=lambda one: int(getattr(one, PLACE, 0)))[:count]
    for place, connection in enumerate(oldest):
        await asyncio.sleep(max(0.0, began + close_after(place, pace) - time.monotonic()))
        closing.append(asyncio.ensure_future(connection.close(SERVICE_RESTART)))
    await asyncio.gather(*closing)


async def main(config: dict[str, Any]) -> int:
    """Serve until standard input closes (at once) or SIGTERM comes (gracefully, close code 1001).

    Returns:
        The exit status: `FENCED` if the registry had given its slot to another, else 0.
    """
    gc.set_threshold(*YOUNG_GARBAGE)
    gc.freeze()
    page = config.get("page")
    sessions: SessionNode | None = None
    node: Node
    if "sessions" in config:
        from live.sessions import node as session_node

        node = sessions = session_node.SessionNode(config["number"], config["sessions"])
    elif page is None:
        node = Node(config["number"])
    else:
        from live.page.node import PageNode

        node = PageNode(config["number"], page)
    if "lifetime" in config:
        from live.node.lifetime import Ages

        node.ages = Ages(config["lifetime"])
    if config.get("sends"):
        from live.sending.outbox import taker

        node.take = taker(node.events, config["number"])
    fan_out, options = None, bounds() | {"create_connection": BoundedConnection}
    serve_client: Callable[[Any], Awaitable[None]] = node.serve_client
    if "broadcast" in config:
        from live.broadcast.fanout import FanOut, Reader

        if page is None:
            fan_out = FanOut(config["number"], config["broadcast"])
        else:
            from live.page.node import Chat

            fan_out = Chat(config["number"], config["broadcast"])
        serve_client = fan_out.serve_client
        options |= {"create_connection": Reader, "write_limit": fan_out.write_limit}
    server = await serve(
        serve_client,
        "127.0.0.1",
        config["port"],
        backlog=config["backlog"],
        compression=None,
        ping_interval=config.get("ping_interval") or None,
        ping_timeout=config.get("ping_timeout"),
        origins=node.origins,
        process_request=node.answer_check,
        process_response=node.name_itself,
        **options,
    )

    def end() -> None:
        server.close()
        if fan_out is not None:
            fan_out.bus.leave()

    asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, end)
    if fan_out is not None:
        fan_out.bus.start()
    if sessions is not None:
        sessions.start()
    say(listening=time.monotonic(), cpu=time.process_time())
    orders = set[asyncio.Future[None]]()
    member: Any = None
    fence: list[int] = []

    async def drain_and_end(lead: float, pace: float) -> None:
        if member is not None:
            signs.cancel()
            await member.leave()
        if await drain(node, server, lead, pace):
            say(drained=time.monotonic())
            end()

    if "registry" in config:
        from live.broadcast.link import keep_alive
        from live.registry.member import Membership

        def fenced() -> None:
            fence.append(FENCED)
            orders.add(asyncio.ensure_future(drain_and_end(0.0, 0.0)))

        member = Membership(
            config["number"],
            config["registry"],
            lambda: len(server.connections),
            lambda count, pace: close_oldest(server, count, pace),
            fenced,
        )
        signs = keep_alive(member.keep())
    reader = await lines()

    async def obey() -> None:
        while line := await reader.readline():
            message = json.loads(line)
            if "drain" in message:
                orders.add(asyncio.ensure_future(drain_and_end(message["drain"], message["pace"])))
            elif "grid" in message and member is not None:
                member.on_grid(message["grid"])
            elif "finish" in message:
                events = fan_out.finish() if fan_out is not None else node.events
                Path(message["finish"]).write_text(json.dumps(events))
                say(done=len(events))
            elif "begin" in message and sessions is not None:
                sessions.begin = message["begin"]
            elif "joined" in message and sessions is not None:
                await sessions.joined()
                say(joined=time.monotonic())
            else:
                say(checked=node.checked, connections=len(server.connections))

    closed = asyncio.ensure_future(server.wait_closed())
    await asyncio.wait([asyncio.ensure_future(obey()), closed], return_when=asyncio.FIRST_COMPLETED)
    if closed.done():
        say(closed=time.process_time())
    return fence[0] if fence else 0


if __name__ == "__main__":
    logging.getLogger("websockets").setLevel(logging.CRITICAL)
    sys.exit(uvloop.run(main(configuration())))
