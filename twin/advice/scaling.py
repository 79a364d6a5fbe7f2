"""A registry and an autoscaler over connections that last: what they do not see, and what they do too soon."""

from collections.abc import Iterator

from twin.advice.finding import Bite, rule
from twin.rules.backoff import longest_delay
from twin.scenario.scenario import Scenario

HPA = 'Kubernetes, "Horizontal Pod Autoscaling"'


@rule("blind-autoscaler", f"{HPA} (the mean of the pods); docs/model.md, Control loop")
def blind_autoscaler(scenario: Scenario) -> Iterator[Bite]:
    """Yield a metric that does not see connections over which nothing passes."""
    scaling = scenario.autoscaling
    if scaling is None or scaling.metric != "cpu" or scenario.talks or scenario.nodes.lifetime is not None:
        return
    yield Bite(
        "autoscaling.metric",
        "cpu",
        "autoscaling.metric is 'cpu', and over the connections nothing but pings passes: nodes full of connections "
        "look idle and are ended, and their clients' handshakes look like load.",
        "Set autoscaling.metric to 'connections'.",
    )


@rule("new-nodes-empty", f"{HPA}; gRPC, proposal A9 (connections that last see no new server); docs/cheat-sheet.md, 22")
def new_nodes_empty(scenario: Scenario) -> Iterator[Bite]:
    """Yield an autoscaler whose new nodes nobody comes to."""
    scaling, registry = scenario.autoscaling, scenario.registry
    moved = scenario.nodes.lifetime is not None or (registry is not None and registry.rebalance is not None)
    if scaling is None or moved or scaling.maximum <= scaling.minimum or scenario.clients.transport.polls:
        return
    yield Bite(
        "nodes.lifetime",
        "none",
        "The autoscaler adds nodes by the mean, and connections stay where they are: new nodes are empty until clients "
        "come, and the full ones stay full.",
        "Set nodes.lifetime or registry.rebalance.",
        "note",
    )


@rule("scale-down-window", f"{HPA} (`stabilizationWindowSeconds`, 300 s for scaling down by default)")
def scale_down_window(scenario: Scenario) -> Iterator[Bite]:
    """Yield a window that is shorter than clients may be away: their absence looks like less load."""
    scaling = scenario.autoscaling
    if scaling is None or scaling.maximum <= scaling.minimum:
        return
    away = longest_delay(scenario.clients.reconnect.rule()) + scenario.balancer.blind(False)
    if scaling.down.window >= away:
        return
    yield Bite(
        "autoscaling.down.window",
        f"{scaling.down.window:g}",
        f"autoscaling.down.window is {scaling.down.window:g} s, and after a failure clients may be away for {away:g} s "
        "(the longest wait of clients.reconnect, and the time in which the balancer is blind): nodes are ended while "
        "their clients are on their way back.",
        f"Set autoscaling.down.window to {away:g} s or more.",
        "note",
    )


@rule("lifetime-window", f"{HPA} (`behavior`); gRPC, proposal A9; docs/model.md, Lifetimes of connections")
def lifetime_window(scenario: Scenario) -> Iterator[Bite]:
    """Yield a window that ends before lifetimes have spread the connections over a new node."""
    scaling, lifetime = scenario.autoscaling, scenario.nodes.lifetime
    if scaling is None or lifetime is None or scaling.down.window >= lifetime.mean:
        return
    if scaling.maximum <= scaling.minimum:
        return
    yield Bite(
        "autoscaling.down.window",
        f"{scaling.down.window:g}",
        f"A new node fills as connections end, after nodes.lifetime.mean, {lifetime.mean:g} s, and "
        f"autoscaling.down.window is {scaling.down.window:g} s: a node may be ended before it was of use.",
        f"Set autoscaling.down.window to {lifetime.mean:g} s or more, or nodes.lifetime.mean lower.",
        "note",
    )


@rule("lifetime-jitter", "gRPC, proposal A9 (MAX_CONNECTION_AGE with a jitter of 10 %, against storms)")
def lifetime_jitter(scenario: Scenario) -> Iterator[Bite]:
    """Yield lifetimes that are all alike: connections that were made together end together."""
    lifetime = scenario.nodes.lifetime
    if lifetime is None or lifetime.jitter:
        return
    yield Bite(
        "nodes.lifetime.jitter",
        "0",
        f"nodes.lifetime.jitter is 0: what connected in one storm is cut in one again, each {lifetime.mean:g} s.",
        "Set nodes.lifetime.jitter to 0.1 or more.",
        "note",
    )


@rule("lease", "Gray & Cheriton, Leases, SOSP 1989; docs/cheat-sheet.md, rule 21")
def lease(scenario: Scenario) -> Iterator[Bite]:
    """Yield a lease that two lost heartbeats end."""
    registry = scenario.registry
    if registry is None or registry.ttl >= 3 * registry.heartbeat:
        return
    lost = "one lost heartbeat takes" if registry.ttl < 2 * registry.heartbeat else "two lost heartbeats take"
    yield Bite(
        "registry.ttl",
        f"{registry.ttl:g}",
        f"registry.ttl is {registry.ttl:g} s, and a node gives a sign each {registry.heartbeat:g} s: {lost} a node "
        "that is well out of service.",
        f"Set registry.ttl to {3 * registry.heartbeat:g} s or more, or registry.heartbeat lower.",
        "note",
    )


RULES = (blind_autoscaler, new_nodes_empty, scale_down_window, lifetime_window, lifetime_jitter, lease)
