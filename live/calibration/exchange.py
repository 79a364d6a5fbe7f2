"""What node, bus and publisher spend on each other: commands and words, taken apart while nobody else runs.

A process that is stopped lets what is sent to it gather, and one whose partner is stopped gets no answer: so sending
and reading the answer are told apart. What an answer costs is the whole exchange, undisturbed, less what comes before
it, because after a stop it would find a colder process than it does in a run.
"""

import time
from statistics import median
from typing import TYPE_CHECKING, Protocol

from live.broadcast.broadcast import Broadcast
from live.broadcast.broker import body
from live.broadcast.bus import plain_link
from live.broadcast.messages import Publish
from live.calibration import rounds
from live.calibration.common import BATCHES, PAYLOAD, PUBLISHED, RATE, add
from live.calibration.workbench import Bench, MeasuredCosts, mean_pace, pace_of
from live.control.messages import Nothing
from live.control.process import ChildProcess
from live.control.resp import encode
from twin.costs.curve import LEVELS
from twin.errors import ClusterError
from twin.rules.delivery import Message
from twin.rules.output_buffer import CHUNK

if TYPE_CHECKING:
    from live.calibration.delivery_bench import DeliveryBench


class PublisherBench(Protocol):
    """A bench with a publisher; `settle` returns the CPU seconds that it has used in its fifth place."""

    broadcast: Broadcast
    server: ChildProcess

    def settle(self) -> list[float]:
        """Wait until nobody has anything to do, and return the CPU seconds that all have used so far."""
        ...


WARM = 4
"""Batches that are not counted, for a process that has not done such a thing before."""
PIECE, READ_BEFORE, MOST_PIECES = bytes(8192), 50, 10_000
"""What is published to see what a connection to the bus holds, how often to one who reads, and how often at most."""
SUBSCRIBERS = 8
"""Subscribers of a channel, to see what one costs."""
ATTEMPTS = 3
"""How often a publisher's single messages are tried on a busy machine."""


def measure(bench: "DeliveryBench", costs: MeasuredCosts) -> None:
    """Measure every exchange once and append the figures; no client must be connected yet."""
    _node(bench, costs)
    for level in LEVELS:
        costs.now = pace_of(bench.place)
        _bus(bench, costs, level)
    costs.now = pace_of(bench.place)
    _publisher(bench, costs)


def _node(bench: "DeliveryBench", costs: MeasuredCosts) -> None:
    """Measure a message that is pushed to a node: reading it, saying that it is fanned out, reading the bus's answer.

    A second node has a client that never confirms what it gets, so it reads and says nothing. What the first one, with
    such a client too, spends more is the saying.
    """
    node, silent, bus = bench.node.pid, bench.silent.pid, bench.server.pid
    for _ in range(WARM):
        _push(bench, LEVELS[1], node)
    until, answers, paces = {}, {}, {}
    for level in LEVELS:  # what is subtracted follows at once, because a core's speed changes
        paces[level] = pace_of(bench.place)
        pairs = [(_push(bench, level, node)[2], _push(bench, level, node, bus)[2]) for _ in range(BATCHES[level])]
        until[level] = median([before for _, before in pairs])
        answers[level] = median([whole - before for whole, before in pairs])
    costs.now = pace_of(bench.place)
    polls = [bench.fan_out(1)[0] - _push(bench, 1, node)[2] for _ in range(BATCHES[1])]
    add(costs, "node_poll", LEVELS[1], median(polls))
    bench.resume(silent)
    raw = [*rounds.upgrade(bench.node_port, 1), *rounds.upgrade(bench.silent_port, 1)]
    for level in LEVELS:
        words = []
        for _ in range(BATCHES[level]):
            said = _push(bench, level, node, bus)[2]
            bench.resume(silent)
            words.append(said - _push(bench, level, silent)[5])
            bench.resume(node)
        word = max(0.0, median(words))
        costs.now = mean_pace([paces[level], pace_of(bench.place)])
        add(costs, "node_receive", level, (until[level] - word) / level)
        add(costs, "node_ack", level, word / level)
        add(costs, "node_answer", level, answers[level] / level)
    for one in raw:
        one.close()
    bench.settle()


def _push(bench: "DeliveryBench", messages: int, reader: int, stopped: int = 0) -> list[float]:
    """Push messages to both nodes while they are stopped, let one go on, and return the CPU seconds of all processes.
    The other one stays stopped.

    Args:
        bench: with its processes.
        messages: how many.
        reader: process id of the node.
        stopped: a process that is stopped while the node works, 0 is none.
    """
    topic = bench.broadcast.topic
    epoch = int(str(bench.redis.hget(topic.head, "epoch"), "ascii"))  # type: ignore[arg-type]
    Bench.stop(bench.node.pid, bench.silent.pid)
    with bench.redis.pipeline(transaction=False) as pipeline:
        for _ in range(messages):
            number = bench.next_number()
            pipeline.publish(topic.again, body(Message(epoch, number, number, PAYLOAD)))
        pipeline.execute()
    before = bench.settle()
    if stopped:
        Bench.stop(stopped)
    Bench.go_on(reader)
    spent = [after - start for after, start in zip(bench.settle(), before, strict=True)]
    if stopped:
        bench.resume(stopped)
    return spent


