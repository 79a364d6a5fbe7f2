"""What the parts cost: CPU time that the kernel booked on one process for a known number of items.

Stopped processes (SIGSTOP) take a handshake apart: the items gather before the next process, which then does its part
of all of them, and nobody else runs. What the processes lose by waking each other up is measured by itself.
"""

import contextlib
import os
import signal
import socket
import time

from live.calibration.messages import Abandon, AllLost, AwaitLoss, OpenBatch, Opened
from live.calibration.workbench import Bench, MeasuredCosts, check_opened, mean_pace
from live.machine import placement
from live.node.messages import Closed
from twin.costs.curve import LEVELS
from twin.errors import ClusterError

DEATH_LEVELS = (1, 64, 256)
"""Numbers of connections with which a node ends."""
LEAST_LEFT = 0.1
"""Least share of a handshake that is left when its accept, measured at another moment, has been taken off."""
BATCHES = {1: 6, 16: 4, 64: 2, 256: 1}
"""How many batches of each size one measurement does. Those of one item are averaged, the larger ones stand each for
itself: their spread, beside the core's pace at each of them, shows how much a slow core costs."""
PING_ALONE = 0.05
"""Seconds after which a ping has long reached its node, and a client of the bench gives that up."""
SERIES = 32
"""Handshakes that are done one after the other."""


def measure(bench: Bench, costs: MeasuredCosts, wakes: dict[str, list[float]]) -> None:
    """Measure every part once and append the figures; `wakes` has a list for client, node and the balancer's kind."""
    for level in LEVELS:
        if level > LEVELS[1]:
            bench.drop()  # no more connections are open than the tables of open files hold
        handshakes(bench, costs, level)
        refusals(bench, costs, level)
    for level in LEVELS:
        accepts(bench, costs, level)
        balancer_accepts(bench, costs, level)
    wake_ups(bench, costs, wakes)
    deaths(bench, costs)


def handshakes(bench: Bench, costs: MeasuredCosts, level: int) -> None:
    """Measure an opening handshake step by step: at each step `level` items have gathered before a process that was
    stopped, and it goes on alone.
    """
    idle, batches = bench.overhead(), BATCHES[level]
    paces, steps = [bench.pace()], []
    for _ in range(batches):
        steps.append(_gathered_handshakes(bench, level))
        paces.append(bench.pace())
    if level == 1:
        steps = [[sum(column) / batches for column in zip(*steps, strict=True)]]
    for i, (request, passed, answered, relayed, opened) in enumerate(steps):
        pace = mean_pace(paces if level == 1 else paces[i : i + 2])
        costs.add("client_request", level, max(0.0, request - idle) / level, pace)
        costs.add("balancer_request", level, passed / level, pace)
        costs.add("node_handshake", level, answered / level, pace)
        costs.add("balancer_response", level, relayed / level, pace)
        costs.add("client_open", level, opened / level, pace)


def _gathered_handshakes(bench: Bench, level: int) -> list[float]:
    """Return the CPU seconds of each step: client, balancer, node, balancer, client."""
    client, node, balancer = bench.client.pid, bench.node.pid, bench.balancer.forwarder()
    bench.stop(node, balancer)
    spent = [bench.cpu()]
    bench.client.tell(OpenBatch(level, bench.port))
    spent.append(bench.settle())
    bench.go_on(balancer)
    spent.append(bench.settle())
    bench.stop(balancer)
    bench.go_on(node)
    spent.append(bench.settle())
    bench.stop(client)
    bench.go_on(balancer)
    spent.append(bench.settle())
    bench.go_on(client)
    check_opened(bench.client.hear(Opened, 30))
    spent.append(bench.settle())
    who = (0, 1, 2, 1, 0)  # client, balancer, node: as in bench.cpu()
    return [spent[step + 1][i] - spent[step][i] for step, i in enumerate(who)]


def refusals(bench: Bench, costs: MeasuredCosts, level: int) -> None:
    """Measure a request that the balancer answers with 503, in the balancer (from accepting it to closing) and in the
    client (from the answer on).
    """
    batches, balancer, client = BATCHES[level], bench.refusing.forwarder(), bench.client.pid
    found, paces = [], [bench.pace()]
    for _ in range(batches):
        bench.stop(balancer)
        bench.client.tell(OpenBatch(level, bench.refusing_port))
        bench.settle()
        bench.stop(client)
        before = bench.refusing.cpu_ns()
        bench.go_on(balancer)
        bench.settle(bench.refusing.cpu_ns)
        refused = (bench.refusing.cpu_ns() - before) / 1e9
        start = bench.cpu()[0]
        bench.go_on(client)
        if bench.client.hear(Opened, 30).opened:
            raise ClusterError("calibration: a connection that must be refused was not.")
        found.append((bench.settle()[0] - start, refused))
        paces.append(bench.pace())
    if level == 1:
        found = [(sum(one for one, _ in found) / batches, sum(other for _, other in found) / batches)]
    for i, (read, refused) in enumerate(found):
        pace = mean_pace(paces if level == 1 else paces[i : i + 2])
        costs.add("client_refused", level, read / level, pace)
        costs.add("balancer_refused", level, refused / level, pace)


