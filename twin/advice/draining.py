"""Nodes that are taken out of service: who is still sent to them, and how long that may take."""

from collections.abc import Iterator
from math import ceil

from twin.advice.finding import Bite, Level, rule
from twin.rules.drain import drain_time
from twin.scenario.balancer.base import NEAR
from twin.scenario.scenario import Scenario

GRACE = 30.0
"""Seconds that Kubernetes gives a pod to end, from the deletion on. Source: Kubernetes, "Termination of Pods"
(`terminationGracePeriodSeconds`)."""


@rule(
    "drain-lead", 'docs/cheat-sheet.md, rule 25; Kubernetes, "Termination of Pods"; HAProxy 2.8 manual, `fall`, `inter`'
)
def drain_lead(scenario: Scenario) -> Iterator[Bite]:
    """Yield each lead that ends before the balancer knows that the node takes nobody any more.

    A drain of the scenario is seen in its run. Whether the autoscaler ends a node is not known beforehand: that is a
    warning, unless the balancer sends those on whom the node refuses.
    """
    if scenario.clients.transport.polls:
        return
    needed, why = _known_within(scenario)
    for field, lead in _leads(scenario):
        seen = scenario.balancer.moves_on or field.startswith("faults.")
        level: Level = "note" if seen else "warning"
        if needed is None:
            happens = (
                f"{field} is {lead:g} s, and {scenario.balancer.program} does not ask nodes whether they are ready: it "
                "sends clients to a node that drains until that refuses them."
            )
            yield Bite(field, f"{lead:g}", happens, "Tell the balancer by its configuration or a registry.", level)
        elif lead < needed:
            happens = (
                f"{field} is {lead:g} s, and the balancer knows after up to {needed:g} s ({why}) that the node is not "
                f"ready: for up to {needed - lead:g} s it sends clients to a node that refuses them."
            )
            yield Bite(field, f"{lead:g}", happens, f"Set {field} to {needed:g} s or more.", level)


def _known_within(scenario: Scenario) -> tuple[float | None, str]:
    """Return the seconds until the balancer knows of a node that drains, None if never, and what they come from."""
    if scenario.registry is not None:
        return scenario.registry.sync, "registry.sync"
    return scenario.balancer.unready_within, scenario.balancer.unready_field


def _leads(scenario: Scenario) -> Iterator[tuple[str, float]]:
    for i, fault in enumerate(scenario.faults):
        if fault.kind == "drain":
            yield f"faults.{i}.lead", fault.lead or 0.0
    if scenario.autoscaling is not None:
        yield "autoscaling.lead", scenario.autoscaling.lead


@rule("drain-grace", 'Kubernetes, "Termination of Pods" (`terminationGracePeriodSeconds`, 30 s by default)')
def drain_grace(scenario: Scenario) -> Iterator[Bite]:
    """Yield each drain that comes near the time which Kubernetes gives a pod by default; here nobody ends it."""
    connections = ceil(scenario.clients.count / scenario.nodes.count)
    scaling = scenario.autoscaling
    drains = [
        (f"faults.{i}.pace", fault.lead or 0.0, fault.pace or 0.0)
        for i, fault in enumerate(scenario.faults)
        if fault.kind == "drain"
    ]
    if scaling is not None:
        drains.append(("autoscaling.pace", scaling.lead, scaling.pace))
    for field, lead, pace in drains:
        takes = drain_time(connections, lead, pace)
        if takes < NEAR * GRACE:
            continue
        yield Bite(
            field,
            f"{pace:g}",
            f"A drain of {connections} connections takes {takes:.3g} s with its lead, and Kubernetes ends a pod "
            f"{GRACE:g} s after its deletion by default (terminationGracePeriodSeconds): the rest is cut at once.",
            f"Set terminationGracePeriodSeconds above {takes:.3g} s, or a higher pace.",
        )


@rule("ejected-for-closing", "Envoy 1.40, source/common/router/router.cc (`Filter::onUpstreamReset`)")
def ejected_for_closing(scenario: Scenario) -> Iterator[Bite]:
    """Yield the failures in a row that eject a node, if it has more WebSockets that it may end one after another."""
    found, connections = (
        scenario.balancer.ejects_after(scenario.nodes.count),
        ceil(scenario.clients.count / scenario.nodes.count),
    )
    if found is None or found[1] > connections:
        return
    field, most = f"balancer.{found[0]}", found[1]
    happens = (
        f"Each WebSocket that a node ends counts as a failure, and {most} in a row eject it ({field}): a drain does "
        "that to a node that is well, and so do clients that close."
    )
    remedy = f"Set {field} above the {connections} WebSockets of a node, or do without outlier detection."
    yield Bite(field, f"{most}", happens, remedy, "note")


RULES = (drain_lead, drain_grace, ejected_for_closing)
