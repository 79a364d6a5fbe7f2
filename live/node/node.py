"""One WebSocket server process.

Run as `python -m live.node.node`, which reads its settings first (`live.control.given`): number, port, backlog, pings,
and a table for each mechanism that it takes part in (`live.node.building`). It answers `/healthz` for the balancer's
check, and tells the lab on standard output when it listens, and how much CPU time it has used by then. It ends when its
standard input closes.
"""

import asyncio
import gc
import logging
import signal
import time
from typing import Any

from websockets.asyncio.server import serve

from live.control.given import configuration
from live.control.messages import Listening
from live.control.running import run
from live.control.stdio import obey, say
from live.node.asyncio_runtime import YOUNG_GARBAGE
from live.node.building import build
from live.node.messages import Closed
from live.node.orders import orders_of


async def main(config: dict[str, Any]) -> int:
    """Serve until standard input closes (at once) or SIGTERM comes (gracefully, close code 1001).

    Returns:
        The exit status: `live.node.base.FENCED` if the registry had given its slot to another, else 0.
    """
    gc.set_threshold(*YOUNG_GARBAGE)
    gc.freeze()
    node = build(config)
    node.server = await serve(
        node.serve_client,
        **place(config),
        backlog=config["backlog"],
        compression=None,
        ping_interval=config.get("ping_interval") or None,
        ping_timeout=config.get("ping_timeout"),
        process_request=node.on_request,
        process_response=node.on_response,
        **node.options,
    )
    asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, node.end)
    node.started()
    say(Listening(time.monotonic(), time.process_time()))
    node.listening()
    closed = asyncio.ensure_future(node.server.wait_closed())
    obeying = asyncio.ensure_future(obey(orders_of(node)))
    await asyncio.wait([obeying, closed], return_when=asyncio.FIRST_COMPLETED)
    if obeying.done():
        obeying.result()
    if closed.done():
        say(Closed(time.process_time()))
    return node.status


def place(config: dict[str, Any]) -> dict[str, Any]:
    """Return where the server listens: on a port of its own, or on one that others listen on, too."""
    shared: dict[str, Any] = {"reuse_port": True} if config.get("reuse_port") else {}
    return {"host": "127.0.0.1", "port": config["port"]} | shared


if __name__ == "__main__":
    logging.getLogger("websockets").setLevel(logging.CRITICAL)
    run(main(configuration(dict[str, Any])))
