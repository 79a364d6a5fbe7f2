"""What a balancer's choices and reloads do to connections that last."""

from collections.abc import Iterator
from math import ceil

from twin.advice.finding import Bite, rule
from twin.rules.balancing import RULES as BALANCING
from twin.scenario.scenario import Scenario


@rule("dead-node-attraction", "HAProxy 2.8 src/lb_fwlc.c; docs/model.md, Dead-node attraction")
def dead_node_attraction(scenario: Scenario) -> Iterator[Bite]:
    """Yield a choice rule by which a dead node draws every attempt until it is marked down."""
    balancer = scenario.balancer
    if balancer.moves_on or scenario.nodes.count == 1:
        return
    if not BALANCING[balancer.kind, balancer.algorithm].prefers_fewest:
        return
    yield Bite(
        "balancer.algorithm",
        balancer.algorithm,
        f"With balancer.algorithm '{balancer.algorithm}' a dead node has the fewest connections: for up to "
        f"{balancer.blind(False) - balancer.retried_within:g} s every client that comes is sent to it.",
        "Set balancer.retries and balancer.redispatch to 1, or check more often.",
        "note",
    )


@rule("retries-stay", "HAProxy 2.8 manual, `retries`, `option redispatch`; docs/model.md, Retries")
def retries_stay(scenario: Scenario) -> Iterator[Bite]:
    """Yield retries that go to the node that has just refused."""
    balancer = scenario.balancer
    if balancer.moves_on or not balancer.retried_within or scenario.nodes.count == 1:
        return
    yield Bite(
        "balancer.redispatch",
        "0",
        f"{balancer.program} tries a node that refuses {balancer.retried_within:g} times again before the client gets "
        f"an answer, about {min(1.0, balancer.connect_timeout):g} s apart, and no other node.",
        "Set balancer.redispatch to 1.",
        "note",
    )


@rule("few-retries", "Envoy 1.40, API reference, CircuitBreakers.Thresholds (`max_retries`, `retry_budget`)")
def few_retries(scenario: Scenario) -> Iterator[Bite]:
    """Yield a limit on retries at a time that is lower than the number of clients that a node's death sends back."""
    clients, nodes = scenario.clients.count, scenario.nodes.count
    back = ceil(clients / nodes)
    found = scenario.balancer.retries_at_a_time(clients)
    if found is None or found[2] >= back or nodes == 1:
        return
    field, value, most = f"balancer.{found[0]}", *found[1:]
    happens = (
        f"{scenario.balancer.program} sends at most {most} requests again at a time ({field}), and the {back} clients "
        "of a node that dies dial at once: those above get an error as if there were no retries."
    )
    yield Bite(field, f"{value:g}", happens, f"Raise {field} until {back} retries are allowed.", "note")


@rule("address-hash", "HAProxy 2.8 manual, `balance source`; nginx, ngx_http_upstream_module (`ip_hash`)")
def address_hash(scenario: Scenario) -> Iterator[Bite]:
    """Yield a hash of addresses of which there are fewer than nodes: some nodes get nobody."""
    balancer, addresses, nodes = scenario.balancer, scenario.clients.addresses, scenario.nodes.count
    hashes = BALANCING[balancer.kind, balancer.algorithm].hashes_address and not balancer.asks_who
    if not hashes or addresses >= nodes:
        return
    yield Bite(
        "clients.addresses",
        f"{addresses}",
        f"balancer.algorithm '{balancer.algorithm}' chooses by the client's address, and {scenario.clients.count} "
        f"clients have {addresses} of them, as behind a NAT or a proxy in front: of {nodes} nodes at most {addresses} "
        "get clients.",
        "Choose by connections or in turn, or hash what tells clients apart.",
        "note",
    )


@rule("reload-per-change", 'nginx, "Controlling nginx" (HUP); ingress-nginx, ConfigMap, worker-shutdown-timeout')
def reload_per_change(scenario: Scenario) -> Iterator[Bite]:
    """Yield what each change of the list of nodes does to connections, where it is a reload."""
    balancer, stop = scenario.balancer, scenario.balancer.hard_stop_after
    if scenario.registry is None or not balancer.relists:
        return
    if stop:
        happens = (
            f"{balancer.program} learns of each node that joins or leaves by a reload, and {stop:g} s later "
            f"(balancer.hard_stop_after) cuts all connections from before it: up to {scenario.clients.count} at once."
        )
    else:
        happens = (
            f"{balancer.program} learns of each node that joins or leaves by a reload, and its old worker stays as "
            "long as one of its connections lasts (balancer.hard_stop_after is 0): with long ones they pile up."
        )
    yield Bite(
        "balancer.hard_stop_after",
        f"{stop:g}",
        happens,
        "Set nodes.lifetime, so that connections end by themselves, and balancer.hard_stop_after above it; or use a "
        "balancer that changes its servers without a reload.",
        "warning" if stop else "note",
    )


@rule("hard-stop", "HAProxy 2.8 manual, `hard-stop-after`; nginx, ngx_core_module, worker_shutdown_timeout")
def hard_stop(scenario: Scenario) -> Iterator[Bite]:
    """Yield what a reload does to the connections that are there, where it is not every change of a list."""
    balancer, stop = scenario.balancer, scenario.balancer.hard_stop_after
    reloads = any(fault.kind == "reload" for fault in scenario.faults)
    if (scenario.registry is not None and balancer.relists) or not (stop or reloads):
        return
    lasts = scenario.nodes.lifetime
    if stop and lasts is not None and stop >= lasts.mean * (1 + lasts.jitter):  # all have ended by themselves
        return
    happens = (
        f"balancer.hard_stop_after is {stop:g} s: each reload cuts, that much later, every connection that is still "
        f"there, up to {scenario.clients.count} in one moment."
        if stop
        else "balancer.hard_stop_after is 0: the old process of each reload stays as long as one of its connections "
        "lasts, with its memory and its files."
    )
    yield Bite(
        "balancer.hard_stop_after",
        f"{stop:g}",
        happens,
        "Set nodes.lifetime, so that connections end by themselves, and balancer.hard_stop_after above it.",
        "note",
    )


RULES = (reload_per_change, dead_node_attraction, retries_stay, few_retries, address_hash, hard_stop)
