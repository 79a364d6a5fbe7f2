"""What a broadcast costs over a NATS server: commands and words, taken apart while nobody else runs.

It is done as over Valkey (`live.calibration.exchange`): a process that is stopped lets what is sent to it gather. Of
the server the CPU time of all its threads counts, also what it does a little later, as the state of a consumer goes to
its file after up to 0.1 s.
"""

import json
import time
from collections.abc import Callable
from statistics import median

from live.calibration import rounds
from live.calibration.common import PUBLISHED, add
from live.calibration.exchange import catch_up, one_by_one
from live.calibration.jetstream_bench import ANSWERS, JetstreamBench, PlainNats
from live.calibration.pools import Starts
from live.calibration.workbench import Bench, MeasuredCosts, at_rest, pace_of
from live.control import extras
from live.control.process import READY_WITHIN
from live.control.supervisor import watched
from live.control.usage import process_cpu_ns
from live.jetstream.cluster import NatsCluster
from live.jetstream.nats import published
from live.jetstream.server import EXTRA, NatsServer
from live.jetstream.stream import API, STREAM, Names, StreamSettings, kept, stream_of
from live.machine import placement
from twin.costs.broadcast import SMALL_PAYLOAD
from twin.errors import ClusterError
from twin.scenario import broadcast
from twin.scenario.scenario import Scenario

SIZES = (1, 16, 64)
"""How many items there are at once."""
BATCHES = {1: 15, 16: 5, 64: 5}
"""How often; the median counts."""
CONSUMERS = 8
"""Consumers that are added, to see what one costs."""
WARM = 3
"""Batches that are not counted."""
PAUSE = 0.02
"""Seconds between two looks at who leads."""
STARTS = 3
"""How often the server is killed and started."""
LATER = 0.12
"""Seconds after which the server has written what it writes a little later."""


def measure(scenario: Scenario, costs: MeasuredCosts, starts: Starts) -> None:
    """Measure everything once and append the figures; nothing where the server is not installed.

    Args:
        scenario: says where processes run.
        costs: gets the parts.
        starts: gets how long the server takes to start.
    """
    if extras.lacks(EXTRA):
        return
    with watched() as stage:
        bench = JetstreamBench(stage, scenario)
        try:
            _nodes(bench, costs)
            _publisher(bench, costs)
            _server(bench, costs)
            for _ in range(STARTS):
                starts.setdefault("jetstream", []).append(_start(bench))
        finally:
            bench.close()
    _cluster(scenario, costs)


def _nodes(bench: JetstreamBench, costs: MeasuredCosts) -> None:
    """Measure what a node spends on a message of the stream: reading it, its two words, what tells that they are read.

    The second node has a client that never confirms what it gets, so it reads and says nothing.
    """
    node, silent, server = bench.node.pid, bench.silent.pid, bench.server.pid
    raw = [*rounds.upgrade(bench.node_port, 1), *rounds.upgrade(bench.silent_port, 1)]
    for _ in range(WARM):
        _push(bench, SIZES[-1], node)
    for size in SIZES:
        costs.now = pace_of(bench.place)
        batches = range(BATCHES[size])
        read = median([_push(bench, size, silent)[5] for _ in batches])
        said = median([_push(bench, size, node, server)[2] for _ in batches])
        whole = median([_push(bench, size, node)[2] for _ in batches])
        add(costs, "node_jetstream_receive", size, read / size)
        add(costs, "node_jetstream_ack", size, (said - read) / (2 * size))
        add(costs, "node_jetstream_answer", size, (whole - said) / (2 * size))
    for one in raw:
        one.close()
    bench.settle()


def _push(bench: JetstreamBench, messages: int, reader: int, stopped: int = 0) -> list[float]:
    """Deliver messages to both nodes while they are stopped, let one go on, and return the CPU seconds of all.

    Args:
        bench: with its processes.
        messages: how many.
        reader: process id of the node.
        stopped: a process that is stopped while the node works, 0 is none.
    """
    both = bench.node.pid, bench.silent.pid
    Bench.stop(*both)
    bench.plain.send(b"".join(bench.message() for _ in range(messages)))
    time.sleep(LATER)
    before = bench.settle()
    if stopped:
        Bench.stop(stopped)
    Bench.go_on(reader)
    spent = [after - start for after, start in zip(bench.settle(), before, strict=True)]
    if stopped:
        Bench.go_on(stopped)
    Bench.go_on(*both)
    bench.settle()
    return spent


