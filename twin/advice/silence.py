"""Connections over which nothing passes: who cuts them, and who does not notice that his peer is gone."""

from collections.abc import Iterator
from math import inf

from twin.advice.finding import Bite, LintFinding, found, rule
from twin.advice.way import Hop, way
from twin.rules.idle import LAZY, TIE, longest_silence, survives
from twin.scenario.combinations import WARM_UP_SLACK
from twin.scenario.scenario import Scenario


def cuts_idle(scenario: Scenario) -> bool:
    """Tell whether the balancer cuts connections over which nothing but pings passes, within the run or after it."""
    return _cuts(scenario, scenario.idle_timeout, LAZY[scenario.balancer.kind])


def _cuts(scenario: Scenario, timeout: float, lazy: float) -> bool:
    if scenario.clients.transport.polls:  # no connection is there to be silent
        return False
    sides = bool(scenario.clients.heartbeat.interval) + bool(scenario.nodes.ping_interval)
    mixed = sides > 1 or scenario.talks
    return not survives(timeout, scenario.longest_silence, lazy if mixed else 0.0)


PATIENCE = 60.0
"""Seconds by which pings, and the notice of a lost peer, may be late at most on a host that is not hopelessly slow."""


def strikes_in_run(scenario: Scenario) -> bool:
    """Tell whether a connection can have been silent for the balancer's timeout by the end of a run; the oldest ones
    were opened at the beginning of the warm-up.
    """
    return _within_run(scenario, scenario.idle_timeout) and not scenario.clients.transport.polls


def _within_run(scenario: Scenario, timeout: float) -> bool:
    return timeout < scenario.duration + scenario.warm_up + WARM_UP_SLACK


def pings_prevent_cuts(scenario: Scenario) -> bool:
    """Tell whether no connection can be silent for the balancer's timeout, however long the run is.

    A client that pings is heard at each interval, and gives up a peer that does not answer; only a client that does not
    read, or a connection whose node stands still or is cut off, may stay silent for longer.
    """
    beat = scenario.clients.heartbeat
    longest = beat.interval + beat.timeout + beat.close_timeout + PATIENCE
    stands_still = any(fault.kind in ("hang", "stall", "blackhole") for fault in scenario.faults)
    return beat.interval > 0 and not beat.max_interval and not stands_still and scenario.idle_timeout > longest


@rule("idle-timeout", "RFC 6455, section 5.5.2 (pings keep a connection open)")
def idle_timeout(scenario: Scenario) -> Iterator[Bite]:
    """Yield each place on the way that cuts connections between two pings, within the run or after its end."""
    for hop in way(scenario):
        if _cuts(scenario, hop.timeout, hop.lazy):
            yield Bite(
                hop.field, f"{hop.timeout:g}", _idle_sentence(scenario, hop), _ping_within(hop), source=hop.source
            )


def _idle_sentence(scenario: Scenario, hop: Hop) -> str:
    timeout, quiet = hop.timeout, scenario.longest_silence
    pause = "nobody pings" if quiet == inf else f"nothing passes for {quiet:g} s between two pings"
    if survives(timeout, quiet):
        pause += f", and {hop.program} does not move a timer by less than {hop.lazy:g} s"
        end = "idle connections may be cut"
    elif scenario.clients.heartbeat.max_interval:
        end = "connections are cut until the heartbeat has found a shorter interval"
    elif abs(quiet - timeout) <= TIE:
        end = "idle connections are cut, after how many pings is chance"
    else:
        end = "idle connections are cut"
    after = "" if _within_run(scenario, timeout) else f", though not within the run of {scenario.duration:g} s"
    return f"{hop.field} is {timeout:g} s, but {pause}: {end}{after}."


def _ping_within(hop: Hop) -> str:
    return (
        f"Set clients.heartbeat.interval well below {hop.timeout:g} s, or {hop.field} well above what pings are apart."
    )


@rule(
    "read-deadline",
    "Go, package net (`SetReadDeadline`) with gorilla/websocket, examples/chat/client.go (`pongWait`, `pingPeriod`)",
)
def read_deadline(scenario: Scenario) -> Iterator[Bite]:
    """Yield the deadline of the nodes when it ends connections of clients that are well, between two of their frames.

    A pong is a frame of the client, so pings of the nodes count. What clients send at even intervals counts; requests
    may come late, so they do not.
    """
    deadline = scenario.nodes.read_deadline
    rate = scenario.clients.sends.rate
    quiet = longest_silence(scenario.longest_silence, 1 / rate if rate else 0.0)
    if not deadline or scenario.clients.transport.polls or survives(deadline, quiet):
        return
    pause = "clients send nothing" if quiet == inf else f"a client sends nothing for {quiet:g} s"
    yield Bite(
        "nodes.read_deadline",
        f"{deadline:g}",
        f"nodes.read_deadline is {deadline:g} s, but {pause}: nodes drop connections of clients that are well.",
        f"Set nodes.ping_interval or clients.heartbeat.interval well below {deadline:g} s.",
    )


@rule("one-sided-pings", "RFC 6455, section 5.5.2 (either side may ping, to see whether the other one still answers)")
def one_sided_pings(scenario: Scenario) -> Iterator[Bite]:
    """Yield that clients do not ping, where the nodes do: the connections are kept open, also those to a dead node."""
    nodes, beat = scenario.nodes, scenario.clients.heartbeat
    if beat.interval or not nodes.ping_interval or scenario.clients.transport.polls:
        return
    if scenario.balancer.cuts_marked_down:
        return
    yield Bite(
        "clients.heartbeat.interval",
        "0",
        "clients.heartbeat.interval is 0: when a node falls silent its clients do not notice, and the balancer holds "
        f"them for balancer.{scenario.balancer.idle_field}, {scenario.idle_timeout:g} s.",
        "Set clients.heartbeat.interval to the time within which clients shall notice.",
        "note",
    )


RULES = (idle_timeout, read_deadline, one_sided_pings)


def idle_advice(scenario: Scenario) -> list[LintFinding]:
    """Return what is found when the balancer cuts connections between two pings, within the run or after its end."""
    return found([idle_timeout], scenario)
