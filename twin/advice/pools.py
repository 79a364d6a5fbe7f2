"""Pools of connections that are too small for what borrows from them."""

from twin.rules.queues import erlang_c
from twin.scenario.scenario import Scenario

FULL = 0.95
"""Share of a pool in use from which its waits are said beforehand."""


def pool_advice(scenario: Scenario) -> list[str]:
    """Return one sentence when the uses of each node by themselves, handshakes left aside, nearly fill its pool."""
    pool = scenario.nodes.pool
    if pool is None:
        return []
    load = pool.rate * pool.service.mean
    if load < FULL * pool.size:
        return []
    said = f"nodes.pool.rate {pool.rate:g} x nodes.pool.service {pool.service.mean:g} s needs {load:.3g} connections"
    if load >= pool.size:
        return [f"{said}, and nodes.pool.size is {pool.size}: waits grow until they time out."]
    return [f"{said} of nodes.pool.size {pool.size}: {erlang_c(pool.size, load):.0%} of the uses wait (Erlang C)."]