def _publisher(bench: JetstreamBench, costs: MeasuredCosts) -> None:
    """Measure the publisher as over Valkey; words of nodes that have gathered, messages one by one, and in a row."""
    publisher = bench.broadcast.publisher
    word = published(bench.names.acks, b"ack 1 1 1")
    for size in SIZES:
        spent = []
        costs.now = pace_of(bench.place)
        for _ in range(BATCHES[size]):
            Bench.stop(publisher.pid)
            bench.plain.send(word * size)
            before = bench.settle()[4]
            Bench.go_on(publisher.pid)
            spent.append(bench.settle()[4] - before)
        add(costs, "publisher_jetstream_ack", size, median(spent) / size)
    Bench.stop(bench.node.pid, bench.silent.pid)  # nobody acknowledges
    costs.now = pace_of(bench.place)
    sends, wholes = one_by_one(bench)
    late = median([catch_up(bench) for _ in range(BATCHES[SIZES[1]])]) / PUBLISHED
    Bench.go_on(bench.node.pid, bench.silent.pid)
    bench.settle()
    whole = median(wholes)
    send = min(median(sends), whole)
    for size, both in ((1, whole), (PUBLISHED, late)):
        add(costs, "publisher_jetstream_send", size, both * send / whole)
        add(costs, "publisher_jetstream_answer", size, both * (1.0 - send / whole))


def _server(bench: JetstreamBench, costs: MeasuredCosts) -> None:
    """Measure what the server spends. The nodes are gone, and their consumers with them."""
    for part in (bench.node, bench.silent):
        bench.stage.end(part)
    for node in (1, 2):
        bench.plain.ask(f"{API}.CONSUMER.DELETE.{STREAM}.{bench.names.consumer(node)}", {})
    links = [PlainNats(bench.bus) for _ in range(CONSUMERS)]
    told = PlainNats(bench.bus)
    word = published(bench.names.acks, b"ack 1 1 1")
    for _ in range(WARM):
        bench.serve(b"".join(bench.message() for _ in range(SIZES[-1])))
    for size in SIZES:
        costs.now = pace_of(bench.place)
        stamp, heard = _each(bench, size, bench.message), _each(bench, size, lambda: word)
        add(costs, "bus_jetstream_stamp", size, stamp)
        told.subscribe(bench.names.again)
        nobody = _each(bench, size, lambda: published(f"{bench.names.root}.nobody", b"ack 1 1 1"))
        again = _each(bench, size, lambda: published(bench.names.again, b"ack 1 1 1"))
        told.send(b"UNSUB 1\r\n")
        add(costs, "bus_jetstream_command", size, nobody)
        add(costs, "bus_jetstream_word", size, max(again, heard) - nobody)
        add(costs, "bus_jetstream_read", size, _each(bench, size, lambda: _question(bench)))
        delivered, acknowledged = _consumed(bench, links, size)
        add(costs, "bus_jetstream_publish", size, (delivered - stamp) / CONSUMERS)
        add(costs, "bus_jetstream_ack", size, acknowledged)
    for link in (*links, told):
        link.close()


def _each(bench: JetstreamBench, size: int, one: Callable[[], bytes]) -> float:
    """Return the CPU seconds of the server for one of so many items at once."""
    return median([bench.serve(b"".join(one() for _ in range(size))) for _ in range(BATCHES[size])]) / size


def _question(bench: JetstreamBench) -> bytes:
    """Return a question for what came after a position, as a node asks it: one message."""
    info = published(f"{API}.STREAM.INFO.{STREAM}", b"", ANSWERS)
    asked = json.dumps({"seq": bench.stored, "batch": 1}).encode()
    return info + published(f"{API}.DIRECT.GET.{STREAM}", asked, ANSWERS)


