"""Which settings of a scenario do not go together."""

from twin.rules.codecs import NO_CODEC
from twin.scenario.arrivals import arrival_problem
from twin.scenario.buses import in_words, those
from twin.scenario.faults import OF_MESSAGES, fault_problem
from twin.scenario.fields import Problem, refused, show
from twin.scenario.handler import handler_problem
from twin.scenario.jetstream import replica_problem
from twin.scenario.limits import limit_problem
from twin.scenario.memory import memory_problem
from twin.scenario.pool import pool_problem
from twin.scenario.registry import elastic_problem, most_nodes
from twin.scenario.runtimes import runtime_problem
from twin.scenario.sending import sending_problem
from twin.scenario.servers import server_problem
from twin.scenario.sessions import session_problem
from twin.scenario.settings import MOST_MESSAGES, Settings
from twin.scenario.transport import transport_problem

WARM_UP_SLACK = 0.3
"""Seconds between the last client of the warm-up and the start of the run."""

SERVERS = {"kafka": "Kafka broker", "jetstream": "NATS server"}
"""What a kind of bus runs on that speaks no Redis."""


def check(scenario: Settings) -> None:
    """Refuse settings that are allowed each for itself, and not together.

    Raises:
        ValueError: there are some.
    """
    _check_publisher(scenario)
    bus = scenario.bus
    if scenario.registry is not None and bus.traits.broadcasts and not bus.traits.redis and bus.servers == "one":
        why = f"no registry is on a {SERVERS[bus.kind]}"
        raise refused("bus.servers", "'one'", f"'several' with bus.kind '{bus.kind}': {why}")
    clients = scenario.clients
    problem = (
        session_problem(scenario.sessions, scenario.bus.kind)
        or sending_problem(clients.sends, clients.count, scenario.duration, scenario.codec)
        or handler_problem(scenario.nodes.handler, clients.count, scenario.duration)
        or pool_problem(scenario.nodes.pool, scenario.slots, scenario.duration)
        or memory_problem(scenario.nodes.memory_limit, scenario.nodes.memory_restart, _kind_of_pool(scenario))
        or _transport_problem(scenario)
        or arrival_problem(clients.arrivals, clients.count, scenario.duration, clients.transport.polls)
        or _limit_problem(scenario)
        or runtime_problem(scenario.nodes.runtime, mechanisms_of_nodes(scenario))
    )
    if problem:
        raise refused(*problem)
    if scenario.idle_timeout <= scenario.warm_up + WARM_UP_SLACK:
        allowed = f"more than the {scenario.warm_up + WARM_UP_SLACK:g} s that the clients take to connect"
        raise refused(f"balancer.{scenario.balancer.idle_field}", f"{scenario.idle_timeout:g}", allowed)
    problem = elastic_problem(
        scenario.registry, scenario.autoscaling, scenario.nodes.count, scenario.faults, scenario.balancer
    )
    if problem:
        raise refused(*problem)
    _check_faults(scenario)


def _limit_problem(scenario: Settings) -> Problem | None:
    clients, registry = scenario.clients, scenario.registry
    needs = {
        "clients.transport": clients.transport.polls,
        "registry.canary": registry is not None and registry.canary is not None,
    }
    beside = next((name for name, is_there in needs.items() if is_there), "")
    return limit_problem(
        scenario.balancer, scenario.nodes.count, clients.early, clients.addresses, clients.connect_rate, beside
    )


def _kind_of_pool(scenario: Settings) -> str:
    """Return who does the work of a handler, "" without one."""
    return scenario.nodes.executor.kind if scenario.nodes.handler is not None else ""


def mechanisms_of_nodes(scenario: Settings) -> list[str]:
    """Return tables and settings of mechanisms that not every runtime of nodes has (`twin.scenario.runtimes`)."""
    nodes, clients, publisher = scenario.nodes, scenario.clients, scenario.publisher
    used = {
        "publisher": publisher is not None,
        f"bus.kind '{scenario.bus.kind}'": publisher is not None,
        "sessions.store": scenario.sessions.store != "none",
        "registry": scenario.registry is not None,
        "nodes.lifetime": nodes.lifetime is not None,
        "nodes.deadlines": nodes.read_deadline > 0 or nodes.write_deadline > 0,
        "clients.transport": clients.transport.polls,
        "host.accounts": scenario.host.accounts,
        "host.memory": scenario.host.memory,
        "nodes.memory_limit": nodes.memory_limit > 0,
        "nodes.pool": nodes.pool is not None,
        "codec": scenario.codec != NO_CODEC,
        "nodes.compression": nodes.compression is not None,
        "nodes.batch": nodes.batch is not None,
        "publisher.batch": publisher is not None and publisher.batch is not None,
        "clients.sends.batch": clients.sends.batch is not None,
        "nodelay": not (nodes.nodelay and clients.nodelay),
    }
    return [name for name, is_used in used.items() if is_used]