def _bus(bench: "DeliveryBench", costs: MeasuredCosts, level: int) -> None:
    """Measure the commands of the bus."""
    topic = bench.broadcast.topic
    aside = type(topic)(topic.prefix + "aside:", topic.max_length, topic.window)
    batches = range(BATCHES[level])

    def each(*command: str | bytes | int) -> float:
        return median([bench.serve([encode(*command)] * level) for _ in batches]) / level

    stamps = [[encode(*aside.stamp(bench.next_number(), PAYLOAD)) for _ in range(level)] for _ in batches]
    add(costs, "bus_stamp", level, median([bench.serve(commands) for commands in stamps]) / level)
    head = bench.redis.hgetall(aside.head)
    assert isinstance(head, dict)
    add(costs, "bus_read", level, each(*aside.read(int(head[b"epoch"]), int(head[b"version"]))))
    command = each("PUBLISH", aside.acks, PAYLOAD)
    add(costs, "bus_command", level, command)
    links = [plain_link(bench.bus.address) for _ in range(SUBSCRIBERS)]
    for link in links:
        link.sendall(encode("SUBSCRIBE", aside.fresh))
        link.recv(256)
    add(costs, "bus_publish", level, (each("PUBLISH", aside.fresh, PAYLOAD) - command) / SUBSCRIBERS)
    for link in links:
        link.close()


def _publisher(bench: "DeliveryBench", costs: MeasuredCosts) -> None:
    """Measure the publisher: words of nodes that have gathered; messages that it publishes one by one, every other one
    of them to a bus that is stopped and does not answer before the sending is over; and messages in a row, as after an
    outage.
    """
    publisher, topic = bench.broadcast.publisher, bench.broadcast.topic
    for level in LEVELS:
        spent = []
        for _ in range(BATCHES[level]):
            Bench.stop(publisher.pid)
            bench.serve([encode("PUBLISH", topic.acks, "ack 1 1 1")] * level)
            before = bench.settle()[4]
            Bench.go_on(publisher.pid)
            spent.append(bench.settle()[4] - before)
        add(costs, "publisher_ack", level, median(spent) / level)
    Bench.stop(bench.node.pid)  # nobody acknowledges
    sends, wholes = one_by_one(bench)
    late = median([catch_up(bench) for _ in range(BATCHES[PUBLISHED])]) / PUBLISHED
    Bench.go_on(bench.node.pid)
    bench.settle()
    whole = median(wholes)
    send = min(median(sends), whole)
    for level, both in ((1, whole), (PUBLISHED, late)):
        add(costs, "publisher_send", level, both * send / whole)
        add(costs, "publisher_answer", level, both * (1.0 - send / whole))


def one_by_one(bench: PublisherBench) -> tuple[list[float], list[float]]:
    """Return the CPU seconds of the publisher for messages that it only sent, and for those that were answered, too.

    A message that was due before the clock had been read, as this process waited for a core, says nothing.

    Raises:
        ClusterError: that was so with nearly all of them, again and again.
    """
    publisher = bench.broadcast.publisher
    for _ in range(ATTEMPTS):
        start = time.monotonic() + 0.1
        publisher.tell(Publish(start))
        spent: tuple[list[float], list[float]] = ([], [])
        for n in range(PUBLISHED):
            due = start + n / RATE
            time.sleep(max(0.0, due - 0.03 - time.monotonic()))
            before = bench.settle()[4]
            if n % 2:
                Bench.stop(bench.server.pid)
            in_time = time.monotonic() < due
            time.sleep(max(0.0, due + 0.004 - time.monotonic()))
            after = bench.settle()[4]
            if in_time:
                spent[1 - n % 2].append(after - before)
            Bench.go_on(bench.server.pid)
        if min(len(one) for one in spent) >= PUBLISHED // 8:
            return spent
    raise ClusterError("calibration: this machine is too busy to see what a single message costs the publisher.")


def catch_up(bench: PublisherBench) -> float:
    """Return the CPU seconds of the publisher for all its messages one after the other, since all of them are overdue.

    The broker knows their keys, so it stamps nothing; the publisher does not tell the difference. What it costs to send
    and to read the answer cannot be told apart here, as neither comes without the other: they are shared out as those
    of a message alone.
    """
    publisher, before = bench.broadcast.publisher, bench.settle()[4]
    publisher.tell(Nothing())
    idle = bench.settle()[4]
    publisher.tell(Publish(time.monotonic() - 2.0 * PUBLISHED / RATE))
    return bench.settle()[4] - 2.0 * idle + before


def bus_path_bytes(bench: "DeliveryBench") -> float:
    """Return the bytes that a connection to the bus takes for a subscriber that does not read: what was published to it
    before something waited in a block of the bus, less what the bus keeps in front of the blocks.

    The subscriber has read some messages before, because a socket that much is read from gets more room. Source: Linux,
    `tcp_rcv_space_adjust` in net/ipv4/tcp_input.c; `twin.rules.output_buffer`.
    """
    topic, name = bench.broadcast.topic, bench.broadcast.topic.prefix + "silent"
    channel = f"{topic.prefix}aside"
    size = len(encode("message", channel, PIECE))
    with plain_link(bench.bus.address, 10.0) as silent:
        silent.sendall(encode("CLIENT", "SETNAME", name) + encode("SUBSCRIBE", channel))
        told = b""
        while not told.endswith(b":1\r\n"):  # the end of what confirms the subscription
            told += silent.recv(1 << 10)
        for _ in range(READ_BEFORE):
            bench.redis.publish(channel, PIECE)
        left = READ_BEFORE * size
        while left > 0:
            left -= len(silent.recv(1 << 16))
        for n in range(1, MOST_PIECES):
            bench.redis.publish(channel, PIECE)
            found = [one for one in bench.redis.client_list() if one["name"] == name]
            if not found or int(found[0]["omem"]):
                return float(n * size - CHUNK)
    raise ClusterError("calibration: a connection to the bus took all that was published.")
