"""Limits of the balancer that a scenario sets, and what they ask of the rest of it."""

from math import ceil

from twin.rules.balancing import RULES
from twin.scenario.balancer.kinds import Balancer
from twin.scenario.fields import Problem


def limit_problem(
    balancer: Balancer, nodes: int, early: int, addresses: int, rate: float, beside: str
) -> Problem | None:
    """Return what does not fit, or None: whoever is connected when the run starts has a place.

    Args:
        balancer: the settings.
        nodes: how many there are at the start.
        early: clients that are connected when the run starts.
        addresses: which they share.
        rate: connections a second with which they come before that.
        beside: a table that does not go with limits, "" if there is none.
    """
    rule = RULES[balancer.kind, balancer.algorithm]
    rooms = balancer.rooms(nodes if rule.when_full == "other" else 1)
    if balancer.limited and beside:
        return Problem(beside, "given", "none with limits of the balancer")
    for name, room in rooms.items():
        if room < early:
            allowed = f"room for the {early} clients that are connected when the run starts; here it is for {room}"
            return Problem(f"balancer.{name}", f"{getattr(balancer, name)}", allowed)
    together = ceil(early / addresses)
    for name, room in balancer.per_address.items():
        if room < together:
            allowed = f"such that {together} clients of one address can come before the run starts"
            return Problem(f"balancer.{name}", f"{value_of(balancer, name)}", allowed)
    if early and rate > balancer.accepted_rate:
        return Problem(
            "clients.connect_rate", f"{rate:g}", f"at most what the balancer accepts, {balancer.accepted_rate:g}"
        )
    return None


def value_of(balancer: Balancer, name: str) -> object:
    """Return a setting of a balancer by its dotted name."""
    found: object = balancer
    for part in name.split("."):
        found = getattr(found, part)
    return found
