"""Taking a node out of service without losing anything: first it is no longer ready, then it closes, a few at a time.

The order: its readiness fails, so that the balancer sends nobody new; after `lead` seconds it stops accepting; then it
closes its connections with 1012 (service restart), `pace` a second, so that the others take the clients over without a
storm; it goes on serving the ones that are left, and ends with the last. Sources: RFC 6455 and the IANA registry of
close codes (1012); Kubernetes, "Termination of Pods" (readiness fails, then the end).
"""

SERVICE_RESTART = 1012
"""Close code of a server that restarts; the client is to come back."""


def close_after(place: int, pace: float) -> float:
    """Return when the connection at `place` (from 0) is closed, in seconds after the first one.

    Args:
        place: how many are closed before it.
        pace: closes a second; 0 closes all at once.
    """
    return place / pace if pace else 0.0


def drain_time(connections: int, lead: float, pace: float) -> float:
    """Return the seconds from the begin of a drain to its last close frame."""
    return lead + close_after(max(0, connections - 1), pace)