def wake_ups(bench: Bench, costs: MeasuredCosts, wakes: dict[str, list[float]]) -> None:
    """Measure what it costs a process to be woken for a single item, its caches warm.

    In a series of handshakes, one after the other, each process wakes up for every item, and never works beside
    another. What such a handshake costs more than one of many that gathered is that: a share of what the items that
    find the process asleep cost more when they are alone and it is cold.
    """
    level = LEVELS[-2]
    bench.drop()
    start, before = bench.settle(), bench.pace()
    bench.client.tell(OpenBatch(SERIES, bench.port, together=False))
    check_opened(bench.client.hear(Opened, 30))
    each = [(after - then) / SERIES for after, then in zip(bench.settle(), start, strict=True)]
    pace = mean_pace([before, bench.pace()])
    relays = ("balancer_accept", "balancer_request", "balancer_response")
    for name, parts, asleep, whole in (
        ("client", ("client_request", "client_open"), ("client_open",), each[0]),
        (bench.kind, relays, relays, each[1]),
        ("node", ("node_accept", "node_handshake"), ("node_accept",), each[2]),
    ):
        more = whole - sum(costs.at(part, level, pace) for part in parts)
        cold = sum(costs.at(part, 1, pace) - costs.at(part, level, pace) for part in asleep)
        wakes[name].append(min(1.0, max(0.0, more / cold)) if cold > 0.0 else 0.0)


def balancer_accepts(bench: Bench, costs: MeasuredCosts, level: int) -> None:
    """Measure what it costs the balancer to accept a bare connection, on which nothing comes yet."""
    balancer = bench.balancer.forwarder()
    used, paces = 0.0, [bench.pace()]
    for _ in range(BATCHES[level]):
        bench.stop(balancer)
        before = bench.settle()[1]
        raw = [socket.create_connection(("127.0.0.1", bench.port)) for _ in range(level)]
        bench.go_on(balancer)
        used += bench.settle()[1] - before
        for one in raw:
            one.close()
        bench.settle()
        paces.append(bench.pace())
    costs.add("balancer_accept", level, used / BATCHES[level] / level, mean_pace(paces))


def accepts(bench: Bench, costs: MeasuredCosts, level: int) -> None:
    """Measure what accepting a bare connection costs the node; the rest of a handshake is reading and answering."""
    batches = BATCHES[level]
    used, paces = 0, [bench.pace()]
    for _ in range(batches):
        bench.settle()
        before = bench.node.cpu_ns()
        os.kill(bench.node.pid, signal.SIGSTOP)
        raw = [socket.create_connection(("127.0.0.1", bench.node_port)) for _ in range(level)]
        os.kill(bench.node.pid, signal.SIGCONT)
        bench.settle()
        used += bench.node.cpu_ns() - before
        for one in raw:
            one.close()
        paces.append(bench.pace())
    cost = used / 1e9 / batches / level
    costs.add("node_accept", level, cost, mean_pace(paces))
    answers, count = costs["node_handshake"][level], 1 if level == 1 else batches
    answers[-count:] = [max(LEAST_LEFT * both, both - cost) for both in answers[-count:]]


def deaths(bench: Bench, costs: MeasuredCosts) -> None:
    """Measure what the end of a node costs everybody: killed, and asked to end. Each step waits for the one before."""
    bench.drop()
    killed = bench.kill()
    before = bench.pace()
    costs.add("exit_delay", 16, exit_delay(bench), mean_pace([before, bench.pace()]))
    for level in DEATH_LEVELS:
        _killed(bench, costs, level, killed)
        _ended(bench, costs, level)
        _abandoned(bench, costs, level)
        if bench.balancer.cuts:
            _cut(bench, costs, level)