def _transport_problem(scenario: Settings) -> Problem | None:
    publisher, clients, nodes = scenario.publisher, scenario.clients, scenario.nodes
    sends = clients.sends.rate
    needs = {
        Problem("publisher", "missing", "a table of settings"): publisher is None,
        Problem("publisher.scope", "'client'", "'node'"): publisher is not None and publisher.scope == "client",
        Problem("clients.sends.rate", f"{sends:g}", "0"): sends > 0,
        Problem("sessions.store", f"'{scenario.sessions.store}'", "'none'"): scenario.sessions.store != "none",
        Problem("nodes.lifetime", "given", "none"): nodes.lifetime is not None,
        Problem("registry", "given", "none"): scenario.registry is not None,
        Problem("clients.refusals", "given", "none"): clients.refusals.matters,
        Problem("nodes.handler", "given", "none"): nodes.handler is not None,
        Problem("nodes.read_deadline", f"{nodes.read_deadline:g}", "0"): nodes.read_deadline > 0,
        Problem("nodes.write_deadline", f"{nodes.write_deadline:g}", "0"): nodes.write_deadline > 0,
        Problem("nodes.pool.handshake", "true", "false"): nodes.pool is not None and nodes.pool.handshake,
        Problem("codec", f"'{scenario.codec}'", f"'{NO_CODEC}'"): scenario.codec != NO_CODEC,
        Problem("nodes.memory_limit", str(nodes.memory_limit), "0"): nodes.memory_limit > 0,
        Problem("host.memory", "true", "false"): scenario.host.memory,
        Problem("nodes.compression", "given", "none"): nodes.compression is not None,
        Problem("nodes.batch", "given", "none"): nodes.batch is not None,
        Problem("publisher.batch", "given", "none"): publisher is not None and publisher.batch is not None,
        Problem("nodes.nodelay", "false", "true"): not nodes.nodelay,
        Problem("clients.nodelay", "false", "true"): not clients.nodelay,
    }
    messages = publisher.rate if publisher is not None else 0.0
    requests = clients.count * scenario.duration * clients.transport.requests(messages)
    there = [problem for problem, is_there in needs.items() if is_there]
    return transport_problem(clients.transport, requests, there, [fault.kind for fault in scenario.faults])


def _check_faults(scenario: Settings) -> None:
    for i, fault in enumerate(scenario.faults):
        if fault.at > scenario.duration:
            raise refused(f"faults.{i}.at", f"{fault.at:g}", f"within duration, {scenario.duration:g} s")
        problem = fault_problem(fault, scenario.slots, scenario.clients.count)
        if problem:
            raise refused(f"faults.{i}.{problem.field}", problem.value, problem.allowed)
        if fault.kind == "outage" and any(earlier.kind == "outage" for earlier in scenario.faults[:i]):
            raise refused(f"faults.{i}.kind", "'outage'", "once in a scenario")
        problem = server_problem(fault.kind, fault.server, scenario.bus.servers, scenario.uses)
        if problem:
            raise refused(f"faults.{i}.{problem.field}", problem.value, problem.allowed)
        if fault.kind == "store_down" and scenario.nodes.pool is None:
            raise refused(f"faults.{i}.kind", "'store_down'", "only in a scenario with a [nodes.pool]")
        problem = replica_problem(fault, [one for one in scenario.faults if one is not fault], scenario.bus.jetstream)
        if problem:
            raise refused(f"faults.{i}.{problem.field}", problem.value, problem.allowed)
        if fault.kind == "bus_cut" and not scenario.bus.traits.cuts:
            raise refused(f"faults.{i}.kind", "'bus_cut'", f"not with bus.kind '{scenario.bus.kind}'")
        if fault.kind in OF_MESSAGES and scenario.publisher is None:
            raise refused(f"faults.{i}.kind", f"'{fault.kind}'", "only in a scenario with a [publisher]")


def _check_publisher(scenario: Settings) -> None:
    publisher = scenario.publisher
    if publisher is None:
        return
    if not scenario.bus.traits.broadcasts:
        allowed = in_words(those(broadcasts=True))
        raise refused("bus.kind", f"'{scenario.bus.kind}'", f"{allowed} with a [publisher]")
    most = most_nodes(scenario.nodes.count, scenario.autoscaling, scenario.faults)
    if isinstance(publisher.threshold, int) and publisher.threshold > most:
        who = "nodes.count" if most == scenario.nodes.count else "the nodes that there may be"
        raise refused("publisher.threshold", show(publisher.threshold), f"at most {who}, {most}")
    if publisher.start > scenario.duration:
        raise refused("publisher.start", f"{publisher.start:g}", f"within duration, {scenario.duration:g} s")
    count = len(publisher.times(scenario.duration))
    if count > MOST_MESSAGES:
        raise refused("publisher.rate", f"{publisher.rate:g}", f"such that at most {MOST_MESSAGES} messages are sent")
