"""What a larger payload costs more: a message of each size, and a small one beside it, one at a time.

Nobody is stopped meanwhile, because the sockets between two processes hold less than one large message: each process
reads and writes in turn with the next, as it does in a run, and only what each of them spends is looked at. The
processes are other ones than those that small messages are measured with: large pieces of memory that come and go
change what a process's memory looks like.
"""

import time
from statistics import median

from live.broadcast.broadcast import Broadcast
from live.broadcast.bus import plain_link
from live.broadcast.messages import Publish
from live.calibration.common import PAYLOAD, add
from live.calibration.deliveries import path_bytes
from live.calibration.delivery_bench import DeliveryBench
from live.calibration.workbench import Bench, MeasuredCosts, pace_of
from live.control.resp import encode
from live.control.supervisor import watched
from twin.costs.broadcast import PAYLOADS
from twin.scenario.scenario import Scenario

MESSAGES = 5
"""Messages of each size; the median of what they cost counts."""
CLIENTS = 16
"""Clients that get large messages."""
PUBLISHED, RATE = 6, 20.0
"""Messages of the publisher for each size, and how many a second."""


def measure(scenario: Scenario, costs: MeasuredCosts, room: list[float], of_balancer: bool = False) -> None:
    """Measure once what larger payloads cost, with processes of their own, and append the figures.

    Args:
        scenario: names the balancer.
        costs: what was found.
        room: gets the bytes that a path holds whose client has read large messages.
        of_balancer: leave out what is the same through any balancer.
    """
    with watched() as stage:
        bench = DeliveryBench(stage, scenario, max(PAYLOADS))
        try:
            Bench.stop(bench.silent.pid)
            if not of_balancer:
                _bus(bench, costs)
            room.append(path_bytes(bench, PAYLOADS[-1]))
            bench.connect(CLIENTS)
            _clients(bench, costs)
        finally:
            bench.close()


def _bus(bench: DeliveryBench, costs: MeasuredCosts) -> None:
    """Measure publisher, bus, and the node that reads from it, while no client is connected."""
    small = _publish(bench, len(PAYLOAD))
    for size in PAYLOADS:
        costs.now = pace_of(bench.place)
        stamp = _stamp(bench, size) - _stamp(bench, len(PAYLOAD))
        node, bus = (large - usual for large, usual in zip(_flow(bench, size)[2:4], _flow(bench)[2:4], strict=True))
        add(costs, "bus_stamp_bytes", size, stamp)
        add(costs, "bus_publish_bytes", size, bus - stamp)
        add(costs, "node_receive_bytes", size, node)
        add(costs, "publisher_send_bytes", size, _publish(bench, size) - small)


def _clients(bench: DeliveryBench, costs: MeasuredCosts) -> None:
    """Measure node, balancer and clients, for each of the clients that are connected."""
    for size in PAYLOADS:
        costs.now = pace_of(bench.place)
        more = [large - usual for large, usual in zip(_flow(bench, size), _flow(bench), strict=True)]
        client, balancer, node = more[:3]
        add(costs, "balancer_delivery_bytes", size, balancer / bench.open)
        add(costs, "client_delivery_bytes", size, client / bench.open)
        if "node_receive_bytes" in costs:
            add(costs, "node_fanout_bytes", size, (node - costs["node_receive_bytes"][size][-1]) / bench.open)


def _flow(bench: DeliveryBench, size: int = len(PAYLOAD)) -> list[float]:
    """Return the CPU seconds of all processes of the bench that a message takes on its way; see `DeliveryBench.cpu`."""
    payload, spent = bytes(size), []
    for _ in range(MESSAGES + 1):
        before = bench.settle()
        bench.publish(1, payload)
        spent.append([after - start for after, start in zip(bench.settle(), before, strict=True)])
    return [median(list(one)) for one in zip(*spent[1:], strict=True)]  # the first found memory that was new to it


def _stamp(bench: DeliveryBench, size: int) -> float:
    """Return the CPU seconds of the bus for stamping a message that nobody reads."""
    topic, payload, spent = bench.broadcast.topic, bytes(size), []
    aside = type(topic)(topic.prefix + "aside:", topic.max_length, topic.window)
    with plain_link(bench.bus.address) as link:
        for _ in range(MESSAGES + 1):
            command = encode(*aside.stamp(bench.next_number(), payload))
            before = bench.settle()[3]
            link.sendall(command)
            spent.append(bench.settle()[3] - before)
            link.recv(4096)
    bench.bus.forget(aside.head, aside.log)
    return median(spent[1:])


def _publish(bench: DeliveryBench, size: int) -> float:
    """Return the CPU seconds of a publisher for a message with such a payload, while the nodes stand still."""
    of_size = {"payload_bytes": size, "messages": PUBLISHED, "rate": RATE}
    Bench.stop(bench.node.pid)
    with watched() as stage:
        scenario = bench.broadcast.scenario.vary(publisher=of_size)
        broadcast = Broadcast(stage, scenario, 0, bench.bus, bench.place.cluster)
        bench.wait_until_heard(broadcast)
        publisher, spent = broadcast.publisher, []
        start = time.monotonic() + 1.5 / RATE
        publisher.tell(Publish(start))
        for n in range(PUBLISHED):
            time.sleep(max(0.0, start + (n - 0.5) / RATE - time.monotonic()))
            before = publisher.cpu_ns()
            time.sleep(max(0.0, start + (n + 0.5) / RATE - time.monotonic()))
            spent.append((publisher.cpu_ns() - before) / 1e9)
        broadcast.close()
    bench.resume(bench.node.pid)
    return median(spent[1:])
