"""Which mechanisms the clients of a process have: each room adds its own part when the settings have its table."""

from collections.abc import Iterable
from typing import TYPE_CHECKING, Any

from live.control.attaching import Attach, attach_all

if TYPE_CHECKING:
    from live.ports import Swarm

ROOMS = {
    "arrivals": "live.arrivals.client",
    "refusals": "live.client.refusals",
    "sessions": "live.sessions.client",
    "broadcast": "live.broadcast.inbox",
    "compression": "live.codec.client",
    "nagle": "live.network.client",
    "sends": "live.sending.outbox",
    "handler": "live.handler.requests",
}
"""Table of the settings -> module whose `attach` adds a part to each client, in the order in which parts are asked."""


def equip(swarm: "Swarm", config: dict[str, Any], more: "Iterable[Attach[Swarm]]" = ()) -> None:
    """Give a swarm all that its settings ask for, and `more`."""
    attach_all(ROOMS, swarm, config, more)
