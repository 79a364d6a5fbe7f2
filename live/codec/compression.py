"""permessage-deflate by `websockets`: what both sides of a connection offer and take, as options of the libraries."""

from collections.abc import Mapping
from typing import Any

from websockets.extensions.permessage_deflate import ClientPerMessageDeflateFactory, ServerPerMessageDeflateFactory

from live.client.part import ClientPart
from live.node.part import NodePart


def negotiated(config: Mapping[str, Any]) -> dict[str, Any]:
    """Return the parameters of RFC 7692, the same for both directions, and what only zlib is told.

    Args:
        config: window_bits, memory_level, takeover.
    """
    alone, bits = not config["takeover"], config["window_bits"]
    return {
        "server_no_context_takeover": alone,
        "client_no_context_takeover": alone,
        "server_max_window_bits": bits,
        "client_max_window_bits": bits,
        "compress_settings": {"memLevel": config["memory_level"]},
    }


class ServerCompression(NodePart):
    """A node that compresses; a client that does not offer it gets frames as they are."""

    def __init__(self, config: Mapping[str, Any]) -> None:
        self.options = {"extensions": [ServerPerMessageDeflateFactory(**negotiated(config))]}


class ClientCompression(ClientPart):
    """A client that offers compression."""

    def __init__(self, config: Mapping[str, Any]) -> None:
        self.options = {"extensions": [ClientPerMessageDeflateFactory(**negotiated(config))]}
