"""A balancer that takes over a new configuration: a new process beside the old one, which keeps its tunnels a while."""

from collections.abc import Sequence

from sim.balancer.balancer import Balancer
from sim.machine.process import Process
from sim.ports import Work
from twin.config.nginx import HANDOVER


def reload(balancer: Balancer) -> Work[None]:
    """Start a new generation with fresh counts and checks.

    The new process takes over when it has started, and the old one's time runs from then. The servers that a registrar
    has told survive: nginx reads them from its file, HAProxy from the state that the old process has saved. Sources:
    nginx, "Controlling nginx"; HAProxy 2.8 configuration manual, `load-server-state-from-file`.
    """
    life = balancer.life
    if not balancer.listening:
        return
    yield balancer.env.timeout(balancer.start_time)
    if life != balancer.life:
        return
    old = balancer.workers[-1]
    balancer.take_over()
    generation = balancer.generation
    told, pools = balancer.up, balancer.gray.is_next if balancer.gray is not None else ()
    balancer.forget()
    if balancer.run.scenario.registry is not None:
        keep(balancer, told, pools)
    balancer.start_checks(0.0)
    yield from hard_stop(balancer, old, generation)


def relist(balancer: Balancer, up: list[bool]) -> Work[None]:
    """Let a balancer take over a new list of peers: new workers, with counts of their own.

    Args:
        balancer: one that reloads its configuration for it.
        up: which peers are in the list.
    """
    yield balancer.env.timeout(balancer.start_time + HANDOVER)
    before, old = balancer.up, balancer.workers[-1]
    balancer.take_over()
    generation = balancer.generation
    balancer.forget()
    balancer.up = list(up)
    for server, (was, is_up) in enumerate(zip(before, up, strict=True), 1):
        if was != is_up:
            balancer.run.note("marked_up" if is_up else "marked_down", node=server, detail="registry")
    yield from hard_stop(balancer, old, generation)


def come_back(balancer: Balancer) -> Work[None]:
    """Start a new process on a machine that was gone, with fresh counts and checks.

    With a registry it has the servers that its configuration lists on disk: nginx's are there, and HAProxy's, which it
    was told over its runtime socket, are not.
    """
    yield balancer.env.timeout(balancer.start_time)
    balancer.listening = True
    before, none = balancer.up, [False] * len(balancer.up)
    balancer.forget()
    if balancer.run.scenario.registry is not None:
        keep(balancer, before if balancer.settings.relists else none, none)
    balancer.start_checks(0.0)


def keep(balancer: Balancer, up: Sequence[bool], pools: Sequence[bool]) -> None:
    """Let a new process have the servers that another one was told.

    Args:
        balancer: the balancer.
        up: which servers may get connections.
        pools: which of them belong to the next version of a gray release; any without one.
    """
    if balancer.gray is not None:
        balancer.gray.is_next = list(pools)
    for server, is_up in enumerate(up):
        if is_up != balancer.up[server]:
            balancer.up[server] = is_up
            balancer.rule.mark(server, is_up)


def hard_stop(balancer: Balancer, old: Process, generation: int) -> Work[None]:
    """Let an old process cut its tunnels when its time is over, in the order in which they were made.

    Args:
        balancer: the balancer.
        old: the process.
        generation: that of the new process.

    Sources: HAProxy, `hard_stop` in src/proxy.c (`hard-stop-after`); nginx, `worker_shutdown_timeout`.
    """
    life = balancer.life
    if not balancer.settings.hard_stop_after:
        return
    yield old.sleep(balancer.settings.hard_stop_after)
    if life != balancer.life:
        return
    nodes = balancer.nodes
    old_ones = [tunnel for node in nodes for tunnel in node.tunnels if tunnel.generation < generation]
    for tunnel in sorted(old_ones, key=lambda one: one.order):
        balancer.cut(tunnel, nodes[tunnel.server])
