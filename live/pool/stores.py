"""Which store stands behind the pools."""

from live.control.process import Stage
from live.pool.store import EmbeddedStore, RedisStore
from twin.rules.pool import Store


def start_store(kind: Store, stage: Stage, cpus: list[int], connections: int) -> EmbeddedStore:
    """Start a store that takes so many connections.

    Raises:
        HostError: what it needs is not installed, and cannot be.
    """
    if kind == "redis":
        return RedisStore(stage, cpus)
    from live.pool.postgresql import PostgresqlStore  # an extra, which other runs do without

    return PostgresqlStore(stage, cpus, connections)
