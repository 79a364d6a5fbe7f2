"""Faults that act on the model on the scenario's schedule."""

from collections.abc import Callable
from typing import Protocol

from sim.balancer.balancer import Balancer
from sim.balancer.reload import reload
from sim.broadcast.broadcast import Broadcast
from sim.broadcast.bus import Bus
from sim.client.client import Client
from sim.node.drain import drain
from sim.node.lives import join, kill, restart, start
from sim.node.node import Node
from sim.ports import Run, Work
from twin.rules.faults import acts
from twin.scenario.faults import BUS_FAULTS, Fault


class FaultTarget(Run, Protocol):
    """What faults act on.

    Attributes:
        bus: the shared server, if there is one.
        broadcast: what messages go through, if anybody publishes.
    """

    nodes: list[Node]
    clients: list[Client]
    balancer: Balancer
    bus: Bus | None
    broadcast: Broadcast | None


def inject(world: FaultTarget, fault: Fault) -> Work[None]:
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
        yield from inject_on_messages(world, fault)
        return
    assert fault.node is not None
    node = world.nodes[fault.node - 1]
    life = node.standing.begin(fault.kind)
    if life is None:
        world.note("no_effect", node=fault.node, detail=fault.kind)
    elif fault.kind == "join":
        yield from join(node)
    else:
        world.note("fault", node=fault.node, detail=fault.kind)
        yield from inject_on_node(node, fault, life)


def inject_on_node(node: Node, fault: Fault, life: int) -> Work[None]:
    """Do what has an effect on a node, and end that after its duration.

    Args:
        node: the node.
        fault: what is injected.
        life: of the process on which it acts, as `Standing.begin` has told.
    """
    env = node.env
    if fault.kind == "restart":
        yield from restart(node)
    elif fault.kind == "drain":
        yield from drain(node, fault.lead or 0.0, fault.pace or 0.0)
    elif fault.kind == "kill":
        yield from kill(node)
        if fault.duration is not None:
            yield env.timeout(max(0.0, fault.at + fault.duration - env.now))
            if node.standing.over("kill", life):
                yield from start(node, "kill")
    else:
        begin, end = (node.hang, node.resume) if fault.kind == "hang" else (node.vanish, node.reappear)
        begin()
        if fault.duration is not None:
            yield env.timeout(fault.duration)
            if node.standing.over(fault.kind, life):
                end()
                node.run.note("healed", node=node.number, detail=fault.kind)


def black_out(world: FaultTarget, fault: Fault) -> Work[None]:
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
    away = 1 + len(world.nodes)

    def back() -> None:
        nonlocal away
        away -= 1
        if away == 0:
            world.note("healed", detail="outage")

    def balancer_back() -> Work[None]:
        yield from world.balancer.come_back()
        back()

    def node_back(node: Node) -> Work[None]:
        node.standing.powered = True
        life = node.life
        yield from start(node)
        if node.life == life:  # else another fault has ended it before it listened
            back()

    world.env.process(balancer_back())
    for node in world.nodes:
        world.env.process(node_back(node))


def inject_on_messages(world: FaultTarget, fault: Fault) -> Work[None]:
    """Do what only messages and sessions can feel, and undo it after its duration."""
    bus = world.bus
    assert bus is not None
    whom = {"client": -1 if fault.client is None else fault.client, "node": fault.node or -1}
    if fault.kind == "bus_down":
        yield from kill_bus(bus, world, fault)
        return
    standing = world.nodes[fault.node - 1].standing if fault.node is not None else None
    reached = fault.kind != "bus_cut" or acts("bus_cut", bus.standing.phase, "")
    if not reached or (standing is not None and standing.begin(fault.kind) is None):
        world.note("no_effect", detail=fault.kind, **whom)
        return
    world.note("fault", detail=fault.kind, **whom)
    if fault.kind == "bus_cut":
        bus.leave(whom["node"], "closed")
        return
    end = _begin(world, fault)
    if fault.duration is None:
        return
    yield world.env.timeout(fault.duration)
    over = end()
    if standing is not None:
        over = standing.over(fault.kind, standing.life)
    if over:
        world.note("healed", detail=fault.kind, **whom)


def kill_bus(bus: Bus, world: FaultTarget, fault: Fault) -> Work[None]:
    """Kill the bus, and start it again after the fault's duration; one that is dead already is not killed."""
    life = bus.standing.begin("kill")
    if life is None:
        world.note("no_effect", detail=fault.kind)
        return
    world.note("fault", detail=fault.kind)
    bus.kill()
    if fault.duration is None:
        return
    yield world.env.timeout(fault.duration)
    if not bus.standing.over("kill", life):
        return
    begun = bus.standing.boots()
    yield from bus.start()
    if bus.standing.listens(begun):
        world.note("healed", detail=fault.kind)


def _begin(world: FaultTarget, fault: Fault) -> Callable[[], bool]:
    """Begin a fault that lasts, and return what ends it; that tells whether no other such fault goes on."""
    if fault.client is not None:
        stall = world.clients[fault.client].stall
        stall.begin()
        return stall.over
    broadcast = world.broadcast
    assert broadcast is not None
    assert fault.node is not None
    link, delay = broadcast.fanouts[fault.node - 1].link, fault.delay or 0.0
    if fault.kind == "partition":
        link.cuts += 1
        return link.restore
    link.delay += delay

    def faster() -> bool:
        link.delay -= delay
        return True

    return faster
