"""Pools of connections: too small for what borrows from them, too large for their store, more patient than clients."""

from collections.abc import Iterator

from twin.advice.finding import Bite, LintFinding, found, rule
from twin.rules.queues import erlang_c
from twin.scenario.balancer.base import NEAR
from twin.scenario.scenario import Scenario

FULL = 0.95
"""Share of a pool in use from which its waits are said beforehand."""
STORE_TAKES = {"redis": 10_000, "postgresql": 97}
"""Connections that a store takes by default. Sources: Redis and Valkey, redis.conf (`maxclients`); PostgreSQL manual,
"Connections and Authentication" (`max_connections` 100, of which `superuser_reserved_connections` keeps 3)."""


@rule("pool-full", "Erlang, Solution of some problems in the theory of probabilities, 1917 (formula C)")
def pool_full(scenario: Scenario) -> Iterator[Bite]:
    """Yield the size of the pools when the uses of each node by themselves, handshakes left aside, nearly fill one."""
    pool = scenario.nodes.pool
    load = pool.rate * pool.service.mean if pool is not None else 0.0
    if pool is None or load < FULL * pool.size:
        return
    said = f"nodes.pool.rate {pool.rate:g} x nodes.pool.service {pool.service.mean:g} s needs {load:.3g} connections"
    if load >= pool.size:
        said += f", and nodes.pool.size is {pool.size}: waits grow until they time out."
    else:
        said += f" of nodes.pool.size {pool.size}: {erlang_c(pool.size, load):.0%} of the uses wait (Erlang C)."
    yield Bite("nodes.pool.size", f"{pool.size}", said, f"Set nodes.pool.size above {load / FULL:.0f}, or use less.")


@rule("pool-connections", "PostgreSQL manual, `max_connections`; Redis and Valkey, redis.conf, `maxclients`")
def pool_connections(scenario: Scenario) -> Iterator[Bite]:
    """Yield the size of the pools when all nodes together come near what their store takes."""
    pool = scenario.nodes.pool
    if pool is None:
        return
    need, has = pool.size * scenario.slots, STORE_TAKES[pool.store]
    if need >= NEAR * has:
        yield Bite(
            "nodes.pool.size",
            f"{pool.size}",
            f"{scenario.slots} nodes with nodes.pool.size {pool.size} open up to {need} connections, and the store "
            f"takes {has} by default.",
            "Raise that limit of the store, set nodes.pool.size lower, or put a pooler between them.",
        )


@rule("pool-wait", "websockets 17, asyncio/client.py (`open_timeout`); docs/model.md, Borrowing")
def pool_wait(scenario: Scenario) -> Iterator[Bite]:
    """Yield the wait for a pool that outlasts the client whose handshake waits."""
    pool, patience = scenario.nodes.pool, scenario.clients.open_timeout
    if pool is not None and pool.handshake and pool.timeout >= patience:
        yield Bite(
            "nodes.pool.timeout",
            f"{pool.timeout:g}",
            f"nodes.pool.timeout is {pool.timeout:g} s, and a client gives up after clients.open_timeout, "
            f"{patience:g} s: a full pool works for clients that are gone, which ask again meanwhile.",
            f"Set nodes.pool.timeout below {patience:g} s.",
        )


RULES = (pool_full, pool_connections, pool_wait)


def pool_advice(scenario: Scenario) -> list[LintFinding]:
    """Return what is found about the pools of the nodes."""
    return found(RULES, scenario)
