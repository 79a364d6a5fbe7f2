"""Faults that befall the model on the scenario's schedule."""

from typing import TYPE_CHECKING

import simpy

from twin.fault_settings import Fault

if TYPE_CHECKING:
    from sim.world import World


def befall(world: "World", fault: Fault) -> "simpy.events.ProcessGenerator":
    """Wait for the fault's time and do it."""
    yield world.env.timeout(fault.at)
    if fault.kind == "reload":
        world.note("fault", detail="reload")
        yield from world.balancer.reload()
        return
    assert fault.node is not None
    node = world.nodes[fault.node - 1]
    world.note("fault", node=fault.node, detail=fault.kind)
    if fault.kind == "kill":
        yield from node.kill()
    elif fault.kind == "restart":
        yield from node.restart()
    else:
        node.hang()
        if fault.duration is not None:
            yield world.env.timeout(fault.duration)
            node.resume()
            world.note("healed", node=fault.node, detail="hang")
