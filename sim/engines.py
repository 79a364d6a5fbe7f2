"""Which engine runs a scenario: the SimPy model, to read and to change, or the same model compiled, for scale."""

from math import inf
from typing import Literal

from sim.node.kinds import RUNTIMES
from twin.advice import pings_prevent_cuts, strikes_in_run
from twin.costs.profile import HostProfile
from twin.costs.relay import RELAY_PARTS
from twin.errors import ScenarioError
from twin.rules.balancing import RULES
from twin.rules.faults import any_meet
from twin.scenario.faults import through_relay
from twin.scenario.scenario import Scenario

Engine = Literal["auto", "simpy", "compiled"]

MOST_PEERS = 63
"""Peers that the compiled engine can tell apart in one request."""


def uncovered(scenario: Scenario, profile: HostProfile | None = None) -> str:
    """Return why the compiled engine cannot run a scenario, as the end of a sentence, or an empty text.

    Args:
        scenario: what is to run.
        profile: costs of the host; without one, of a host on which the relay of a fault costs nothing.
    """
    relays = (
        profile is not None
        and bool(through_relay(scenario.faults, scenario.host.placement))
        and profile.knows_parts(RELAY_PARTS)
    )
    balancer, clients = scenario.balancer, scenario.clients
    kinds = {fault.kind for fault in scenario.faults}
    runtime = RUNTIMES[scenario.nodes.runtime]
    unread = any(f.kind == "stall" and (f.duration or inf) > runtime.close_timeout for f in scenario.faults)
    reasons = {
        f"the nodes run on {scenario.nodes.runtime}": not runtime.compiled,
        "the relay of a fault takes CPU time": relays,
        "the scenario has a blackhole": "blackhole" in kinds,
        "a killed node is started again": any(f.kind == "kill" and f.duration is not None for f in scenario.faults),
        "the clients send": scenario.clients.sends.rate > 0,
        "a fault may find what another has left": any_meet(scenario.faults),
        "a client may not answer a node that ends": unread and bool(kinds & {"restart", "drain"}),
        "the clients of a broadcast have machines of their own": scenario.publisher is not None
        and scenario.host.placement == "separate",
        "a broadcast goes through an outage": scenario.publisher is not None and "outage" in kinds,
        "there are sessions": scenario.sessions.store != "none",
        "the clients' heartbeat adapts to the network": clients.heartbeat.max_interval > 0,
        "the scenario has a registry": scenario.registry is not None,
        "the nodes end connections by themselves": scenario.nodes.lifetime is not None,
        "the nodes ping": scenario.nodes.ping_interval > 0,
        "a server of the balancer has a slowstart": balancer.ramps_up,
        f"{balancer.program} hashes the names of its servers": RULES[balancer.kind, balancer.algorithm].hashes_names,
        "the balancer's idle timeout can end within the run": strikes_in_run(scenario)
        and not pings_prevent_cuts(scenario),
        f"{balancer.program} has more than {MOST_PEERS} nodes": balancer.tries_peers
        and scenario.nodes.count > MOST_PEERS,
    }
    return next((reason for reason, holds in reasons.items() if holds), "")


def pick(scenario: Scenario, engine: Engine, profile: HostProfile | None = None) -> tuple[Engine, str]:
    """Return the engine to use for a scenario, and why, in one sentence, if `auto` does not get the compiled one.

    Args:
        scenario: what is to run.
        engine: `auto` takes the compiled engine where it covers the scenario.
        profile: costs of the host, see `uncovered`.

    Raises:
        ScenarioError: there is no such engine, or the compiled one is asked for and does not cover the scenario.
    """
    if engine not in ("auto", "simpy", "compiled"):
        raise ScenarioError(f"engine is '{engine}'; allowed is auto, simpy or compiled.")
    if engine == "simpy":
        return "simpy", ""
    why = uncovered(scenario, profile)
    if why and engine == "compiled":
        raise ScenarioError(f"engine is 'compiled'; it does not cover this: {why}; allowed is auto or simpy.")
    if why:
        return "simpy", f"The SimPy model is used, because {why}, which the compiled engine does not cover."
    return "compiled", ""
