"""Faults that befall the model on the scenario's schedule."""

from typing import TYPE_CHECKING

import simpy

from sim.drain import drain
from sim.reload import reload
from twin.fault_settings import BUS_FAULTS, Fault

if TYPE_CHECKING:
    from collections.abc import Callable

    from sim.bus import Bus
    from sim.world import World


def befall(world: "World", fault: Fault) -> "simpy.events.ProcessGenerator":
    """Wait for the fault's time and do it."""
    yield world.env.timeout(fault.at)
    if fault.kind == "reload":
        world.note("fault", detail="reload")
        yield from reload(world.balancer)
        return
    if fault.kind == "outage":
        yield from black_out(world, fault)
        return
    if fault.kind in BUS_FAULTS:
        yield from befall_messages(world, fault)
        return
    assert fault.node is not None
    node = world.nodes[fault.node - 1]
    if fault.kind == "join":
        yield from node.join()
        return
    world.note("fault", node=fault.node, detail=fault.kind)
    if fault.kind == "kill":
        yield from node.kill()
        if fault.duration is not None:
            yield world.env.timeout(max(0.0, fault.at + fault.duration - world.env.now))
            yield from node.start_again()
            world.note("healed", node=fault.node, detail="kill")
    elif fault.kind == "restart":
        yield from node.restart()
    elif fault.kind == "drain":
        yield from drain(node, fault.lead or 0.0, fault.pace or 0.0)
    else:
        begin, end = (node.hang, node.resume) if fault.kind == "hang" else (node.vanish, node.reappear)
        begin()
        if fault.duration is not None:
            yield world.env.timeout(fault.duration)
            end()
            world.note("healed", node=fault.node, detail=fault.kind)


def black_out(world: "World", fault: Fault) -> "simpy.events.ProcessGenerator":
    """Let balancer and nodes die at once, so that every connection breaks, and start them again afterwards."""
    world.note("fault", detail="outage")
    world.balancer.die()
    for node in world.nodes:
        node.die()
    for client in world.clients:
        client.cut_off()
    if fault.duration is None:
        return
    yield world.env.timeout(fault.duration)
    parts = [world.balancer.come_back(), *(node.come_back() for node in world.nodes)]
    away = len(parts)

    def come_back(part: "simpy.events.ProcessGenerator") -> "simpy.events.ProcessGenerator":
        nonlocal away
        yield from part
        away -= 1
        if away == 0:
            world.note("healed", detail="outage")

    for part in parts:
        world.env.process(come_back(part))


def befall_messages(world: "World", fault: Fault) -> "simpy.events.ProcessGenerator":
    """Do what only messages and sessions can feel, and undo it after its duration."""
    bus = world.bus
    assert bus is not None
    whom = {"client": -1 if fault.client is None else fault.client, "node": fault.node or -1}
    world.note("fault", detail=fault.kind, **whom)
    if fault.kind == "bus_cut":
        bus.leave(whom["node"], "closed")
        return
    over = _begin(world, bus, fault)
    if fault.duration is None:
        return
    yield world.env.timeout(fault.duration)
    if fault.kind == "bus_down":
        yield from bus.start()
    else:
        over()
    world.note("healed", detail=fault.kind, **whom)


def _begin(world: "World", bus: "Bus", fault: Fault) -> "Callable[[], None]":
    """Begin a fault that lasts, and return what ends it."""
    if fault.kind == "bus_down":
        bus.kill()
        return lambda: None
    broadcast = world.broadcast
    assert broadcast is not None
    if fault.client is not None:
        subscriber = broadcast.subscribers[fault.client]
        subscriber.stall()
        return subscriber.read_again
    assert fault.node is not None
    link, delay = broadcast.fanouts[fault.node - 1].link, fault.delay or 0.0
    if fault.kind == "partition":
        link.cuts += 1
        return link.restore
    link.delay += delay

    def faster() -> None:
        link.delay -= delay

    return faster
