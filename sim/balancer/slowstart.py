"""A server that comes back gets its weight step by step."""

from sim.ports import Servers, Work
from twin.rules.choice import FULL_WEIGHT, WARM_UP_STEP, slowstart_weight


def slowstart(balancer: Servers, server: int, seconds: int) -> Work[None]:
    """Raise the weight of a server that was just marked up, until it is full or the server is marked down again.

    Args:
        balancer: the balancer; a reload ends this, because the new process knows nothing of it.
        server: from 0.
        seconds: the setting `slowstart`.
    """
    rule, steps, weight = balancer.rule, 0, 0
    balancer.risen[server] += 1
    mine = balancer.risen[server]
    while weight < FULL_WEIGHT:
        weight = slowstart_weight(steps, seconds)
        rule.weigh(server, weight)
        yield balancer.env.timeout(WARM_UP_STEP)
        steps += 1
        if rule is not balancer.rule or not balancer.up[server] or balancer.risen[server] != mine:
            return
