"""What an invariant looks at, and what it says when it is broken."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from math import inf
from typing import Any

import numpy as np

from twin.advice import cuts_idle, strikes_in_run
from twin.measures.base import Array
from twin.measures.broadcast import SETTLE, settles_in
from twin.measures.messages import Messages
from twin.measures.witness import ON_TIME
from twin.record.record import Record
from twin.rules.backoff import longest_delay
from twin.rules.polling import cut_by
from twin.rules.pool import longest_return
from twin.rules.registry import removal_bounds
from twin.scenario.faults import Fault
from twin.scenario.scenario import Scenario

MOST_SHOWN = 20
"""Violations of one invariant that are shown with their witness; all are counted."""

STILL_LOGINS = "logins were given up without an answer, or not over at the end of the record"
"""Why it cannot be said when nodes had time for anything else."""


@dataclass(frozen=True)
class Violation:
    """One broken promise and the fewest events that show it.

    Attributes:
        invariant: which one, a key of `INVARIANTS`.
        text: one sentence.
        t: when it was broken, in seconds.
        client, node, version: where; -1 does not apply.
        witness: the events, in order, as dicts of the columns that apply.
    """

    invariant: str
    text: str
    t: float
    client: int = -1
    node: int = -1
    version: int = -1
    witness: tuple[dict[str, Any], ...] = ()

    def as_dict(self) -> dict[str, Any]:
        """Return the violation as it appears in JSON."""
        data = {name: getattr(self, name) for name in ("invariant", "text", "t")}
        data |= {name: getattr(self, name) for name in ("client", "node", "version") if getattr(self, name) >= 0}
        return {**data, "witness": list(self.witness)}


@dataclass(frozen=True)
class Finding:
    """What one invariant says about a record: how often it is broken, or why it could not be checked."""

    count: int = 0
    violations: list[Violation] = field(default_factory=list)
    skipped: str = ""


class Case:
    """A record under examination.

    Args:
        record: of either world.
        within: seconds after the last fault is over within which every client must be connected again;
            `return_within` of the scenario by default.
    """

    def __init__(self, record: Record, within: float | None = None) -> None:
        self.record = record
        self.scenario = record.scenario
        self.end = self.scenario.duration
        self.within = return_within(self.scenario) if within is None else within

    @cached_property
    def messages(self) -> Messages:
        """The message events."""
        return Messages(self.record)

    @cached_property
    def healed_at(self) -> float:
        """When the last fault was over, in seconds; infinite if one never is, minus infinite without a fault. A node
        that its memory has ended is one, too.
        """
        overs = [*map(self._over, self.scenario.faults), *self.record.select("out_of_memory")["t"]]
        return max((over if over <= self.end else inf for over in overs), default=-inf)

    def _over(self, fault: Fault) -> float:
        """Return when a fault was over, in seconds; infinite if the record does not show it.

        One without an effect is never there. What another fault of the node has put an end to is over with that one.
        """
        if fault.kind == "join" or self._had_no_effect(fault):
            return -inf
        if fault.kind == "reload":
            return fault.at + self.scenario.balancer.hard_stop_after
        lasts = inf if fault.duration is None else fault.at + fault.duration
        if fault.kind in ("blackhole", "bus_down", "store_down", "stall", "partition", "delay"):
            return lasts
        if fault.kind == "outage":  # over when balancer and nodes are all back
            return self._healed(("outage",), -1, fault.at)
        if fault.kind == "hang":
            return min(lasts, self._killed_after(fault))
        if fault.kind in ("restart", "drain") or (fault.kind == "kill" and fault.duration is not None):
            started = self._healed(("kill", "restart", "drain"), fault.node or -1, fault.at)
            return min(started, self._killed_after(fault), self._healed(("outage",), -1, fault.at))
        return fault.at

    def _healed(self, kinds: tuple[str, ...], node: int, since: float) -> float:
        """Return when the effect of a fault of one of some kinds is first over, from a time on; infinite if never."""
        table = self.record.select("healed")
        found = table[(table["t"] >= since) & table["node"].eq(node) & table["kind"].isin(kinds)]["t"]
        return float(found.iloc[0]) if len(found) else inf

    def _killed_after(self, fault: Fault) -> float:
        """Return when the node of a fault was killed after it, in seconds; infinite if it was not."""
        kills = [one for one in self.scenario.faults if one.kind == "kill" and one.node == fault.node]
        later = [one.at for one in kills if one is not fault and one.at >= fault.at and not self._had_no_effect(one)]
        return min(later, default=inf)

    def _had_no_effect(self, fault: Fault) -> bool:
        """Tell whether the record says that a fault had none."""
        table = self.record.select("no_effect")
        mine = table["kind"].eq(fault.kind) & table["node"].eq(fault.node or -1)
        return bool((mine & (table["t"] - fault.at).abs().lt(ON_TIME)).any())

    @cached_property
    def quiet_from(self) -> float:
        """When every client must be connected again, in seconds; infinite if that lies behind the end of the record."""
        when = self.healed_at + self.within
        return when if when <= self.end else inf

    @cached_property
    def last_contact(self) -> tuple[Array, Array]:
        """For each client when it last connected (s, NaN if never) and to which node it is connected at the end (-1: to
        none); each of shape (clients,).
        """
        count = self.scenario.clients.count
        when, home = np.full(count, np.nan), np.full(count, -1)
        table = self.record.select("connected", "disconnected")
        up = table["event"].eq("connected").to_numpy()
        for t, client, node, is_up in zip(table["t"], table["client"], table["node"], up, strict=True):
            if 0 <= client < count:
                home[client] = node if is_up else -1
                if is_up:
                    when[client] = t
        return when, home

    @cached_property
    def some_node_is_up(self) -> bool:
        """Whether a node had not stopped, or had been started again, by the end; one that hangs is up."""
        last = self.record.select("node_stopped", "node_started").groupby("node")["event"].last()
        began = set(range(1, self.scenario.nodes.count + 1)) - set(last.index)
        return bool(began) or bool(last.eq("node_started").any())

    @cached_property
    def stopped(self) -> set[int]:
        """The nodes that have ended at some time."""
        return set(self.record.select("node_stopped", "drained")["node"].tolist())

    @cached_property
    def logins_over(self) -> float:
        """When the last login was over that a node had to check during the run, in seconds: a node that does so does
        nothing else. Minus infinity without logins; infinite if some were given up for want of an answer, or are under
        way at the end, as nobody tells how long nodes are busy with those.
        """
        table = self.record.select("session_lost", "session_started", "connect_failed", "attempt_connect", "connected")
        lost = table[table["event"].eq("session_lost")]["t"]
        if not len(lost):
            return -inf
        late = table["event"].eq("connect_failed") & table["reason"].eq("timeout") & (table["t"] >= lost.iloc[0])
        dialling = table[table["client"].ge(0)].groupby("client")["event"].last().eq("attempt_connect")
        if late.any() or dialling.any():
            return inf
        return float(table[table["event"].eq("session_started")]["t"].max())

    @property
    def cuts_idle(self) -> bool:
        """Whether the balancer cuts connections between two pings within the record."""
        return strikes_in_run(self.scenario) and cuts_idle(self.scenario)

    @cached_property
    def cuts_holds(self) -> bool:
        """Whether the balancer answers 504 to each request that a node holds for as long as it may."""
        held = self.scenario.clients.transport.held
        return held > 0.0 and cut_by(held, self.scenario.balancer.answer_timeout)

    @cached_property
    def gave_up(self) -> Array:
        """Which clients gave up, shape (clients,)."""
        mask = np.zeros(self.scenario.clients.count, dtype=bool)
        who = self.record.select("gave_up")["client"].to_numpy()
        mask[who[(who >= 0) & (who < len(mask))]] = True
        return mask

    def row(self, at: int) -> dict[str, Any]:
        """Return one event of the record without the columns that do not apply."""
        one = self.record.events.iloc[int(at)].to_dict()
        return {str(name): value for name, value in one.items() if name in ("t", "event") or value not in (-1, "")}

    def found(
        self,
        invariant: str,
        broken: Sequence[int] | Array,
        say: Callable[[int], str],
        witness: Callable[[int], Sequence[int]] | None = None,
    ) -> Finding:
        """Return the finding for the events `broken`, rows of the record.

        Args:
            invariant: its name.
            broken: rows of the record at which the promise was broken.
            say: gives the sentence for the i-th of them.
            witness: gives the rows of the record that show the i-th, by default the row itself.
        """
        shown = []
        for i, at in enumerate(list(broken)[:MOST_SHOWN]):
            one = self.record.events.iloc[int(at)]
            rows = sorted({int(at), *(int(r) for r in (witness(i) if witness else ()) if r >= 0)})
            shown.append(
                Violation(
                    invariant,
                    say(i),
                    float(one["t"]),
                    int(one["client"]),
                    int(one["node"]),
                    int(one["version"]),
                    tuple(self.row(r) for r in rows),
                )
            )
        return Finding(len(broken), shown)


def return_within(scenario: Scenario) -> float:
    """Return how long after the last fault every client is connected again, in seconds.

    The sum of what may follow each other: a peer that died in silence is noticed by the heartbeat, the balancer finds
    out about the node, an attempt that was sent to it fails, and the client waits as long as its policy may have it.
    With sessions, logins may queue, and nodes connect to their store again. What does not concern the scenario's faults
    is left out.
    """
    kinds = {fault.kind for fault in scenario.faults}
    clients, balancer, beat = scenario.clients, scenario.balancer, scenario.clients.heartbeat
    silent = bool(kinds & {"hang", "blackhole"})
    nodes = silent or bool(kinds & {"kill", "restart", "drain"})
    within = beat.interval + beat.timeout + beat.close_timeout if silent and beat.interval else 0.0
    if silent and clients.transport.polls:
        within = clients.transport.every + clients.transport.held + clients.open_timeout
    nodes = nodes or "outage" in kinds
    if scenario.registry is not None:
        blind = removal_bounds(scenario.registry.ttl, scenario.registry.heartbeat, scenario.registry.sync)[1]
        blind += balancer.retried_within
    else:
        blind = balancer.blind(silent)
    within += blind if nodes else 0.0
    if scenario.sessions.store != "none":  # logins may queue until their attempts time out
        within += clients.open_timeout
        within += SETTLE + scenario.bus.retry.cap if "bus_down" in kinds else 0.0
    if scenario.nodes.pool is not None and scenario.nodes.pool.handshake:  # a handshake may wait for a connection
        within += clients.open_timeout
        within += sum(longest_return(fault.duration or 0.0) for fault in scenario.faults if fault.kind == "store_down")
    if nodes and (silent or scenario.nodes.backlog < clients.count):
        within += clients.open_timeout
    return within + longest_delay(clients.reconnect.rule())


def too_short(case: Case) -> str:
    """Return why liveness cannot be checked."""
    return f"the record ends less than {case.within:g} s after the last fault"


def catch_up(scenario: Scenario) -> float:
    """Return the seconds within which a connected client stands at the head: the bus is retried, a question that was
    lost in a fault is asked again, and what is under way arrives.
    """
    clients = scenario.clients
    asked_again = 0.0 if not scenario.faults else clients.recovery.timeout
    if scenario.faults and clients.transport.polls:  # a request that a fault has swallowed is given up, and made anew
        asked_again = clients.transport.held + clients.open_timeout
    return settles_in(scenario) + scenario.bus.retry.cap + asked_again
