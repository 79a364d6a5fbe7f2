"""Questions of step 6: choose a client of a run whose way back a mechanism explains; the record says whether it does.

A mechanism is a function of what happened to one client, which tells whether it shows it, and why in words.
"""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import cached_property
from math import inf

import numpy as np
import pandas as pd

from twin.course.answers import Answer, whole
from twin.errors import ScenarioError
from twin.record.record import Record


@dataclass(frozen=True)
class Passage:
    """One attempt of a client to come back.

    Attributes:
        began: s since the start of the run.
        ended: when it succeeded or failed; infinite if the run ended first.
        outcome: `connected`, or why it failed, as in the event's detail.
        node: that accepted it, -1 if none did.
        wait: s between what came before (the loss, or the last failure) and its begin.
    """

    began: float
    ended: float
    outcome: str
    node: int
    wait: float


class Journey:
    """What happened to one client in a run from its first loss on.

    Attributes:
        record: of the run.
        client: its number.
    """

    def __init__(
        self, record: Record, client: int, events: pd.DataFrame | None = None, fault: float | None = None
    ) -> None:
        """Look at one client of a record; nothing is read before it is asked for.

        Args:
            record: of the run.
            client: its number.
            events: its events, where somebody has them.
            fault: when the first fault came (s), where somebody knows it.
        """
        self.record, self.client, self._fault = record, client, fault
        if events is not None:
            self.events = events

    @cached_property
    def events(self) -> pd.DataFrame:
        """Its events in order of time, as in `Record.events`."""
        return self.record.events[self.record.events["client"] == self.client]

    @cached_property
    def lost(self) -> float:
        """When it first noticed a loss at or after the first fault, in s of the run; infinite if never."""
        times = self._times("disconnected")
        times = times[times >= (first_fault(self.record) if self._fault is None else self._fault)]
        return float(times[0]) if len(times) else inf

    @cached_property
    def back(self) -> float:
        """When it was connected again, infinite if never."""
        times = self._times("connected")
        times = times[times > self.lost]
        return float(times[0]) if len(times) else inf

    @property
    def away(self) -> float:
        """Seconds from the loss to the return."""
        return self.back - self.lost

    @cached_property
    def passages(self) -> list[Passage]:
        """Its attempts from the loss to the return."""
        names = ("attempt_connect", "connected", "connect_failed")
        mine = self.events[self.events["event"].isin(names)]
        mine = mine[(mine["t"] >= self.lost) & (mine["t"] <= self.back)]
        found: list[Passage] = []
        began, before = None, self.lost
        rows = zip(mine["t"], mine["event"], mine["node"], mine["detail"], strict=True)
        for t, event, node, detail in rows:
            if event == "attempt_connect":
                began = float(t)
            elif began is not None:
                outcome = "connected" if event == "connected" else str(detail)
                found.append(Passage(began, float(t), outcome, int(node), began - before))
                began, before = None, float(t)
        if began is not None:
            found.append(Passage(began, inf, "", -1, began - before))
        return found

    def _times(self, event: str) -> "np.ndarray[tuple[int], np.dtype[np.float64]]":
        return self.events[self.events["event"] == event]["t"].to_numpy(float)


Shows = Callable[[Journey], tuple[bool, str]]
"""Tells of a client that lost its connection whether it shows a mechanism, and why in words, as in "is back first"."""


def first_fault(record: Record) -> float:
    """Return when the first fault of a run came (s); the start of the run without one."""
    faults = record.select("fault")["t"]
    return float(faults.iloc[0]) if len(faults) else 0.0


def first_after(record: Record, event: str, since: float) -> float:
    """Return when an event first came at or after a time (s), infinite if never."""
    times = record.select(event)["t"]
    times = times[times >= since]
    return float(times.iloc[0]) if len(times) else inf


def who_lost(record: Record) -> list[int]:
    """Return the clients that lost their connection at or after the first fault, in order of their numbers."""
    losses = record.select("disconnected")
    return sorted(set(losses[losses["t"] >= first_fault(record)]["client"].astype(int)))


def who_shows(record: Record, shows: Shows, among: Callable[[Record], list[int]] = who_lost) -> list[int]:
    """Return the clients of a run that show a mechanism."""
    return [journey.client for journey in journeys(record, among) if shows(journey)[0]]


def journeys(record: Record, among: Callable[[Record], list[int]] = who_lost) -> Iterator[Journey]:
    """Yield what happened to each of some clients of a run; the record is gone through once for all of them."""
    events, fault = dict(list(record.events.groupby("client", sort=False))), first_fault(record)
    for client in among(record):
        yield Journey(record, client, events.get(client), fault)


