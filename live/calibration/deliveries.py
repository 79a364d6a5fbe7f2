"""What the parts of a broadcast cost: one node, one balancer, one swarm, a bus and a publisher, each on its own.

As in `live.calibration.costs` the items gather before a process that is stopped, and it goes on alone: first the node
writes to all its clients, then the balancer relays all of it, then the clients read. When somebody gets a message is
not looked at.
"""

import time
from statistics import median

from websockets.frames import Frame, Opcode

from live.broadcast import wire
from live.calibration import exchange, rounds
from live.calibration.common import BATCHES, RUN_IN, add
from live.calibration.delivery_bench import DeliveryBench
from live.calibration.messages import AllLost, AskDelivered, AwaitLoss, Delivered
from live.calibration.workbench import Bench, MeasuredCosts, pace_of
from live.client.messages import SetStall
from live.machine import placement
from live.node.messages import Look, Seen
from twin.costs.broadcast import PAYLOADS
from twin.costs.curve import BROADCAST_LEVELS
from twin.errors import ClusterError

FANOUTS = (64, 256, 1024)
"""Levels of what a node does for one client: for fewer it is lost in what it costs the node to wake up."""
ROUND = 256
"""Clients whose order of work in a round is looked at."""
TOGETHER = 4
"""Messages that are ready on one connection at once, to see what a further one costs."""
NODE = 2
"""Place of the node's CPU time in what a bench of deliveries reads."""
READ_BEFORE = 10
"""Messages that a client reads before it stops reading."""
MOST_LARGE = 800
"""Messages after which a client that does not read must have been cut. They come one by one: in a burst the way
holds more."""


def measure(
    bench: DeliveryBench,
    costs: MeasuredCosts,
    first: rounds.Shares,
    lone: dict[str, list[float]],
    of_balancer: bool = False,
) -> None:
    """Measure every part once and append the figures.

    Args:
        bench: with its processes.
        costs: what was found.
        first: shares of first parts.
        lone: gets the bytes that the paths hold.
        of_balancer: leave out what is the same through any balancer.
    """
    kind = bench.broadcast.scenario.balancer.kind
    costs.now = pace_of(bench.place)
    first.setdefault("node_fanout", []).append(_first_of_raw(bench, bench.node_port, bench.node.pid))
    first.setdefault(f"{kind}_delivery", []).append(_first_of_raw(bench, bench.port, bench.balancer.forwarder()))
    if not of_balancer:
        exchange.measure(bench, costs)
        add(costs, "node_read", 1, _lone_word(bench))
        lone["bus_path_bytes"].append(exchange.bus_path_bytes(bench))
    Bench.stop(bench.silent.pid)
    alone = median([bench.fan_out(1)[0] for _ in range(BATCHES[1])])
    together = median([bench.fan_out(TOGETHER)[0] for _ in range(4)])
    lone["path_bytes"].append(path_bytes(bench, PAYLOADS[0]))
    for level in BROADCAST_LEVELS:
        bench.connect(level)
        costs.now = pace_of(bench.place)
        _deliveries(bench, costs, level, alone, together)
        if not of_balancer:
            _questions(bench, costs, level, alone)
        if level == ROUND:
            first.setdefault("client_delivery", []).append(_first_of_clients(bench))


def _deliveries(bench: DeliveryBench, costs: MeasuredCosts, level: int, alone: float, together: float) -> None:
    """Measure a message to each of `level` clients, and further ones that are ready with it."""
    bench.run_in()
    ones = [bench.fan_out(1) for _ in range(BATCHES[level])]
    node, balancer, client = (median([one[i] for one in ones]) for i in range(3))
    add(costs, "balancer_delivery", level, balancer / level)
    add(costs, "client_delivery", level, client / level)
    if level not in FANOUTS:
        return
    add(costs, "node_fanout", level, (node - alone) / level)
    many = [bench.fan_out(TOGETHER) for _ in range(BATCHES[level])]
    further = level * (TOGETHER - 1)
    add(costs, "node_fanout_more", level, (median([one[0] for one in many]) - together - node + alone) / further)
    add(costs, "balancer_delivery_more", level, (median([one[1] for one in many]) - balancer) / further)
    add(costs, "client_delivery_more", level, (median([one[2] for one in many]) - client) / further)


def _questions(bench: DeliveryBench, costs: MeasuredCosts, level: int, alone: float) -> None:
    """Measure a client's frame: sent by the client, read by the node (which answers all with what it asked once)."""
    bench.ask()
    spent = [bench.ask() for _ in range(BATCHES[level])]
    add(costs, "client_send", level, median([one for one, _ in spent]) / level)
    if level in FANOUTS:
        node = (median([other for _, other in spent]) - alone) / level - costs["node_fanout"][level][-1]
        add(costs, "node_read", level, node)


def _lone_word(bench: DeliveryBench) -> float:
    """Return the CPU seconds of a node that reads a client's frame after a pause: one that asks for nothing."""
    (raw,) = rounds.upgrade(bench.node_port, 1)
    frame = Frame(Opcode.BINARY, wire.standing(0, 0)).serialize(mask=True)
    spent = list[float]()
    for _ in range(RUN_IN + BATCHES[1]):
        before = bench.settle()[NODE]
        raw.sendall(frame)
        spent.append(bench.settle()[NODE] - before)
    raw.close()
    bench.settle()
    return median(spent[RUN_IN:])


def path_bytes(bench: DeliveryBench, size: int) -> float:
    """Return the bytes that the way to a client that does not read takes before they wait in the node's memory: what
    was sent when the node cut the connection, less what may wait there.

    The client has read some messages before, because a socket that much is read from gets more room. Source: Linux,
    `tcp_rcv_space_adjust` in net/ipv4/tcp_input.c.

    Args:
        bench: with its processes.
        size: bytes of each message.
    """
    bench.connect(1)
    payload = bytes(size)
    for _ in range(READ_BEFORE):
        bench.publish(1, payload)
        bench.settle()
    last = bench.made - 1
    bench.client.tell(SetStall(last, True))
    bench.settle()
    sent = 0
    for _ in range(MOST_LARGE):
        bench.publish(1, payload)
        sent += size
        bench.settle()
        bench.node.tell(Look())
        if not bench.node.hear(Seen).connections:
            break
    else:
        raise ClusterError("calibration: a client that does not read was not cut.")
    bench.client.tell(SetStall(last, False))
    bench.client.tell(AwaitLoss())
    bench.client.hear(AllLost, 30)
    bench.open = 0
    bench.settle()
    return float(max(0, sent - bench.limit))


def _first_of_raw(bench: DeliveryBench, port: int, stopped: int) -> float:
    """Return the share of a fan-out to raw connections that comes before the first frame is out, for the process that
    is stopped meanwhile.
    """
    raw = rounds.upgrade(port, rounds.SIZE)
    bench.settle()
    Bench.stop(stopped)
    bench.publish(1)
    bench.settle()
    with placement.pinned(bench.place.clients):
        return rounds.share(raw, b"\x82", stopped)


def _first_of_clients(bench: DeliveryBench) -> float:
    """Return the same for the clients, from when each of them has applied the message."""
    bench.client.tell(AskDelivered())
    bench.client.hear(Delivered)
    Bench.stop(bench.client.pid)
    bench.publish(1)
    bench.settle()
    began = time.monotonic()
    Bench.go_on(bench.client.pid)
    bench.settle()
    bench.client.tell(AskDelivered())
    answer = bench.client.hear(Delivered)
    share = (answer.first - began) / (answer.last - began)
    return min(rounds.LARGEST_SHARE, max(0.0, share))
