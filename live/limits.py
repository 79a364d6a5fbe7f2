"""What a live run allows, on one machine."""

import os

from live.balancer.balancer import binary
from live.broadcast.bus import answers
from live.control.address import Address, address_of
from live.control.usage import sizes
from live.machine import placement
from live.node.kinds import RUNTIMES
from live.permissions import check_permissions
from twin.errors import ScenarioError
from twin.scenario.scenario import Scenario

MOST_CLIENTS = 5000
LONGEST_RUN = 3600.0
"""Seconds that a live run may take."""
MOST_NODES = 16
MOST_DELIVERIES = 2_000_000
"""Deliveries that one run may note."""


def check(scenario: Scenario, redis_url: str | Address | None = None) -> None:
    """See whether this machine can run the scenario; nothing is started.

    Raises:
        ScenarioError: the scenario is too large for a live run, or has a fault that cannot be done to the user's bus.
        HostError: a program is missing, too few files may be open, or the user's bus does not answer, or does not let
            us do what a run does.
    """
    if scenario.duration > LONGEST_RUN:
        raise ScenarioError(f"duration is {scenario.duration:g}; a live run allows at most {LONGEST_RUN:g} s.")
    if scenario.clients.count > MOST_CLIENTS:
        raise ScenarioError(f"clients.count is {scenario.clients.count}; a live run allows at most {MOST_CLIENTS}.")
    if scenario.slots > MOST_NODES:
        who = "nodes.count" if scenario.nodes.count == scenario.slots else "the number of nodes, with those that join,"
        raise ScenarioError(f"{who} is {scenario.slots}; a live run allows at most {MOST_NODES}.")
    if scenario.host.placement == "separate":
        raise ScenarioError("host.placement is 'separate'; a live run, on one machine, allows pinned or free.")
    if any(fault.kind == "outage" for fault in scenario.faults):
        raise ScenarioError(
            "faults has an 'outage'; a live run allows the other kinds of fault, as no process of the lab can take the "
            "power from machines: predict it."
        )
    messages = 0 if scenario.publisher is None else len(scenario.publisher.times(scenario.duration))
    if messages * scenario.clients.count > MOST_DELIVERIES:
        raise ScenarioError(
            f"publisher.rate gives {messages} messages for {scenario.clients.count} clients; a live run allows at most "
            f"{MOST_DELIVERIES} deliveries."
        )
    if scenario.bus.kind == "kafka":
        raise ScenarioError("bus.kind is 'kafka'; a live run allows 'none', 'valkey', 'pubsub' or 'stream'.")
    placement.placement(scenario)
    if scenario.nodes.memory_limit:
        sizes(os.getpid())
    binary(scenario.balancer.kind)
    RUNTIMES[scenario.nodes.runtime].check()
    placement.check_limits(scenario)
    if redis_url is not None and (scenario.bus.kind != "none" or scenario.registry is not None):
        if any(fault.kind == "bus_down" for fault in scenario.faults):
            raise ScenarioError("faults has a 'bus_down': the lab kills only its own bus; leave --redis-url out.")
        if scenario.bus.servers == "several" and len(scenario.uses) > 1:
            raise ScenarioError("bus.servers is 'several': --redis-url names one server; leave it out, or set 'one'.")
        answers(redis_url)
        check_permissions(address_of(redis_url), scenario)
