"""HAProxy's active checks of the nodes, in the model."""

from sim.balancer.balancer import Balancer
from sim.node.node import Node
from sim.ports import Work
from twin.rules.health import ActiveCheck, first_check
from twin.scenario.balancer.haproxy import HAProxy


def check(balancer: Balancer, haproxy: HAProxy, server: int, phase: float, overhead: float) -> Work[None]:
    """Check one server for ever, as HAProxy does.

    Args:
        balancer: who checks.
        haproxy: its settings.
        server: from 0.
        phase: when server 0 is checked first, in seconds from now.
        overhead: seconds that a check takes besides.
    """
    env, settings = balancer.env, haproxy.check
    generation, life = balancer.generation, balancer.life
    counter = ActiveCheck(settings.fall, settings.rise, fresh=generation > 0)
    spread = first_check(server, len(balancer.up), settings.inter)
    yield env.timeout((phase + spread) % settings.inter)
    while generation == balancer.generation:
        passed = balancer.parts.may_check(server) and (yield from probe(haproxy, balancer.nodes[server]))
        if life != balancer.life or generation != balancer.generation:
            return
        change = counter.result(passed)
        if change:
            balancer.mark(server, change == "up", "check")
        yield env.timeout(settings.inter + overhead)


def probe(settings: HAProxy, node: Node) -> Work[bool]:
    """Ask a node for /healthz and return whether it answered in time.

    A check whose SYN gets no answer ends after the smaller of `timeout connect` and `inter`. Source: HAProxy
    manual, `timeout check`; src/check.c (`process_chk_conn`).
    """
    env = node.env
    if node.dark:
        yield env.timeout(min(settings.connect_timeout, settings.check.inter))
        return False
    if not node.listening:
        return False
    done = node.process.work(node.costs.handshake)
    late = env.timeout(settings.check.timeout)
    yield done | late
    return bool(done.processed) and node.ready
