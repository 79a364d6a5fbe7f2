"""A client's part of what sockets do."""

from typing import TYPE_CHECKING, Any

from live.network.nodelay import ClientSockets

if TYPE_CHECKING:
    from live.ports import Swarm


def attach(swarm: "Swarm", config: dict[str, Any]) -> None:
    """Let the sockets of a swarm's clients be without TCP_NODELAY."""
    part = ClientSockets()
    swarm.equip(lambda client: part)