def _consumed(bench: JetstreamBench, links: list[PlainNats], size: int) -> tuple[float, float]:
    """Return the CPU seconds of the server for a message that goes to all consumers, and for one acknowledgement."""
    for number, link in enumerate(links, 1):
        link.subscribe(bench.names.to(number))
        config = {
            "durable_name": f"plain-{number}",
            "deliver_subject": bench.names.to(number),
            "deliver_policy": "new",
            "ack_policy": "explicit",
            "ack_wait": 3_600_000_000_000,
            "max_ack_pending": 100_000,
        }
        name = f"CONSUMER.DURABLE.CREATE.{STREAM}.plain-{number}"
        bench.plain.ask(f"{API}.{name}", {"stream_name": STREAM, "config": config})
        link.drain()
    delivered, acknowledged = [], []
    for _ in range(BATCHES[size]):
        delivered.append(bench.serve(b"".join(bench.message() for _ in range(size))) / size)
        acks = [_acks(link.drain()) for link in links]
        acknowledged.append(bench.serve(b"".join(acks[0])) / max(1, len(acks[0])))
        bench.serve(b"".join(one for more in acks[1:] for one in more))
    for number, link in enumerate(links, 1):
        bench.plain.ask(f"{API}.CONSUMER.DELETE.{STREAM}.plain-{number}", {})
        link.send(b"UNSUB 1\r\n")
    return median(delivered), median(acknowledged)


def _acks(data: bytes) -> list[bytes]:
    """Return the acknowledgements of all messages in what has come."""
    replies = [line.split()[3].decode() for line in data.split(b"\r\n") if line.startswith(b"HMSG ")]
    return [published(reply, b"+ACK") for reply in replies]


def _cluster(scenario: Scenario, costs: MeasuredCosts) -> None:
    """Measure what a message costs the leader of a stream with two followers more, and each of these."""
    place = placement.placement(scenario)
    settings = broadcast.Bus.model_validate({"kind": "jetstream", "persist": True, "jetstream": {"replicas": 3}})
    with watched() as stage:
        cluster = NatsCluster(stage, placement.free_ports(1)[0], place.cluster, settings)
        cluster.wait_ready(READY_WITHIN)
        names, asked = Names("calibration:"), StreamSettings(**cluster.told()["stream"])
        first = PlainNats(cluster.servers[0])
        first.ask(f"{API}.STREAM.CREATE.{STREAM}", stream_of(names, asked))
        first.close()
        leader = _led(cluster)
        parts = [leader.part, *(one.part for one in cluster.servers if one is not leader)]
        pids = [part.pid for part in parts if part is not None]
        link = PlainNats(leader)
        link.subscribe(ANSWERS, 7)
        number = 0
        for _ in range(WARM):
            number = _replicated(link, names, pids, number, SIZES[-1])[0]
        for size in SIZES:
            costs.now = pace_of(place)
            spent = []
            for _ in range(BATCHES[size]):
                number, seconds = _replicated(link, names, pids, number, size)
                spent.append(seconds)
            of_leader, *of_followers = (median(list(one)) / size for one in zip(*spent, strict=True))
            add(costs, "bus_jetstream_replicate", size, of_leader - costs["bus_jetstream_stamp"][size][-1])
            add(costs, "bus_jetstream_follow", size, sum(of_followers) / len(of_followers))
        link.close()


def _led(cluster: NatsCluster) -> NatsServer:
    """Wait until the stream has a leader, and return it."""
    deadline = time.monotonic() + READY_WITHIN
    while (leader := cluster.leader()) is None:
        if time.monotonic() > deadline:
            raise ClusterError("calibration: nobody leads the stream.")
        time.sleep(PAUSE)
    return leader


def _replicated(link: PlainNats, names: Names, pids: list[int], number: int, size: int) -> tuple[int, list[float]]:
    """Let the leader read messages that have gathered; return the last number, and the CPU seconds of all servers."""

    def cpu() -> list[float]:
        return [process_cpu_ns(pid) / 1e9 for pid in pids]

    Bench.stop(pids[0])
    for one in range(number + 1, number + size + 1):
        headers = {"Nats-Msg-Id": str(one)}
        link.send(published(names.log, kept(one, bytes(SMALL_PAYLOAD)), ANSWERS, headers))
    before = at_rest(cpu, lambda: pids)
    Bench.go_on(pids[0])
    time.sleep(LATER)
    spent = [after - start for after, start in zip(at_rest(cpu, lambda: pids), before, strict=True)]
    link.drain()
    return number + size, spent


def _start(bench: JetstreamBench) -> float:
    """Kill the server, start it again, and return how long it takes until it answers, in seconds."""
    bench.bus.kill()
    began = time.monotonic()
    bench.bus.start_again()
    bench.bus.wait_ready(READY_WITHIN)
    return time.monotonic() - began
