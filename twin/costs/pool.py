"""What a pool of connections costs: the parts of a host profile that `./lab calibrate` measures for it, and that a
profile need not know.
"""

from twin.rules.pool import Store

POOL_PARTS = {
    "node_redis_use": "node: borrow a connection of redis-py's pool, ask, read the answer, give it back",
    "node_redis_connect": "node: open a connection of redis-py's pool",
    "store_redis_use": "store: answer a use (Valkey, GET)",
    "store_redis_connect": "store: accept a connection of redis-py's pool (Valkey)",
    "node_postgresql_use": "node: borrow a connection of psycopg_pool, ask, read the answer, give it back",
    "node_postgresql_connect": "node: open a connection of psycopg_pool",
    "node_postgresql_check": "node: ask a connection whether it works before it is lent (psycopg_pool)",
    "store_postgresql_use": "store: answer a use (PostgreSQL, SELECT)",
    "store_postgresql_connect": "store: accept a connection and start its process (PostgreSQL)",
    "store_postgresql_check": "store: answer an empty query (PostgreSQL)",
}


def pool_parts(store: Store, check: bool) -> list[str]:
    """Return the parts that a pool needs; `check`: it asks a connection before it lends it."""
    return [name for name in POOL_PARTS if f"_{store}_" in name and (check or not name.endswith("_check"))]
