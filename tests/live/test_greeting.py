"""A mechanism that is written here attaches to live nodes and clients, without a change anywhere else.

A node greets each connection with a frame of its own, and the client counts the greetings.
"""

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import pytest
from websockets.asyncio.client import ClientConnection
from websockets.asyncio.server import ServerConnection

from live.client.connection import Inlet
from live.client.part import ClientPart
from live.client.part import Take as ClientTake
from live.control.messages import ControlMessage, on
from live.control.stdio import say
from live.node.base import Node
from live.node.part import NodePart

if TYPE_CHECKING:  # the processes of a run import this file, and need not load what the lab does
    from live.ports import Cluster, Swarm

pytestmark = pytest.mark.live

GREETING = 71
"""First byte of a greeting, "G": one that no other mechanism has."""


class AskGreetings(ControlMessage):
    """A question to a swarm: how many greetings did each client get?"""


class Greetings(ControlMessage):
    """So many from each node."""

    by_client: dict[str, dict[str, int]]


class Greeter(NodePart):
    """Greets each connection of a node.

    Args:
        number: of the node, which is in the greeting.
    """

    def __init__(self, number: int) -> None:
        self.number = number

    def connected(self, connection: ServerConnection) -> None:
        """Send a greeting over a connection that has opened."""
        connection.protocol.send_binary(bytes([GREETING, self.number]))
        connection.send_data()


class Greeted(ClientPart):
    """Counts the greetings of one client, by the node that sent them."""

    frames = frozenset({GREETING})

    def __init__(self) -> None:
        self.options = {"create_connection": Inlet}
        self.by_node: dict[str, int] = {}

    def connected(self, connection: ClientConnection, node: int) -> ClientTake:
        """Take the greetings of a connection."""

        def count(data: bytes | str) -> None:
            assert data == bytes([GREETING, node])
            self.by_node[str(node)] = self.by_node.get(str(node), 0) + 1

        return count


def attach(cluster: "Cluster") -> None:
    """Tell nodes and clients where the mechanism is."""
    from live.ports import ClusterPart

    class GreetingsOfCluster(ClusterPart):
        def of_node(self, number: int) -> dict[str, Any]:
            return {"attach": [f"{__name__}:to_node"]}

        def of_clients(self) -> dict[str, Any]:
            return {"attach": [f"{__name__}:to_clients"]}

    cluster.add(GreetingsOfCluster())


def to_node(node: Node, config: dict[str, Any]) -> None:
    node.add(Greeter(node.number))


def to_clients(swarm: "Swarm", config: dict[str, Any]) -> None:
    made: dict[int, Greeted] = {}
    swarm.equip(lambda client: made.setdefault(client.number, Greeted()))

    def tell(order: AskGreetings) -> None:
        say(Greetings({str(number): part.by_node for number, part in made.items()}))

    swarm.orders |= on(AskGreetings, tell)


@pytest.mark.parametrize(
    "others",
    [
        {},
        {
            "bus": {"kind": "stream"},
            "publisher": {"rate": 20.0},
            "sessions": {"store": "memory", "login_iterations": 10},
            "clients": {"sends": {"rate": 5.0}},
        },
    ],
    ids=["alone", "beside others on the same connections"],
)
def test_a_mechanism_of_a_test_attaches_to_live_nodes_and_clients(
    others: dict[str, Any], small: Callable[..., Any], until: Callable[..., None]
) -> None:
    from live.cluster import Cluster

    scenario = small(**others)
    with Cluster(scenario, 0, more=[attach]) as cluster:
        start = cluster.warm_up()
        cluster.nodes[0].signal(9)
        cluster.killed.append(1)

        def greetings() -> dict[str, dict[str, int]]:
            cluster.attend()
            cluster.swarm[0].tell(AskGreetings())
            found: dict[str, dict[str, int]] = {}
            while not found:
                found = cluster.swarm[0].hear(Greetings).by_client
            return found

        until(lambda: all("2" in by_node for by_node in greetings().values()), 20, "not all came to node 2")
        found = greetings()
        rows = cluster.finish(start)
    connected: dict[str, dict[str, int]] = {str(number): {} for number in range(scenario.clients.count)}
    for _, event, client, node, *_ in rows:
        if event == "connected":
            mine = connected[str(client)]
            mine[str(node)] = mine.get(str(node), 0) + 1
    assert found == connected
    assert sum(sum(by_node.values()) for by_node in found.values()) > scenario.clients.count
    if others:
        events = {event for _, event, *_ in rows}
        assert {"delivered", "arrived", "session_started", "session_lost"} <= events
