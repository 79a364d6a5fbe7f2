"""What the parts cost: CPU time that the kernel booked on one process for a known number of items.

A stopped node (SIGSTOP) splits a handshake: while it is stopped the client can do only its first half.
"""

import os
import signal
import socket
import time

from live import host
from live.workbench import Bench
from twin.errors import ClusterError
from twin.profile import LEVELS

Costs = dict[str, dict[int, list[float]]]
"""For each part and number of items at once the repeated measurements, in seconds an item."""

DEATH_LEVELS = (1, 64, 256)
BATCHES = {1: 10, 16: 4, 64: 2, 256: 1}
"""How many batches of each size one measurement does. Those of one item are averaged, the larger ones stand each for
itself, so that the spread between them shows how the speed of the core changes."""


def measure(bench: Bench, costs: Costs) -> None:
    """Measure every part once and append the figures."""
    for level in LEVELS:
        handshakes(bench, costs, level)
        refusals(bench, costs, level)
    for level in LEVELS:
        accepts(bench, costs, level)
    deaths(bench, costs)


def handshakes(bench: Bench, costs: Costs, level: int) -> None:
    """Measure an opening handshake in all three processes, and which share of the client's comes before the answer."""
    idle, batches = bench.overhead(), BATCHES[level]
    whole = [_handshake_batch(bench, level, idle) for _ in range(batches)]
    before, after = 0.0, 0.0
    for _ in range(batches):
        one, other = _stopped_batch(bench, level)
        before += max(0.0, one - idle)
        after += other
    share = before / (before + after)
    if level == 1:
        whole = [tuple(sum(column) / batches for column in zip(*whole, strict=True))]
    for client, balancer, node in whole:
        _add(costs, "client_request", level, share * client / level)
        _add(costs, "client_open", level, (1.0 - share) * client / level)
        _add(costs, "balancer_response", level, balancer / level)
        _add(costs, "node_handshake", level, node / level)


def _handshake_batch(bench: Bench, level: int, idle: float) -> tuple[float, float, float]:
    """Return the CPU seconds of client, balancer and node for a batch of handshakes."""
    start = bench.cpu()
    bench.client.tell(port=bench.port, batch=level)
    if bench.client.hear(30)["failed"]:
        raise ClusterError("calibration: a handshake failed.")
    bench.settle()
    client, balancer, node = (after - before for after, before in zip(bench.cpu(), start, strict=True))
    return max(0.0, client - idle), balancer, node


def _stopped_batch(bench: Bench, level: int) -> tuple[float, float]:
    """Return the client's CPU seconds before and after the node's answers, which are held back meanwhile."""
    start = bench.cpu()[0]
    os.kill(bench.node.pid, signal.SIGSTOP)
    bench.client.tell(port=bench.port, batch=level)
    time.sleep(0.004)
    bench.settle()
    middle = bench.cpu()[0]
    os.kill(bench.node.pid, signal.SIGCONT)
    if bench.client.hear(30)["failed"]:
        raise ClusterError("calibration: a handshake failed.")
    bench.settle()
    return middle - start, bench.cpu()[0] - middle


def refusals(bench: Bench, costs: Costs, level: int) -> None:
    """Measure a handshake that the balancer answers with 503; what comes before the answer is known already.

    The balancer's share of a refusal is what every request costs it before it has a node; the rest of a handshake is
    the relay of the answer.
    """
    times = max(2, 384 // level)
    client, balancer = bench.client.cpu_ns(), bench.refusing.cpu_ns()
    bench.client.tell(port=bench.refusing_port, batch=level, times=times)
    if bench.client.hear(30)["opened"]:
        raise ClusterError("calibration: a connection that must be refused was not.")
    bench.settle()
    items = times * level
    whole = (bench.client.cpu_ns() - client) / 1e9 / items
    _add(costs, "client_refused", level, max(0.0, whole - _median(costs["client_request"][level])))
    refused = (bench.refusing.cpu_ns() - balancer) / 1e9 / items
    _add(costs, "balancer_refused", level, refused)
    responses, batches = costs["balancer_response"][level], 1 if level == 1 else BATCHES[level]
    responses[-batches:] = [max(0.1 * both, both - refused) for both in responses[-batches:]]


def accepts(bench: Bench, costs: Costs, level: int) -> None:
    """Measure what accepting a bare connection costs the node; the rest of a handshake is reading and answering."""
    batches = BATCHES[level]
    used = 0
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
    cost = used / 1e9 / batches / level
    _add(costs, "node_accept", level, cost)
    answers, count = costs["node_handshake"][level], 1 if level == 1 else batches
    answers[-count:] = [max(0.1 * both, both - cost) for both in answers[-count:]]


def deaths(bench: Bench, costs: Costs) -> None:
    """Measure what the end of a node costs everybody: killed, and asked to end."""
    bench.drop()
    empty = bench.kill(0)[2]
    _add(costs, "exit_delay", 16, exit_delay(bench))
    bare = bench.terminate(0)
    for level in DEATH_LEVELS:
        client, balancer, node = bench.kill(level)
        _add(costs, "client_closed", level, client / level)
        _add(costs, "balancer_close", level, balancer / level)
        if level > 1:
            _add(costs, "node_exit", level, max(0.0, node - empty) / level)
        spent, relayed, said, left, _ = bench.terminate(level)
        _add(costs, "client_goodbye", level, max(0.0, spent - client) / level)
        _add(costs, "balancer_frame", level, max(0.0, relayed - balancer) / 2 / level)
        _add(costs, "node_goodbye", level, said / level)
        _add(costs, "node_leave", level, max(0.0, left - bare[3]) / level)


def exit_delay(bench: Bench) -> float:
    """Return the seconds from SIGKILL until the kernel has closed the first of some raw connections."""
    raw = [socket.create_connection(("127.0.0.1", bench.node_port)) for _ in range(32)]
    bench.settle()
    with host.pinned(bench.place.clients):
        began = time.monotonic()
        os.kill(bench.node.pid, signal.SIGKILL)
        raw[0].recv(1)
        took = time.monotonic() - began
    for one in raw:
        one.close()
    bench.reap()
    bench.replace()
    return took


def _add(costs: Costs, name: str, level: int, value: float) -> None:
    costs.setdefault(name, {}).setdefault(level, []).append(value)


def _median(values: list[float]) -> float:
    return sorted(values)[len(values) // 2]
