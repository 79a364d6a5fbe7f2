"""A mechanism that is written here attaches to the model's nodes and clients, without a change anywhere else.

A node greets each connection with a frame of its own, and the client counts the greetings; `tests/live/test_greeting`
has the same for real processes.
"""

from collections import Counter
from typing import Any

import pytest
import simpy

from sim.connection import Attempt, Tunnel
from sim.node.node import Node
from sim.ports import ClientPart, NodePart
from sim.world import World
from twin.costs.profile import HostProfile
from twin.scenario.overrides import merge
from twin.scenario.scenario import Scenario


class Greeted(ClientPart):
    """Counts the greetings of one client, by the node that sent them."""

    def __init__(self) -> None:
        self.by_node = Counter[int]()
        self.connected_to = Counter[int]()

    def connected(self, tunnel: Tunnel, attempt: Attempt) -> None:
        self.connected_to[tunnel.server + 1] += 1

    def greet(self, node: int) -> None:
        self.by_node[node] += 1


class Greeter(NodePart):
    """Greets each connection of a node, through the balancer as any frame goes."""

    def __init__(self, node: Node, clients: list[Greeted]) -> None:
        self.node = node
        self.clients = clients

    def connected(self, tunnel: Tunnel, at: float) -> None:
        greeted, number = self.clients[tunnel.client.number], self.node.number

        def arrive(_: simpy.Event) -> None:
            greeted.greet(number)

        self.node.balancer.relay(tunnel, arrive)


OTHERS: list[dict[str, Any]] = [
    {},
    {
        "bus": {"kind": "stream"},
        "publisher": {"rate": 20.0},
        "sessions": {"store": "memory"},
        "clients": {"sends": {"rate": 5.0}},
    },
]


@pytest.mark.parametrize("others", OTHERS, ids=["alone", "beside others"])
def test_a_mechanism_of_a_test_attaches_to_the_model(others: dict[str, Any], profile: HostProfile) -> None:
    faults = [{"kind": "kill", "node": 1, "at": 1.0}]
    clients = {"count": 60, "reconnect": {"base": 0.1, "cap": 0.5, "jitter": "full"}}
    data: dict[str, Any] = {
        "name": "greeting",
        "duration": 6.0,
        "nodes": {"count": 2},
        "faults": faults,
        "clients": clients,
    }
    data["balancer"] = {"check": {"inter": 0.2, "fall": 2, "rise": 1}}
    scenario = Scenario.parse(merge(data, others))
    world = World(scenario, 0, profile)
    greeted = [Greeted() for _ in world.clients]
    for client, part in zip(world.clients, greeted, strict=True):
        client.parts = (*client.parts, part)
    for node in world.nodes:
        node.parts = (*node.parts, Greeter(node, greeted))
    rows = world.run()
    connected = [Counter[int]() for _ in greeted]
    for t, event, client, node, *_ in rows:
        if event == "connected" and t >= 0:  # those of before were not greeted
            connected[client][node] += 1
    assert [part.by_node for part in greeted] == [part.connected_to for part in greeted] == connected
    assert sum(sum(part.by_node.values()) for part in greeted) > 20
