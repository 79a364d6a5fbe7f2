"""What moves long-lived connections: an end of their own, and nodes that give some away.

A balancer places a connection once. A node that joins later stays empty until connections are made anew, so somebody
has to end some of them: each after a lifetime that is jittered, or the nodes that hold more than their share.
"""

from collections.abc import Collection
from math import ceil


def lifetime(mean: float, jitter: float, u: float) -> float:
    """Return how long one connection may last, in seconds: mean * (1 +- jitter), evenly.

    Args:
        mean: the lifetime that is configured.
        jitter: share by which it varies at most, from 0 to 1; without it, connections that were made together end
            together.
        u: a uniform number in [0, 1).

    Source: gRPC, proposal A9 "Server-side connection management" (MAX_CONNECTION_AGE with a jitter of 10 %).
    """
    return mean * (1.0 + jitter * (2.0 * u - 1.0))


def surplus(mine: int, counts: Collection[int], slack: float) -> int:
    """Return how many connections a node has above its share.

    Args:
        mine: its own connections.
        counts: connections of each node as the registry knows them, its own included.
        slack: share above the mean that is left alone, so that nodes do not pass connections to and fro.
    """
    if not counts:
        return 0
    return max(0, mine - ceil(sum(counts) / len(counts) * (1.0 + slack) - 1e-9))


def give_away(over: int, pace: float, period: float) -> int:
    """Return how many connections a node closes in the next `period` seconds: its surplus, at `pace` a second at most.

    At least one, so that a slow pace still ends.
    """
    return min(over, max(1, int(pace * period)))
