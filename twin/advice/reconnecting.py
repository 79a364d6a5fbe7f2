"""Clients that come back: all in one moment, more at once than anybody accepts, without end, or not any more."""

from collections.abc import Iterator
from math import ceil, inf, isfinite
from typing import NamedTuple

from twin.advice.finding import Bite, rule
from twin.advice.limits import AWAY
from twin.rules.backoff import Reconnect, always_together, patience, spread_after_loss
from twin.scenario.balancer.base import BACKLOG
from twin.scenario.faults import Fault
from twin.scenario.scenario import Scenario

BROOKER = 'Brooker, "Exponential Backoff And Jitter", AWS Architecture Blog, 2015'


@rule("no-jitter", BROOKER)
def no_jitter(scenario: Scenario) -> Iterator[Bite]:
    """Yield what makes the clients of a lost node come back in one moment, once or after each wait."""
    policy = scenario.clients.reconnect.rule()
    if scenario.clients.transport.polls or spread_after_loss(policy) > 0:
        return
    of_node = ceil(scenario.clients.count / scenario.nodes.count)
    again = ", and again after each wait" if always_together(policy) else ""
    yield Bite(
        *_what_keeps_together(policy),
        f"Nothing spreads the first wait of clients that are cut in the same moment: {of_node} clients of a node come "
        f"back together{again}.",
        "Set clients.reconnect.jitter to 'full' with first = 'backoff', or draw the waits of the list.",
        "note",
    )


def _what_keeps_together(policy: Reconnect) -> tuple[str, str]:
    """Return the setting because of which the first wait is not spread, and its value."""
    if policy.policy == "immediate":
        return "clients.reconnect.policy", "immediate"
    if policy.first == "immediate":
        return "clients.reconnect.first", "immediate"
    if policy.policy == "list":
        return "clients.reconnect.delays.0", f"{policy.delays[0]}"
    return "clients.reconnect.jitter", policy.jitter


@rule("jitter-at-cap", "socket.io-client, contrib/backo2.ts (`duration`): the longest wait is cut after the jitter")
def jitter_at_cap(scenario: Scenario) -> Iterator[Bite]:
    """Yield a cap at which no jitter is left."""
    policy = scenario.clients.reconnect.rule()
    if policy.policy == "exponential" and policy.jitter == "around" and policy.factor > 1:
        yield Bite(
            "clients.reconnect.cap",
            f"{policy.cap:g}",
            f"With the jitter 'around' a wait is cut after it was spread: in a long outage all clients wait just "
            f"clients.reconnect.cap, {policy.cap:g} s, and those that failed together come again together.",
            "Set clients.reconnect.jitter to 'full' or 'equal'.",
            "note",
        )


class Wave(NamedTuple):
    """Clients that lose their connections in one moment.

    Attributes:
        why: what takes them.
        clients: how many.
        nodes: how many nodes they come back to.
    """

    why: str
    clients: int
    nodes: int


def waves(scenario: Scenario) -> list[Wave]:
    """Return the waves of a scenario's faults, and that of the loss of one node, which may come at any time; clients
    are taken to be spread evenly.
    """
    nodes, clients = scenario.nodes.count, scenario.clients.count
    of_node = Wave("the loss of one node", ceil(clients / nodes), max(1, nodes - 1))
    found = [of_node]
    for i, fault in enumerate(scenario.faults):
        why = f"faults.{i} ({fault.kind})"
        if fault.kind == "outage" or (fault.kind == "reload" and scenario.balancer.hard_stop_after):
            found.append(Wave(why, clients, nodes))
        elif _cuts_at_once(scenario, fault):
            found.append(of_node._replace(why=why))
    return found


def _cuts_at_once(scenario: Scenario, fault: Fault) -> bool:
    silent = fault.kind in ("hang", "blackhole")
    return fault.kind in AWAY and not fault.pace and (not silent or scenario.balancer.cuts_marked_down)


