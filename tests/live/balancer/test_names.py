"""Clients say who they are where the balancer hashes that."""

from types import SimpleNamespace

from live.balancer import names
from tests.strategies import small


def added(scenario):
    """Return what the room adds to a cluster."""
    found = []
    names.attach(SimpleNamespace(scenario=scenario, add=found.append))
    return found


def test_clients_are_named_for_a_balancer_that_hashes_a_header_and_no_other():
    (part,) = added(small(balancer={"kind": "envoy", "algorithm": "maglev", "hash_policy": "header"}))
    assert part.of_clients() == {"named": True}
    assert added(small(balancer={"kind": "envoy", "algorithm": "maglev"})) == []
    assert added(small()) == []
