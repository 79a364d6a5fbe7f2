"""The pool of connections that each node has to a store, and what borrows from it."""

from typing import Annotated, Any

from pydantic import BeforeValidator, Field, model_validator

from twin.rules.pool import Distribution, Store
from twin.rules.pool_alarms import AlarmLimits
from twin.scenario.fields import Positive, Problem, Seconds, Table, refused

MOST_USES = 100_000
"""Uses of their pools that all nodes of one run may make."""
MOST_CONNECTIONS = 500
"""Connections that all nodes together may hold to the store."""
LONGEST_IN_HANDSHAKE = 9.0
"""Seconds that a handshake may wait for a connection: a node ends one after 10 s (`live.node.asyncio_runtime`)."""
BORROWERS = "handshake true or a rate above 0: something has to borrow"


class PoolAlarms(Table):
    """When somebody is called; see `twin.rules.pool_alarms`."""

    share: Annotated[float, Field(ge=0, le=1)] = Field(
        0.8,
        description="Share of a pool in use or asked for above which it is `saturated`, if that lasts for `share_for`.",
    )
    share_for: Positive = Field(1.0, description="Seconds for which more than `share` must be in use.")
    wait: Positive = Field(1.0, description="Seconds of a wait for a connection above which a pool is `slow`.")
    out: Positive = Field(
        10.0, description="Seconds after which a connection that was not given back counts as a `leak`."
    )

    def limits(self) -> AlarmLimits:
        """Return them as the rules know them."""
        return AlarmLimits(**self.model_dump())


class ServiceTime(Table):
    """How long a use holds its connection; a number stands for a fixed time."""

    mean: Seconds = Field(0.005, description="Mean, in seconds.")
    distribution: Distribution = Field("fixed", description="fixed: always the mean; exponential.")


def fixed_service(given: Any) -> Any:
    """Return a number as the table that it stands for; anything else is returned as it is."""
    return {"mean": float(given)} if isinstance(given, int | float) and not isinstance(given, bool) else given


class Pool(Table):
    """Connections of a node to a store. A use borrows one, asks the store, holds it for its service time, and gives it
    back.
    """

    store: Store = Field(
        "redis",
        description="redis: an embedded Valkey behind redis-py's blocking pool; postgresql: an embedded PostgreSQL "
        "behind psycopg_pool.",
    )
    size: Annotated[int, Field(ge=1, le=200)] = Field(10, description="Connections that a node has at most.")
    min_size: Annotated[int, Field(ge=0, le=200)] = Field(
        0, description="Connections that it keeps open; redis-py's pool opens each when it is needed first."
    )
    max_waiting: Annotated[int, Field(ge=0, le=100_000)] = Field(
        0, description="Uses that may wait for a connection at most; a further one is refused; 0 is no bound."
    )
    timeout: Positive = Field(5.0, description="Seconds that a use waits for a connection at most.")
    idle_timeout: Positive = Field(
        300.0,
        description="Seconds after each of which one connection above `min_size` is closed that was not needed in "
        "them; redis-py's pool closes none.",
    )
    lifetime: Seconds = Field(
        3600.0,
        description="Seconds after which a connection is replaced when it is given back, less up to 5 %; 0 is never; "
        "redis-py's pool replaces none.",
    )
    check: bool = Field(
        False,
        description="Whether psycopg_pool asks a connection whether it works before it lends it; redis-py's always "
        "looks whether its socket is closed.",
    )
    service: Annotated[ServiceTime, BeforeValidator(fixed_service, json_schema_input_type=float | ServiceTime)] = Field(
        ServiceTime(),
        description="Time that a use takes beside CPU time, a number of seconds or a table: PostgreSQL sleeps in the "
        "query (pg_sleep), with Redis the node holds the connection after the answer.",
    )
    leak: Annotated[float, Field(ge=0, le=1)] = Field(
        0.0, description="Share of the uses that never give their connection back."
    )
    handshake: bool = Field(
        True, description="Whether each handshake of the run is a use: without a connection it is refused with 503."
    )
    rate: Annotated[float, Field(ge=0, le=10_000, allow_inf_nan=False)] = Field(
        0.0, description="Further uses a second of each node, at times of a Poisson process."
    )
    alarms: PoolAlarms = Field(PoolAlarms(), description="When somebody is called.")

    @model_validator(mode="after")
    def _check(self) -> "Pool":
        if self.min_size > self.size:
            raise refused("min_size", str(self.min_size), f"at most size, {self.size}")
        if not self.handshake and not self.rate:
            raise refused("rate", "0", BORROWERS)
        if self.handshake and self.timeout > LONGEST_IN_HANDSHAKE:
            allowed = f"at most {LONGEST_IN_HANDSHAKE:g} s where handshakes borrow, as a node ends one after 10 s"
            raise refused("timeout", f"{self.timeout:g}", allowed)
        return self


def pool_problem(pool: Pool | None, slots: int, duration: float) -> Problem | None:
    """Return what does not fit, or None.

    Args:
        pool: what the scenario asks for.
        slots: most nodes that there may be.
        duration: of a run, in seconds.
    """
    if pool is None:
        return None
    if pool.size * slots > MOST_CONNECTIONS:
        allowed = f"such that all {slots} nodes together have at most {MOST_CONNECTIONS} connections"
        return Problem("nodes.pool.size", str(pool.size), allowed)
    if pool.rate * slots * duration > MOST_USES:
        return Problem("nodes.pool.rate", f"{pool.rate:g}", f"such that there are at most {MOST_USES} uses in a run")
    return None