@rule("backlog-burst", "listen(2); Linux, include/net/sock.h (`sk_acceptq_is_full`); RFC 6298, section 2.1 (SYN: 1 s)")
def backlog_burst(scenario: Scenario) -> Iterator[Bite]:
    """Yield an accept queue that is shorter than the wave of clients that come back in one moment."""
    policy = scenario.clients.reconnect.rule()
    if scenario.clients.transport.polls or spread_after_loss(policy) > 0:
        return
    every = waves(scenario)
    wave = max(every, key=lambda one: one.clients / one.nodes)
    each, room = ceil(wave.clients / wave.nodes), scenario.nodes.backlog + 1
    late = "what does not fit is dropped, and its SYN comes again a second later and more."
    spread = "Spread the first wait (clients.reconnect.jitter 'full' with first = 'backoff')"
    if each > room:
        yield Bite(
            "nodes.backlog",
            f"{scenario.nodes.backlog}",
            f"After {wave.why} up to {each} clients come in one moment to a node, and "
            f"nodes.backlog is {scenario.nodes.backlog}: {late}",
            f"{spread}, or set nodes.backlog to {each}." if each <= BACKLOG else f"{spread}.",
        )
    most = max(every, key=lambda one: one.clients)
    if most.clients > BACKLOG:
        yield Bite(
            "clients.count",
            f"{scenario.clients.count}",
            f"After {most.why} up to {most.clients} clients come in one moment to the balancer, whose accept queue has "
            f"room for {BACKLOG}, as net.core.somaxconn allows by default: {late}",
            f"{spread}, or raise net.core.somaxconn and the backlog of the balancer.",
        )


@rule("reconnect-loop", "reconnecting-websocket (`minUptime`); aws-c-mqtt, pull request 212; jitsi-videobridge, 2415")
def reconnect_loop(scenario: Scenario) -> Iterator[Bite]:
    """Yield a policy by which a client that is accepted and dropped comes back at once, over and over."""
    settings = scenario.clients.reconnect
    policy = settings.rule()
    at_once = policy.policy == "immediate" or policy.first == "immediate"
    if policy.policy == "list" and policy.first == "backoff":
        at_once = spread_after_loss(policy) == 0 and policy.delays[0] in (0, [0], [0, 0])
    if at_once and not policy.stable_time:
        yield Bite(
            "clients.reconnect.stable_time",
            "0",
            "clients.reconnect.stable_time is 0, and the first attempt after a loss does not wait: a cluster that "
            "accepts clients and drops them is asked again and again without a pause.",
            "Set clients.reconnect.stable_time to some seconds.",
            "note",
        )


@rule("gives-up", "@microsoft/signalr, DefaultReconnectPolicy.ts; nats.go, DefaultMaxReconnect")
def gives_up(scenario: Scenario) -> Iterator[Bite]:
    """Yield how often clients try until they stop for good; a warning if an outage of the scenario lasts longer."""
    policy = scenario.clients.reconnect.rule()
    most = patience(policy)
    if not isfinite(most):
        return
    outages = [inf if one.duration is None else one.duration for one in scenario.faults if one.kind == "outage"]
    longer = max(outages, default=0.0) > most
    setting = ("max_attempts", f"{policy.max_attempts}") if policy.max_attempts else ("then", policy.then)
    yield Bite(
        f"clients.reconnect.{setting[0]}",
        setting[1],
        f"Clients stop for good after {most:g} s of waits at most"
        + (": an outage of the scenario lasts longer." if longer else ": nobody comes back from a longer outage."),
        "Set clients.reconnect.max_attempts = 0 and clients.reconnect.then = 'repeat', or tell users how to come back.",
        "warning" if longer else "note",
    )


@rule("open-timeout", "HAProxy 2.8 manual, `timeout connect`, `retries`; nginx, `proxy_connect_timeout`")
def open_timeout(scenario: Scenario) -> Iterator[Bite]:
    """Yield a client that gives up an attempt before the balancer tries another node."""
    patient, given_up = scenario.clients.open_timeout, scenario.balancer.unanswered_within
    if given_up is None or given_up < patient or scenario.nodes.count == 1:
        return
    yield Bite(
        "clients.open_timeout",
        f"{patient:g}",
        f"A client gives up an attempt after clients.open_timeout, {patient:g} s, and the balancer waits "
        f"balancer.connect_timeout, {given_up:g} s, for a node that does not answer: it never gets to try another one.",
        f"Set balancer.connect_timeout well below {patient:g} s.",
        "note",
    )


RULES = (backlog_burst, no_jitter, jitter_at_cap, reconnect_loop, gives_up, open_timeout)
