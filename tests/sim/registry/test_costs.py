"""What a registry costs in the model, against sums by hand."""

import pytest

from sim import simulate
from sim.world import World
from tests.costs import cost_of
from tests.strategies import knowing_profile, small, small_profile

QUIET = {"heartbeat": {"interval": 0.0}}
REGISTRY = {"ttl": 3.0, "heartbeat": 0.5, "sync": 0.5}


def elastic(**changes):
    return small(
        clients={"count": 3, **QUIET}, duration=8.0, registry=REGISTRY, host={"placement": "separate"}, **changes
    )


def used(world):
    """Return the CPU seconds of a node, of the registry's server, and of its registrar."""
    costs = world.registrar.costs
    return [world.nodes[0].process.used, costs.server.used, costs.registrar.used]


def test_each_sign_of_life_and_each_look_is_work_of_who_does_it():
    world = World(elastic(), 0, knowing_profile())
    world.run()
    beats, looks = 8.0 / 0.5, 8.0 / 0.5
    node, server, registrar = used(world)
    assert node == pytest.approx(beats * cost_of("node_beat"))
    assert server == pytest.approx(3 * beats * cost_of("bus_beat") + looks * cost_of("bus_members"))
    assert registrar == pytest.approx(looks * cost_of("registrar_look"))


def test_the_registry_and_the_registrar_have_machines_of_their_own():
    world = World(elastic(), 0, knowing_profile())
    costs = world.registrar.costs
    processes = [costs.server, costs.registrar, world.balancer.workers[0], *[node.process for node in world.nodes]]
    assert len({id(process.cores) for process in processes}) == len(processes)


def test_a_server_is_marked_when_registrar_and_balancer_have_done_it():
    faults = [{"at": 1.0, "kind": "kill", "node": 2}]
    marked = []
    for profile in (small_profile(), knowing_profile()):
        record = simulate(elastic(faults=faults), 0, profile)
        marked.append(record.select("marked_down").query("node == 2")["t"].iloc[0])
    asked = cost_of("bus_members", "registrar_look")
    assert marked[1] - marked[0] == pytest.approx(asked + cost_of("registrar_change", "balancer_change"), abs=1e-9)


def test_a_profile_that_does_not_know_the_registry_lets_it_cost_nothing():
    world = World(elastic(), 0, small_profile())
    world.run()
    assert world.registrar.costs is None
    assert world.nodes[0].process.used == 0.0


def test_a_node_tells_the_cpu_time_of_its_pings():
    scenario = elastic().vary(clients={"count": 300, "heartbeat": {"interval": 0.5}}, nodes={"count": 1})
    world = World(scenario, 0, knowing_profile())
    world.run()
    (member,) = world.registrar.leases.members(world.env.now).values()
    pings = 300 / 0.5 * cost_of("node_ping")
    beat = 2 * cost_of("node_beat") / (1 - pings)
    assert member.cpu == pytest.approx(1000 * (beat + pings * (1 - beat)), abs=1.0)
