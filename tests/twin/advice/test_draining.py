"""What is said of drains."""

import pytest

from tests.findings import by, one
from tests.strategies import small

DRAIN = {"at": 1.0, "kind": "drain", "node": 1, "pace": 50.0}
REGISTRY = {"ttl": 3.0, "heartbeat": 1.0, "sync": 0.5}
CHECK = {"inter": 1.0, "fall": 3}


def drained(lead, balancer=None, **more):
    return small(balancer=balancer or {"check": CHECK}, faults=[DRAIN | {"lead": lead}], **more)


def test_a_lead_is_as_long_as_the_checks_take_to_mark_a_node_down():
    assert by("drain-lead", drained(3.0)) == []
    found = one("drain-lead", drained(2.0))
    assert (found.level, found.field, found.value) == ("note", "faults.0.lead", "2")
    assert "for up to 1 s it sends clients to a node that refuses them" in found.happens
    assert found.remedy == "Set faults.0.lead to 3 s or more."
    none = one("drain-lead", small(balancer={"check": CHECK}, faults=[DRAIN]))
    assert none.value == "0"


def test_with_a_registry_the_registrar_tells_the_balancer():
    assert by("drain-lead", drained(0.5, registry=REGISTRY)) == []
    assert "registry.sync" in one("drain-lead", drained(0.4, registry=REGISTRY)).happens
    scaled = small(registry=REGISTRY, autoscaling={"target": 10, "maximum": 5, "lead": 0.2})
    found = one("drain-lead", scaled)
    assert (found.level, found.field) == ("warning", "autoscaling.lead")
    sent_on = scaled.vary(balancer={"retries": 1, "redispatch": 1})
    assert one("drain-lead", sent_on).level == "note"


def test_nginx_without_a_registry_never_learns_of_a_drain():
    found = one("drain-lead", drained(20.0, {"kind": "nginx"}))
    assert found.level == "note"
    assert "nginx does not ask nodes whether they are ready" in found.happens


@pytest.mark.parametrize(("lead", "pace", "said"), [(10.0, 1.0, 0), (14.9, 1.0, 0), (15.0, 1.0, 1), (20.0, 1.0, 1)])
def test_a_drain_within_a_fifth_of_the_grace_of_a_pod_is_told(lead, pace, said):
    fault = DRAIN | {"lead": lead, "pace": pace}
    found = by("drain-grace", small(faults=[fault]))  # ten connections, the last close 9 s after the first
    assert len(found) == said
    assert all("terminationGracePeriodSeconds" in one.happens for one in found)


def test_a_node_that_the_autoscaler_ends_is_a_pod_too():
    scaling = {"target": 10, "maximum": 5, "pace": 0.1}
    found = one("drain-grace", small(registry=REGISTRY, autoscaling=scaling))
    assert (found.field, found.value) == ("autoscaling.pace", "0.1")
    assert "takes 91 s with its lead" in found.happens
