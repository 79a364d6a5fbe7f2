"""Envoy's retries and circuit breakers: whether a request that has failed is sent again, when, and what has no room.

Only what happens before the 101 can be retried: a WebSocket that is open is never opened anew. Sources: Envoy 1.40
`source/common/router/retry_state_impl.cc`, `source/common/common/backoff_strategy.cc`,
`source/common/upstream/resource_manager_impl.h` (`RetryBudgetImpl`), `source/common/conn_pool/conn_pool_base.cc`.
"""

from collections.abc import Collection
from typing import Literal

RetryOn = Literal["5xx", "gateway-error", "connect-failure", "reset", "retriable-status-codes"]
Failure = Literal["connect-failure", "reset", "per-try-timeout", "status"]

BASE_INTERVAL = 0.025
"""Seconds below which the first back-off is drawn. Source: `upstream.base_retry_backoff_ms`."""

MOST_OF_BASE = 10
"""Times the base interval that a back-off is at most, unless it is set. Source: `RetryStateImpl::RetryStateImpl`."""

MAX_RETRIES, MAX_CONNECTIONS = 3, 1024
"""Retries at a time; connections, pending requests and requests. Source: circuit_breaker.proto in
api/envoy/config/cluster/v3 (`max_retries`, `max_connections`, `max_pending_requests`, `max_requests`)."""

BUDGET_CONCURRENCY = 3
"""Retries that a budget allows whatever there is. Source: circuit_breaker.proto (`min_retry_concurrency`)."""


def retriable(failure: Failure, status: int, retry_on: Collection[str], statuses: Collection[int] = ()) -> bool:
    """Tell whether a request that has failed so may be sent again.

    Args:
        failure: what has happened; `status`: the node has answered.
        status: its answer, or the one that the client would get.
        retry_on: the conditions that are set.
        statuses: that `retriable-status-codes` means, of a node that has answered.

    Source: `RetryStateImpl::wouldRetryFromHeaders`, `wouldRetryFromReset`.
    """
    if failure == "status":
        named = "retriable-status-codes" in retry_on and status in statuses
        gateway = "gateway-error" in retry_on and status in (502, 503, 504)
        return named or gateway or ("5xx" in retry_on and status >= 500)
    if "5xx" in retry_on or "gateway-error" in retry_on or "reset" in retry_on:
        return True
    return failure == "connect-failure" and "connect-failure" in retry_on


def most_retries(max_retries: int, budget_percent: float, min_concurrency: int, requests: int) -> int:
    """Return how many retries there may be at a time in the whole cluster.

    Args:
        max_retries: without a budget.
        budget_percent: percent of the requests; 0 is no budget.
        min_concurrency: retries that a budget allows at least.
        requests: that are active or pending; an open WebSocket is one.
    """
    if not budget_percent:
        return max_retries
    return int(max(budget_percent / 100.0 * requests, min_concurrency))


def back_off(retry: int, base: float, maximum: float, u: float) -> float:
    """Return the seconds until the `retry`-th retry (from 0) of a request: any whole number of milliseconds below a
    bound that doubles.

    Args:
        retry: how many retries there were.
        base: first bound in seconds.
        maximum: largest bound in seconds.
        u: a uniform number in [0, 1).
    """
    bound = min(base * 2**retry, maximum)
    return int(u * round(bound * 1000)) / 1000
