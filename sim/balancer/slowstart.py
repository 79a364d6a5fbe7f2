"""A server that comes back gets its weight step by step."""

from typing import TYPE_CHECKING

from twin.rules.choice import FULL_WEIGHT, WARM_UP_STEP, slowstart_weight

if TYPE_CHECKING:
    import simpy

    from sim.ports import Servers


def slowstart(balancer: "Servers", server: int, seconds: int) -> "simpy.events.ProcessGenerator":
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
