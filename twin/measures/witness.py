"""Whether each scheduled fault had an effect that somebody other than the scheduler saw."""

import numpy as np

from twin.measures.base import Array
from twin.measures.messages import Messages
from twin.record.columns import Events
from twin.record.record import Record
from twin.scenario.faults import BUS_FAULTS, LINK_FAULTS, Fault

ON_TIME = 1.0
"""Seconds from its schedule within which a fault must have begun."""
SLACK = 0.25
"""Seconds after the fault within which what was under way may still come through."""

EFFECTS = {
    "bus_down": ("bus_lost", "bus_joined", "registry_lost", "registry_joined", "registered"),
    "bus_cut": ("bus_lost", "bus_joined"),
    "join": ("node_started",),
    "store_down": ("borrow_failed", "pool_closed", "pool_opened"),
}
EFFECTS_ON_LINKS = ("bus_lost", "fenced", "marked_down")
"""Events at the node of a partition or a delay that show it while no message does, by its sessions or the registry, if
no other fault may have caused them."""
EFFECTS_OF_OTHERS = ("disconnected", "marked_down", "node_stopped", "healed")
"""Events, at the node of a fault or anywhere, that show a fault that does not show in messages alone."""


def unwitnessed(record: Record) -> list[str]:
    """Return the scheduled faults that had no effect in the record, as sentences.

    One of which the record says that it could not have any (`no_effect`) is none of them.
    """
    felt = record.scenario.publisher is not None and any(fault.kind in BUS_FAULTS for fault in record.scenario.faults)
    messages = Messages(record) if felt else None
    events = record.columns.of(
        *("fault", "no_effect", "healed", "disconnected", "marked_down", "node_stopped", "bus_lost", "bus_joined"),
        *("fenced", "node_starting", "node_started", "registry_lost", "registry_joined", "registered"),
        *EFFECTS["store_down"],
    )
    return [
        f"{fault.kind} at {fault.at:g} s had no witnessed effect"
        for fault in record.scenario.faults
        if not _seen(fault, events, messages, record.scenario.duration, _alone(fault, record.scenario.faults))
    ]


def _alone(fault: Fault, faults: list[Fault]) -> bool:
    """Tell whether no other fault can explain what happens at the node of a fault."""
    return not any(other is not fault and other.node in (None, fault.node) for other in faults)


def _begun(fault: Fault, events: Events) -> Events:
    """Return the events that say that a fault began, or that it had no effect."""
    kind = events.words("kind")
    said = events.event.isin("fault", "no_effect") & kind.isin(fault.kind)
    if fault.kind == "join":  # nothing goes wrong, so it is no event `fault`
        said = events.event.isin("node_starting") | (events.event.isin("no_effect") & kind.isin("join"))
    said &= (events.node == _whom(fault)) & (np.abs(events.t - fault.at) < ON_TIME)
    return events.at(said if fault.client is None else said & (events.client == fault.client))


def _whom(fault: Fault) -> int:
    return fault.node if fault.node is not None else -1


def _seen(fault: Fault, events: Events, messages: Messages | None, end: float, alone: bool) -> bool:
    """Tell whether somebody other than the scheduler saw a fault, or the record says that it could not be seen.

    Args:
        fault: the fault.
        events: of the record, those that show faults.
        messages: of the record, if messages can feel one of its faults.
        end: of the run, in seconds.
        alone: whether no other fault can explain what happens at its node.
    """
    begun, whom = _begun(fault, events), _whom(fault)
    if not len(begun):
        return False
    if fault.kind == "reload" or begun.event.isin("no_effect")[0]:
        return True
    when = float(begun.t[0])
    later = events.at(events.t >= when)
    if messages is not None and fault.kind in BUS_FAULTS and fault.kind not in EFFECTS:
        healed = later.event.isin("healed") & later.words("kind").isin(fault.kind) & (later.node == whom)
        over = later.t[healed & (later.client == (-1 if fault.client is None else fault.client))]
        other = (
            alone and fault.kind in LINK_FAULTS and (later.event.isin(*EFFECTS_ON_LINKS) & (later.node == whom)).any()
        )
        return bool(other) or _felt(fault, messages, when, float(over[0]) if len(over) else end)
    effects = EFFECTS.get(fault.kind, EFFECTS_OF_OTHERS)
    return bool((later.event.isin(*effects) & ((later.node == whom) | (whom == -1))).any())


def _felt(fault: Fault, messages: Messages, when: float, until: float) -> bool:
    """Tell whether a stall, a partition, a delay, or servers of the bus that stand still or are cut off show in the
    messages.
    """
    if fault.kind == "stall":
        rows = messages["delivered"]
        return _silent(rows.t, rows.client == fault.client, messages, when, until)
    rows = messages["received"]
    rows = rows.where(rows.client < 0)
    mine = rows.node == fault.node
    if fault.kind == "partition":
        return _silent(rows.t, mine, messages, when, until)
    took = rows.t - messages.published_at(rows.key)
    if fault.kind in ("bus_hang", "bus_partition"):  # what was to be published meanwhile came only behind it
        return bool(((rows.t - took >= when) & (rows.t - took < until) & (rows.t >= until)).any())
    slow = mine & (rows.t - took >= when) & (rows.t - took <= until) & (took >= (fault.delay or 0.0))
    return bool(slow.any())


def _silent(t: Array, mine: Array, messages: Messages, when: float, until: float) -> bool:
    """Tell whether messages were published in a window, and nothing came to the one who is cut off, while it lasted."""
    during = (t >= when + SLACK) & (t < until)
    published = messages["published"].t
    sent = np.any((published >= when + SLACK) & (published < until))
    return bool(sent and not np.any(during & mine))
