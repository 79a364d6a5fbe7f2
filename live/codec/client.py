"""A client's part of compression."""

from typing import TYPE_CHECKING, Any

from live.codec.compression import ClientCompression

if TYPE_CHECKING:
    from live.ports import Swarm


def attach(swarm: "Swarm", config: dict[str, Any]) -> None:
    """Give each client of a swarm the offer to compress."""
    offer = ClientCompression(config["compression"])
    swarm.equip(lambda client: offer)
