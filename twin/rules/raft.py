"""When a group of NATS servers that has lost its leader has one again.

Each follower of a group (a stream, or a consumer of it) waits for a random time since it heard of the leader last, and
then stands for election; the first to do so has the vote of the other, which has waited, too. While the leader gives
signs of life, one a second or with each message that it replicates, nobody stands. Which of the followers it is, and
when, hangs on their two random times alone: votes are there within milliseconds.
Source: nats-server, server/raft.go (minElectionTimeoutDefault, maxElectionTimeoutDefault, hbIntervalDefault,
randElectionTimeout, runAsFollower, processVoteRequest).
"""

from collections.abc import Mapping

LEAST_ELECTION_TIMEOUT, MOST_ELECTION_TIMEOUT = 4.0, 9.0
"""Seconds that a follower waits at least, and less than it waits at most."""


def election_timeout(u: float) -> float:
    """Return how long a follower waits for a sign of its leader, in seconds; `u` in [0, 1) is its random number."""
    return LEAST_ELECTION_TIMEOUT + (MOST_ELECTION_TIMEOUT - LEAST_ELECTION_TIMEOUT) * u


def elected(drawn: Mapping[int, float], heard: float, now: float) -> tuple[int, float]:
    """Return which follower is the next leader, and when, in seconds.

    Args:
        drawn: number of each follower that is there -> its random number, in [0, 1).
        heard: when they heard of the leader last.
        now: when it was gone; nobody is elected before.
    """
    when, server = min((election_timeout(u), number) for number, u in drawn.items())
    return server, max(now, heard + when)
