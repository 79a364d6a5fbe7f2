"""Whether each scheduled fault had an effect that somebody other than the scheduler saw."""

import numpy as np

from twin.fault_settings import BUS_FAULTS, Fault
from twin.measures.base import Array
from twin.measures.messages import Messages
from twin.record import Record

ON_TIME = 1.0
"""Seconds from its schedule within which a fault must have begun."""
SLACK = 0.25
"""Seconds after the fault within which what was under way may still come through."""


def unwitnessed(record: Record) -> list[str]:
    """Return the scheduled faults that had no effect in the record, as sentences.

    One of which the record says that it could not have any (`no_effect`) is none of them.
    """
    messages = Messages(record) if any(fault.kind in BUS_FAULTS for fault in record.scenario.faults) else None
    silent = []
    table = record.select(
        *("fault", "no_effect", "healed", "disconnected", "marked_down", "node_stopped", "bus_lost", "bus_joined"),
        *("node_starting", "node_started"),
    ).reset_index(drop=True)
    for fault in record.scenario.faults:
        whom = fault.node if fault.node is not None else -1
        begun = table["event"].isin(["fault", "no_effect"]) & table["detail"].eq(fault.kind) & table["node"].eq(whom)
        if fault.kind == "join":  # nothing goes wrong, so it is no event `fault`
            begun = table["event"].eq("node_starting") & table["node"].eq(whom)
            begun |= table["event"].eq("no_effect") & table["detail"].eq("join") & table["node"].eq(whom)
        begun &= (table["t"] - fault.at).abs() < ON_TIME
        if fault.client is not None:
            begun &= table["client"].eq(fault.client)
        if not begun.any():
            seen = False
        elif fault.kind == "reload" or table["event"][begun].iloc[0] == "no_effect":
            seen = True
        else:
            when = float(table["t"][begun].iloc[0])
            later = table[table["t"] >= when]
            if fault.kind in ("bus_down", "bus_cut"):
                effect = later["event"].isin(["bus_lost", "bus_joined"])
                seen = bool((effect & (later["node"].eq(whom) | (whom == -1))).any())
            elif messages is not None and fault.kind in BUS_FAULTS:
                healed = later[
                    later["event"].eq("healed")
                    & later["detail"].eq(fault.kind)
                    & later["node"].eq(whom)
                    & later["client"].eq(-1 if fault.client is None else fault.client)
                ]["t"]
                until = float(healed.iloc[0]) if len(healed) else record.scenario.duration
                seen = _felt(fault, messages, when, until)
            else:
                effects = ["disconnected", "marked_down", "node_stopped", "healed"]
                effects = ["node_started"] if fault.kind == "join" else effects
                seen = bool((later["event"].isin(effects) & (later["node"].eq(whom) | (whom == -1))).any())
        if not seen:
            silent.append(f"{fault.kind} at {fault.at:g} s had no witnessed effect")
    return silent


def _felt(fault: Fault, messages: Messages, when: float, until: float) -> bool:
    """Tell whether a stall, a partition or a delay shows in the messages."""
    if fault.kind == "stall":
        rows = messages["delivered"]
        return _silent(rows.t, rows.client == fault.client, messages, when, until)
    rows = messages["received"]
    rows = rows.where(rows.client < 0)
    mine = rows.node == fault.node
    if fault.kind == "partition":
        return _silent(rows.t, mine, messages, when, until)
    took = rows.t - messages.published_at(rows.key)
    slow = mine & (rows.t - took >= when) & (rows.t - took <= until) & (took >= (fault.delay or 0.0))
    return bool(slow.any())


def _silent(t: Array, mine: Array, messages: Messages, when: float, until: float) -> bool:
    """Tell whether messages were published in a window, and nothing came to the one who is cut off, while it lasted."""
    during = (t >= when + SLACK) & (t < until)
    published = messages["published"].t
    sent = np.any((published >= when + SLACK) & (published < until))
    return bool(sent and not np.any(during & mine))
