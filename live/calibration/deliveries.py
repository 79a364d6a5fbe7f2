"""What the parts of a broadcast cost: one node, one balancer, one swarm, a bus and a publisher, each on its own.

As in `live.calibration.costs` the items gather before a process that is stopped, and it goes on alone: first the node
writes to all its clients, then the balancer relays all of it, then the clients read. When somebody gets a message is
not looked at.
"""

import time
from statistics import median

from live.balancer.balancer import Balancer
from live.broadcast.broadcast import Broadcast
from live.broadcast.broker import SCRIPTS
from live.broadcast.bus import Bus, client_of, plain_link
from live.calibration import exchange, rounds
from live.calibration.exchange import BATCHES, PAYLOAD, PUBLISHED, RATE, add
from live.calibration.workbench import Bench, Costs, at_rest, check_opened, client_config, pace_of
from live.control.process import READY_WITHIN, Part, Stage
from live.control.resp import encode
from live.machine import placement
from twin.costs.broadcast import PAYLOADS
from twin.costs.curve import BROADCAST_LEVELS
from twin.errors import ClusterError
from twin.scenario.scenario import Scenario

FANOUTS = (64, 256, 1024)
"""Levels of what a node does for one client: for fewer it is lost in what it costs the node to wake up."""
ROUND = 256
"""Clients whose order of work in a round is looked at."""
TOGETHER = 4
"""Messages that are ready on one connection at once, to see what a further one costs."""
RUN_IN = 24
"""Messages after which a connection is as in a run. The first 16 that come on a new connection, or after a pause of
more than 0.2 s, the kernel acknowledges at once, at the sender's expense; later ones when they are read, at the
reader's. Source: Linux, `TCP_MAX_QUICKACKS` in include/net/tcp.h, `tcp_event_data_recv` in net/ipv4/tcp_input.c,
`tcp_cleanup_rbuf` in net/ipv4/tcp.c."""
READ_BEFORE = 10
"""Messages that a client reads before it stops reading."""
MOST_LARGE = 800
"""Messages after which a client that does not read must have been cut. They come one by one: in a burst the way
holds more."""


