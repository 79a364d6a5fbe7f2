"""A client that does not read: what ends its connection, in a run without any message."""

import pytest

from sim.ports import ClientPart
from sim.world import World
from tests.strategies import small, small_profile

CLIENT = 4


class Noting(ClientPart):
    """Writes down when its client reads again."""

    def __init__(self, world):
        self.env = world.env
        self.at = []

    def reads_again(self, tunnel):
        self.at.append((self.env.now, tunnel.client.number))


def world_of(**changes):
    world = World(small(**changes), 0, small_profile())
    client = world.clients[CLIENT]
    client.parts = (Noting(world),)
    return world, client, client.parts[0]


def lost(world):
    return [(t, detail) for t, event, who, *_, detail in world.rows if event == "disconnected" and who == CLIENT]


def test_the_next_pings_pong_is_not_seen_and_its_timeout_ends_the_connection():
    world, client, _ = world_of(clients={"heartbeat": {"interval": 1.0, "timeout": 0.5, "close_timeout": 0.0}})
    world.env.run(until=client.first_beat + 0.2)
    assert client.stall.begin()
    assert not client.stall.begin()
    first = client.first_beat
    world.env.run(until=first + 1.49)
    assert lost(world) == []
    world.env.run(until=first + 1.6)
    assert [detail for _, detail in lost(world)] == ["heartbeat"]


def test_a_node_that_pings_gives_up_a_client_that_does_not_read():
    nodes = {"ping_interval": 1.0, "ping_timeout": 0.4}
    world, client, _ = world_of(nodes=nodes, clients={"heartbeat": {"interval": 0.0}})
    world.env.run(until=2.0)
    client.stall.begin()
    world.env.run(until=5.0)
    assert client.tunnel not in world.nodes[client.tunnel.server].tunnels
    assert lost(world) == []  # it has not read the end yet
    client.stall.over()
    world.env.run(until=6.0)
    ((t, detail),) = lost(world)
    assert (t, detail) == (pytest.approx(5.0, abs=0.01), "1011")


def test_parts_hear_that_the_last_stall_is_over_and_of_no_other():
    world, client, part = world_of(clients={"heartbeat": {"interval": 0.0}})
    world.env.run(until=1.0)
    client.stall.begin()
    client.stall.begin()
    assert client.stall.read_at == float("inf")
    world.env.run(until=2.0)
    assert not client.stall.over()
    assert part.at == []
    world.env.run(until=3.0)
    assert client.stall.over()
    assert part.at == [(3.0, CLIENT)]
    assert (client.stall.stalled_at, client.stall.read_at) == (1.0, 3.0)
    world.run()
    assert lost(world) == []
