"""How a node's process ends, and how a new one takes its place.

Each of these goes on only as long as the process lives on which it acts: a fault that comes meanwhile may end that.
"""

from functools import partial

import simpy

from sim.node.node import POLL, Node
from sim.ports import Work
from twin.costs.profile import FIRST_TABLE


def kill(node: Node) -> Work[None]:
    """SIGKILL: the kernel frees the memory, then closes the sockets one by one; in between others may come.

    Source: Linux, `task_work_run` in kernel/task_work.c (cond_resched).
    """
    costs, leaders = node.costs, node.runtime.leaders(node.processes)
    left = len(leaders)
    node.half_closed = 0
    for part in node.parts:
        part.ended("killed")

    def gone(_: simpy.Event) -> None:
        nonlocal left
        left -= 1
        if not left:
            node.state = "dead"
            node.stop_listening()

    ends: list[simpy.Event] = []
    for process in node.processes:
        process.clear()
        process.resume()
    for process in leaders:
        ends.append(process.work(costs.exit_delay, gone))
        threads = node.runtime.further_threads
        process.threads, process.threads_place = threads, process.deadline - process.cores.time_slice
    for tunnel in node.tunnels:
        process = node.runtime.leader(node.processes, tunnel.worker)
        ends.append(process.work(costs.exit, partial(node.closed, tunnel)))
    yield ends[-1] if len(leaders) == 1 else node.env.all_of(ends)
    node.stopped()


def restart(node: Node) -> Work[None]:
    """SIGTERM: stop listening, say 1001 to everybody, end, start a new process.

    A process that hangs does so when it goes on. One that starts has no handler yet: the signal ends it at once. Where
    there is none, one is started.
    """
    life = node.life
    if node.standing.phase == "dead":
        yield from start(node, "restart")
        return
    while node.hung and node.life == life:
        yield node.env.timeout(POLL)
    if node.life != life:
        return
    if node.standing.phase == "starting":
        for process in node.processes:
            process.clear()
        yield from _renew(node)
        return
    node.state = "stopping"
    for part in node.parts:
        part.ended("restarted")
    node.stop_listening()
    for tunnel in list(node.tunnels):
        if not tunnel.closing:
            node.close(tunnel, "1001")
    yield from emptied(node)
    yield from end(node, life)


def emptied(node: Node) -> Work[None]:
    """Wait until the last connection of a node that closes all is gone, or has not answered its close frame in time.

    Another fault may end that wait.
    """
    env, life, state = node.env, node.life, node.state
    deadline = env.now + node.runtime.close_timeout

    def goes_on() -> bool:
        return node.life == life and node.state == state

    while goes_on() and (node.tunnels or node.half_closed) and (node.hung or env.now < deadline):
        yield env.timeout(POLL)
    if goes_on():
        for tunnel in list(node.tunnels):
            node.drop(tunnel)


def end(node: Node, life: int) -> Work[None]:
    """The last connection is gone: end, unless the node has been killed meanwhile, and start anew.

    Args:
        node: the node.
        life: of the process that is to end.
    """
    yield node.env.timeout(node.times.stop)
    while node.hung and node.life == life:
        yield node.env.timeout(POLL)
    if node.life == life:
        yield from _renew(node)


def _renew(node: Node) -> Work[None]:
    """The process is gone: start a new one, which ends what the old one was told, unless the node leaves for good."""
    ordered, leaves = node.standing.order, node.standing.leaving
    node.state = "dead"
    node.half_closed = 0
    node.standing.ended(returns=True)
    node.stopped()
    if not leaves:
        yield from start(node, ordered)


def join(node: Node) -> Work[None]:
    """Start the process of a node that is new or was killed."""
    node.run.note("node_starting", node=node.number)
    yield from start(node)


def start(node: Node, heals: str = "") -> Work[None]:
    """Start a new process; it listens unless another fault ends it before.

    Args:
        node: the node.
        heals: the fault that is over then, empty if none of this node is.
    """
    life = node.standing.boots()
    yield from _boot(node)
    if not node.standing.listens(life):
        return
    node.state, node.ready = "up", True
    node.run.note("node_started", node=node.number)
    for part in node.parts:
        part.started(healed=bool(heals))
    if heals:
        node.run.note("healed", node=node.number, detail=heals)


def _boot(node: Node) -> Work[None]:
    """The interpreter and what it loads keep the node's core busy until it listens."""
    life = node.life
    for process in node.runtime.leaders(node.processes):
        for piece in process.work_through(node.costs.start):
            yield piece
            if node.life != life:
                return
    node.opening = 0
    node.table = FIRST_TABLE