class DeliveryBench:
    """The processes of a broadcast with one node, and another one, `silent`, that waits for its client's word before it
    says anything to the bus.

    Args:
        stage: where they run.
        scenario: names the balancer.
        largest: bytes of the largest message; twice as many may wait for a client.
    """

    def __init__(self, stage: Stage, scenario: Scenario, largest: int = PAYLOADS[0]) -> None:
        quiet = {} if scenario.balancer.kind == "nginx" else {"check": {"inter": 3600.0}}
        scenario = scenario.vary(
            balancer=quiet,
            nodes={"count": 2},
            bus={"kind": "stream", "lease": 3600.0},
            publisher={"rate": RATE, "messages": PUBLISHED, "ack_timeout": 60.0},
            slow_consumer={"policy": "close", "limit_bytes": 2 * largest},
            duration=60.0,
        )
        self.limit = scenario.slow_consumer.limit_bytes
        self.place = place = placement.placement(scenario)
        self.port, self.node_port, self.silent_port, bus_port = placement.free_ports(4)
        began = time.monotonic()
        self.bus = Bus(stage, bus_port, place.cluster, None, scenario.bus)
        self.bus.wait_ready(READY_WITHIN)
        self.bus_start = time.monotonic() - began
        self.redis = client_of(self.bus.address)
        self.broadcast = Broadcast(stage, scenario, 0, self.bus, place.cluster, [])
        self.wait_until_heard(self.broadcast)
        self.node = self._start_node(stage, 1, self.node_port, "node")
        self.silent = self._start_node(stage, 2, self.silent_port, "client")
        self.broadcast.wait_ready()
        self.balancer = Balancer(stage, scenario, self.port, [self.node_port], place.cluster, lambda t, e, n, d: None)
        self.balancer.wait_ready(READY_WITHIN)
        clients = client_config(scenario, self.port)
        clients["broadcast"] = {**self.broadcast.of_clients(), "max_size": 2**24}
        self.client = stage.python("bench", "live.calibration.bench", clients, place.clients)
        self.client.hear()
        assert self.bus.part is not None
        self.server: Part = self.bus.part
        for text in SCRIPTS.values():
            self.redis.script_load(text)
        self.number = 1_000_000
        self.open = self.made = 0

    def wait_until_heard(self, broadcast: Broadcast) -> None:
        """Wait until a publisher listens: with a lease as long as here the nodes say but once that they are there."""
        deadline = time.monotonic() + READY_WITHIN
        while not self.redis.pubsub_numsub(broadcast.topic.acks)[0][1]:
            if time.monotonic() > deadline:
                raise broadcast.publisher.failure(f"did not subscribe within {READY_WITHIN:g} s")
            time.sleep(0.005)

    def _start_node(self, stage: Stage, number: int, port: int, scope: str) -> Part:
        """Start a node that acknowledges for itself (`node`) or when its clients have confirmed (`client`)."""
        broadcast = {**self.broadcast.of_node(number), "scope": scope}
        config = {"number": number, "port": port, "backlog": 4000, "broadcast": broadcast}
        node = stage.python(f"node {number}", "live.node.node", config, self.place.cluster[:1])
        node.hear()
        return node

    def close(self) -> None:
        """Give back what the stage does not."""
        self.redis.close()
        self.balancer.close()

    @property
    def _measured(self) -> "tuple[Part | Balancer, ...]":
        return self.client, self.balancer, self.node, self.server, self.broadcast.publisher, self.silent

    def cpu(self) -> list[float]:
        """Return the CPU seconds that client, balancer, node, bus, publisher and silent node have used so far."""
        return [part.cpu_ns() / 1e9 for part in self._measured]

    def pids(self) -> list[int]:
        """Return the processes that `cpu` is about."""
        return [one.forwarder() if isinstance(one, Balancer) else one.pid for one in self._measured]

    def settle(self) -> list[float]:
        """Wait until nobody has anything to do; return `cpu`."""
        return at_rest(self.cpu, self.pids)

    def resume(self, pid: int) -> None:
        """Let a stopped process go on, and wait until it has worked off what has gathered."""
        Bench.go_on(pid)
        self.settle()

    def connect(self, connections: int) -> None:
        """Have so many clients connected."""
        if connections > self.open:
            self.client.tell(batch=connections - self.open)
            check_opened(self.client.hear(30))
            self.made += connections - self.open
            self.open = connections
        self.settle()

    def run_in(self) -> None:
        """Send messages until the kernel does not acknowledge them at once any more."""
        for _ in range(RUN_IN):
            self.publish(1)
            self.settle()

    def next_number(self) -> int:
        """Return a number that no message has had."""
        self.number += 1
        return self.number

    def publish(self, messages: int, payload: bytes = PAYLOAD) -> None:
        """Have the bus stamp messages."""
        with self.redis.pipeline(transaction=False) as pipeline:
            for _ in range(messages):
                stamp = self.broadcast.topic.stamp(self.next_number(), payload)
                pipeline.execute_command(*stamp)  # type: ignore[no-untyped-call]
            pipeline.execute()

    def fan_out(self, messages: int) -> tuple[float, float, float]:
        """Publish messages that gather before each process in turn; return the CPU seconds of node, balancer and
        client.
        """
        client, node, balancer = self.client.pid, self.node.pid, self.balancer.forwarder()
        Bench.stop(client, balancer, node)
        self.publish(messages)
        spent = [self.settle()]
        for pid in (node, balancer, client):
            Bench.go_on(pid)
            spent.append(self.settle())
        return spent[1][2] - spent[0][2], spent[2][1] - spent[1][1], spent[3][0] - spent[2][0]

    def ask(self) -> tuple[float, float]:
        """Let every client ask what it missed; return the CPU seconds of the clients, and of the node."""
        client, node, balancer = self.client.pid, self.node.pid, self.balancer.forwarder()
        Bench.stop(balancer, node)
        before = self.settle()
        self.client.tell(nothing=True)
        idle = self.settle()
        self.client.tell(ask=True)
        asked = self.settle()
        Bench.stop(client)
        Bench.go_on(balancer)
        relayed = self.settle()
        Bench.go_on(node)
        answered = self.settle()
        Bench.go_on(client)
        self.settle()
        return max(0.0, asked[0] - 2 * idle[0] + before[0]), answered[2] - relayed[2]

    def serve(self, commands: list[bytes]) -> float:
        """Let the bus do commands that have gathered; return its CPU seconds."""
        with plain_link(self.bus.address) as link:
            link.sendall(encode("PING"))
            link.recv(64)
            Bench.stop(self.server.pid)
            link.sendall(b"".join(commands))
            before = self.settle()
            Bench.go_on(self.server.pid)
            return self.settle()[3] - before[3]


def measure(
    bench: DeliveryBench, costs: Costs, first: rounds.Shares, lone: dict[str, list[float]], of_balancer: bool = False
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


def _deliveries(bench: DeliveryBench, costs: Costs, level: int, alone: float, together: float) -> None:
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


def _questions(bench: DeliveryBench, costs: Costs, level: int, alone: float) -> None:
    """Measure a client's frame: sent by the client, read by the node (which answers all with what it asked once)."""
    bench.ask()
    spent = [bench.ask() for _ in range(BATCHES[level])]
    add(costs, "client_send", level, median([one for one, _ in spent]) / level)
    if level in FANOUTS:
        node = (median([other for _, other in spent]) - alone) / level - costs["node_fanout"][level][-1]
        add(costs, "node_read", level, node)


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
    bench.client.tell(stall=last, on=True)
    bench.settle()
    sent = 0
    for _ in range(MOST_LARGE):
        bench.publish(1, payload)
        sent += size
        bench.settle()
        bench.node.tell(ask="connections")
        if not bench.node.hear()["connections"]:
            break
    else:
        raise ClusterError("calibration: a client that does not read was not cut.")
    bench.client.tell(stall=last, on=False)
    bench.client.tell(closed=True)
    bench.client.hear(30)
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
    bench.client.tell(delivered=True)
    bench.client.hear()
    Bench.stop(bench.client.pid)
    bench.publish(1)
    bench.settle()
    began = time.monotonic()
    Bench.go_on(bench.client.pid)
    bench.settle()
    bench.client.tell(delivered=True)
    answer = bench.client.hear()
    share = (float(answer["first"]) - began) / (float(answer["last"]) - began)
    return min(rounds.LARGEST_SHARE, max(0.0, share))
