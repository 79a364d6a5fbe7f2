"""How a node lets its clients go: the oldest connections first, so many a second."""

import asyncio
import time

from websockets.asyncio.server import Server

from twin.rules.drain import SERVICE_RESTART, close_after

PLACE = "place_in_node"
"""Attribute of a connection: how many the node had opened before it."""


async def drain(server: Server, lead: float, pace: float) -> bool:
    """After `lead` seconds stop listening, and close `pace` connections a second, the oldest first.

    The health check fails from before that on. Returns False at once when an earlier order to drain has come so far.
    """
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