def waits(record: Record, attempts: int = 4) -> pd.DataFrame:
    """Return for each client that lost its connection its first waits and its time away, both in s; the first to be
    back come first.
    """
    rows, fault = {}, first_fault(record)
    for journey in journeys(record):
        some = {f"wait {k}": one.wait for k, one in enumerate(journey.passages[:attempts], 1)}
        rows[journey.client] = some | {"back after": journey.back - fault}
    columns = [*(f"wait {k}" for k in range(1, attempts + 1)), "back after"]
    table = pd.DataFrame.from_dict(rows, orient="index").reindex(columns=columns)
    return table.rename_axis("client").sort_values("back after")


@dataclass(frozen=True)
class OfRecord(Answer):
    """An answer about a client of a record.

    Attributes:
        source: the record, as `source_of` names it.
    """

    source: str = ""


def source_of(record: Record) -> str:
    """Return what tells a record from others: world, scenario and replication, and when a measured one was begun."""
    said = [str(record.provenance.get("world", "")), record.scenario.name, str(record.replication)]
    return " ".join([*said, str(record.provenance.get("start", ""))] if said[0] == "live" else said)


def explained(
    record: Record,
    client: object,
    shows: Shows,
    among: Callable[[Record], list[int]] = who_lost,
    of: str = "lost their connection",
) -> Answer:
    """Judge a reader's choice of a client that shows a mechanism.

    Args:
        record: of the run.
        client: its number.
        shows: looks at one client.
        among: returns the clients that can be chosen.
        of: what these have in common, in words after "clients that".
    """
    if client is None:
        return Answer(False, "choose a client first: put its number in place of None.")
    right, why = judged(record, client, shows, among, of)
    if right:
        others, known = len(who_shows(record, shows, among)), len(among(record))
        why = f"{why} {others} of the {known} clients that {of} show it."
    return OfRecord(right, why, source=source_of(record))


def judged(
    record: Record,
    client: object,
    shows: Shows,
    among: Callable[[Record], list[int]] = who_lost,
    of: str = "lost their connection",
) -> tuple[bool, str]:
    """Tell whether a client shows a mechanism, and why in a sentence; the arguments are those of `explained`."""
    try:
        chosen = whole("client", client)
    except ScenarioError as error:
        return False, str(error)
    known = among(record)
    if chosen not in known:
        if not 0 <= chosen < record.scenario.clients.count:
            return False, f"client is {chosen}; allowed is 0 to {record.scenario.clients.count - 1}."
        return False, f"client {chosen} is none of the {len(known)} that {of} in this run."
    right, why = shows(Journey(record, chosen))
    return right, f"client {chosen} {why}."


def wait_outlives(event: str, share: float = 0.5, what: str = "the mark-down") -> Shows:
    """Return a mechanism: a wait that was under way at an event made up most of the time away.

    Args:
        event: at or after the client's loss, as `marked_down`.
        share: of the time away that came after the event.
        what: the event in words.
    """

    def shows(journey: Journey) -> tuple[bool, str]:
        at = first_after(journey.record, event, journey.lost)
        if journey.back == inf or at == inf:
            return False, f"is not back when the run ends, or {what} does not come"
        if journey.back < at:
            return False, f"is back {at - journey.back:.2f} s before {what}"
        rest = journey.back - at
        spans = [one for one in journey.passages if one.began - one.wait < at <= one.began]
        said = f"is away for {journey.away:.2f} s, of which {rest:.2f} s come after {what}"
        if not spans or spans[0].outcome != "connected":
            return False, f"{said}, but not in one wait: an attempt after it failed, or was under way"
        said += f"; its last wait is {spans[0].wait:.2f} s"
        return rest > share * journey.away, said

    return shows


def just_missed(event: str, seconds: float, what: str = "the mark-down") -> Shows:
    """Return a mechanism: the last attempt that failed came so shortly before an event that luck decided.

    Args:
        event: as `marked_down`.
        seconds: at most, from that attempt's begin to the event.
        what: the event in words.
    """

    def shows(journey: Journey) -> tuple[bool, str]:
        at = first_after(journey.record, event, journey.lost)
        before = [one for one in journey.passages if one.began < at and one.outcome != "connected"]
        if not before or at == inf:
            return False, f"has no attempt that failed before {what}"
        early = at - before[-1].began
        return early <= seconds, f"has its last attempt before {what} {early:.3f} s before it"

    return shows
