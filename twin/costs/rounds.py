"""Under which name a profile has the share of the first part of a round, for each part."""

from twin.costs.polls import POLL_ROUNDS

OWN_ROUNDS = {
    "node_fanout": "node_fanout",
    "balancer_delivery": "{}_delivery",
    "client_delivery": "client_delivery",
    "client_denied": "client_refused",
} | POLL_ROUNDS
"""Parts whose share is measured by itself or with another part, and its name in the profile; {} is the kind of the
balancer."""


def round_of(name: str, balancer: str) -> str:
    """Return the name under which `first_part` of a profile has the share of a part.

    Args:
        name: of the part.
        balancer: the kind of balancer.
    """
    who = balancer if name.startswith(("balancer", "haproxy")) else "node" if name.startswith("node") else name
    return OWN_ROUNDS.get(name, who).format(balancer)
