"""Sockets of nodes and clients without TCP_NODELAY, which asyncio sets on every one."""

import socket
from typing import TYPE_CHECKING, Any

from live.client.part import ClientPart
from live.node.part import NodePart
from live.ports import ClusterPart

if TYPE_CHECKING:
    from websockets.asyncio.client import ClientConnection
    from websockets.asyncio.connection import Connection
    from websockets.asyncio.server import ServerConnection

    from live.ports import Cluster


def gather(connection: "Connection") -> None:
    """Let Nagle's algorithm decide when small segments of a connection are sent."""
    connection.transport.get_extra_info("socket").setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 0)


class ServerSockets(NodePart):
    """A node's sockets."""

    def connected(self, connection: "ServerConnection") -> None:
        """Set the option of a connection."""
        gather(connection)


class ClientSockets(ClientPart):
    """A client's sockets."""

    def connected(self, connection: "ClientConnection", node: int) -> None:
        """Set the option of a connection."""
        gather(connection)


class Sockets(ClusterPart):
    """Which sockets of a run have no TCP_NODELAY.

    Args:
        nodes, clients: whether theirs have it.
    """

    def __init__(self, nodes: bool, clients: bool) -> None:
        self.nodes = nodes
        self.clients = clients

    def of_node(self, number: int) -> dict[str, Any]:
        """Return that a node sets it, if it does."""
        return {} if self.nodes else {"nagle": True}

    def of_clients(self) -> dict[str, Any]:
        """Return that the clients set it, if they do."""
        return {} if self.clients else {"nagle": True}


def attach(cluster: "Cluster") -> None:
    """Add it to a cluster in which somebody has no TCP_NODELAY."""
    nodes, clients = cluster.scenario.nodes.nodelay, cluster.scenario.clients.nodelay
    if not (nodes and clients):
        cluster.add(Sockets(nodes, clients))
