"""A balancer that cuts connections over which nothing passes."""

from math import inf

from twin.rules.idle import LAZY, TIE, survives
from twin.scenario.combinations import WARM_UP_SLACK
from twin.scenario.scenario import Scenario


def cuts_idle(scenario: Scenario) -> bool:
    """Tell whether the balancer cuts connections over which nothing but pings passes, within the run or after it."""
    if scenario.clients.transport.polls:  # no connection is there to be silent
        return False
    sides = bool(scenario.clients.heartbeat.interval) + bool(scenario.nodes.ping_interval)
    mixed = sides > 1 or scenario.talks
    lazy = LAZY[scenario.balancer.kind] if mixed else 0.0
    return not survives(scenario.idle_timeout, scenario.longest_silence, lazy)


PATIENCE = 60.0
"""Seconds by which pings, and the notice of a lost peer, may be late at most on a host that is not hopelessly slow."""


def strikes_in_run(scenario: Scenario) -> bool:
    """Tell whether a connection can have been silent for the balancer's timeout by the end of a run; the oldest ones
    were opened at the beginning of the warm-up.
    """
    watched = scenario.duration + scenario.warm_up + WARM_UP_SLACK
    return scenario.idle_timeout < watched and not scenario.clients.transport.polls


def pings_prevent_cuts(scenario: Scenario) -> bool:
    """Tell whether no connection can be silent for the balancer's timeout, however long the run is.

    A client that pings is heard at each interval, and gives up a peer that does not answer; only a client that does not
    read, or a connection whose node stands still or is cut off, may stay silent for longer.
    """
    beat = scenario.clients.heartbeat
    longest = beat.interval + beat.timeout + beat.close_timeout + PATIENCE
    stands_still = any(fault.kind in ("hang", "stall", "blackhole") for fault in scenario.faults)
    return beat.interval > 0 and not beat.max_interval and not stands_still and scenario.idle_timeout > longest


def timeout_field(scenario: Scenario) -> str:
    """Return the name of the setting after which the balancer cuts a silent connection."""
    return f"balancer.{scenario.balancer.idle_field}"


def idle_advice(scenario: Scenario) -> list[str]:
    """Return one sentence when the balancer cuts connections between two pings, within the run or after its end."""
    if not cuts_idle(scenario):
        return []
    timeout, quiet = scenario.idle_timeout, scenario.longest_silence
    pause = "nobody pings" if quiet == inf else f"nothing passes for {quiet:g} s between two pings"
    if survives(timeout, quiet):
        lazy = LAZY[scenario.balancer.kind]
        pause += f", and {scenario.balancer.program} does not move a timer by less than {lazy:g} s"
        end = "idle connections may be cut"
    elif scenario.clients.heartbeat.max_interval:
        end = "connections are cut until the heartbeat has found a shorter interval"
    elif abs(quiet - timeout) <= TIE:
        end = "idle connections are cut, after how many pings is chance"
    else:
        end = "idle connections are cut"
    after = "" if strikes_in_run(scenario) else f", though not within the run of {scenario.duration:g} s"
    return [f"{timeout_field(scenario)} is {timeout:g} s, but {pause}: {end}{after}."]