def _killed(bench: Bench, costs: MeasuredCosts, level: int, empty: float) -> None:
    """Kill a node with `level` connections; `empty` are the CPU seconds of the end of one without any."""
    client, balancer = bench.client.pid, bench.balancer.forwarder()
    paces = [bench.pace()]
    before = bench.connect(level)
    bench.stop(client, balancer)
    os.kill(bench.node.pid, signal.SIGKILL)
    exited = bench.reap() - before[2] - empty
    start = bench.settle()
    bench.go_on(balancer)
    relayed = bench.settle()
    bench.client.tell(AwaitLoss())
    bench.go_on(client)
    bench.client.hear(AllLost, 30)
    lost = bench.settle()
    bench.replace()
    pace = mean_pace([*paces, bench.pace()])
    if level > 1:
        costs.add("node_exit", level, max(0.0, exited) / level, pace)
    costs.add("balancer_close", level, (relayed[1] - start[1]) / level, pace)
    costs.add("client_closed", level, (lost[0] - relayed[0]) / level, pace)
    costs.add("balancer_release", level, (lost[1] - relayed[1]) / level, pace)


def _ended(bench: Bench, costs: MeasuredCosts, level: int) -> None:
    """End a node with `level` connections by SIGTERM.

    The close frames go to the clients, their answers to the node, the node ends its half of each connection, the
    clients end theirs, and the node closes. It says itself how much CPU time it had used when it was done; its end
    comes after that.
    """
    client, node, balancer = bench.client.pid, bench.node.pid, bench.balancer.forwarder()
    paces = [bench.pace()]
    start = bench.connect(level)
    bench.stop(client, balancer)
    os.kill(node, signal.SIGTERM)
    said = bench.settle()
    bench.stop(node)
    bench.go_on(balancer)
    there = bench.settle()
    bench.stop(balancer)
    bench.go_on(client)
    answered = bench.settle()
    bench.go_on(balancer)
    back = bench.settle()
    bench.stop(client, balancer)
    bench.go_on(node)
    halves = bench.settle()
    bench.stop(node)
    bench.client.tell(AwaitLoss())
    bench.go_on(client, balancer)
    bench.client.hear(AllLost, 30)
    bench.settle()
    bench.go_on(node)
    forgot = bench.node.hear(Closed).cpu - halves[2]
    bench.reap()
    bench.settle()
    bench.replace()
    pace = mean_pace([*paces, bench.pace()])
    costs.add("node_goodbye", level, (said[2] - start[2]) / level, pace)
    costs.add("balancer_frame", level, (there[1] - said[1] + back[1] - answered[1]) / 2 / level, pace)
    costs.add("client_goodbye", level, (answered[0] - there[0]) / level, pace)
    costs.add("node_leave", level, (halves[2] - said[2]) / level, pace)
    costs.add("node_forget", level, max(0.0, forgot) / level, pace)


def _abandoned(bench: Bench, costs: MeasuredCosts, level: int) -> None:
    """Let `level` clients ping a node that stands still, and then give it up, as one does that waits for its pong; what
    the node then finds costs it, and the balancer after it.
    """
    paces = [bench.pace()]
    bench.connect(level)
    bench.stop(bench.node.pid)
    bench.client.tell(Abandon(PING_ALONE))
    bench.client.tell(AwaitLoss())
    bench.client.hear(AllLost, 30)
    start = bench.settle()
    bench.go_on(bench.node.pid)
    end = bench.settle()
    pace = mean_pace([*paces, bench.pace()])
    costs.add("node_abandoned", level, (end[2] - start[2]) / level, pace)
    costs.add("balancer_abandoned", level, (end[1] - start[1]) / level, pace)


def _cut(bench: Bench, costs: MeasuredCosts, level: int) -> None:
    """Let HAProxy cut `level` tunnels, as it does at a mark-down with shutdown-sessions and at the end of a reload."""
    client, node = bench.client.pid, bench.node.pid
    before = bench.pace()
    bench.connect(level)
    bench.stop(client, node)
    start = bench.settle()
    bench.balancer.cut(1)
    cut = bench.settle()
    bench.client.tell(AwaitLoss())
    bench.go_on(client, node)
    bench.client.hear(AllLost, 30)
    bench.settle()
    costs.add("haproxy_cut", level, (cut[1] - start[1]) / level, mean_pace([before, bench.pace()]))


def exit_delay(bench: Bench) -> float:
    """Return the seconds from SIGKILL until the kernel has closed the first of some raw connections of a new node."""
    bench.replace(grown=False)
    raw = [socket.create_connection(("127.0.0.1", bench.node_port)) for _ in range(32)]
    bench.settle()
    with placement.pinned(bench.place.clients):
        began = time.monotonic()
        os.kill(bench.node.pid, signal.SIGKILL)
        with contextlib.suppress(ConnectionResetError):  # which the node had not accepted yet
            raw[0].recv(1)
        took = time.monotonic() - began
    for one in raw:
        one.close()
    bench.reap()
    bench.replace()
    return took
