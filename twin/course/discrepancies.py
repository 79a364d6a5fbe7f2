"""The open question of a lab: find settings with which the model is wrong, and say which mechanism it lacks.

A reader changes settings, says what the real cluster will do, and why. A prediction is wrong in earnest when so many
measured runs lie beyond its band that luck is unlikely. What is confirmed is that the model is wrong there; whether the
mechanism that the reader names is the reason, is for a reader to judge.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from math import comb, inf, isfinite, isnan
from typing import Any, Literal

from twin.analysis.bands import ALPHA, ENOUGH_RUNS, Band
from twin.course.answers import Answer, Predict, number, unlike
from twin.errors import ScenarioError
from twin.measures import MEASURES, measure_record
from twin.record.record import Record
from twin.scenario.fields import show
from twin.scenario.scenario import Scenario

Standing = Literal["confirmed", "not confirmed", "unconfirmed"]

LEVEL = 0.01
"""Chance at most that as many runs lie beyond the band though the model is right, for the first finding that is
measured. Each further one has half the level of the one before, so all together are confirmed by luck once in 50
times at most."""
ROOMS = {
    "machine": "cores, their speed, what else runs on them",
    "network": "delay, loss, partitions",
    "client": "waits, timeouts, heartbeats",
    "balancer": "checks, choice of a node, retries, queues",
    "node": "handshakes, memory, drains, restarts",
    "broadcast": "bus, publisher, versions, resends",
    "sessions": "tokens, logins, their store",
    "sending": "what clients send, queues while away",
    "registry": "leases, the registrar, the autoscaler",
}
"""Rooms of the model, where a mechanism may be missing, and what is in each."""
SHORTEST, LONGEST = 15, 500
"""Characters of the text that names the mechanism."""


@dataclass(frozen=True)
class Discrepancy:
    """Settings with which a reader holds the model to be wrong, and what measured runs say.

    Attributes:
        settings: what was changed against the lab's scenario.
        measure: whose prediction is held to be wrong.
        expected: what the reader expects to be measured.
        low, high: the predicted band; None is a time that was not reached.
        replications: of the prediction.
        room: in which the mechanism is missing.
        mechanism: in the reader's words.
        values: one for each measured run that counts; None is a time that was not reached.
        outside: how many of them lie beyond the band on the side that the reader expects.
        chance: probability of so many or more if the model is right; None without measured runs.
        level: what the chance must not exceed.
        standing: `confirmed`, `not confirmed` by the runs, or `unconfirmed` where nothing was measured.
        why: in words.
    """

    settings: dict[str, Any]
    measure: str
    expected: float
    low: float | None
    high: float | None
    replications: int
    room: str
    mechanism: str
    values: tuple[float | None, ...]
    outside: int
    chance: float | None
    level: float
    standing: Standing
    why: str

    def __str__(self) -> str:
        return f"{self.standing.capitalize()}: {self.why}"


def beyond_by_luck(replications: int) -> float:
    """Return the probability that the next run lies beyond a given end of the band, though the model is right.

    The end is the order statistic of rank j = 1 + 0.025 (n - 1) of n, or the least where there are few; the next run is
    below it with probability j / (n + 1). Source: David & Nagaraja, "Order Statistics", 2003, section 7.2.
    """
    rank = 1 + (ALPHA / 2 * (replications - 1) if replications >= ENOUGH_RUNS else 0)
    return rank / (replications + 1)


def chance_of(outside: int, runs: int, share: float) -> float:
    """Return the probability that so many of some runs or more lie beyond, each with the same share (binomial)."""
    return sum(comb(runs, k) * share**k * (1 - share) ** (runs - k) for k in range(outside, runs + 1))


def level_of(earlier: int) -> float:
    """Return the level of a finding before which so many were measured."""
    return float(LEVEL / 2**earlier)


def look_for(
    lab: Scenario,
    changes: Mapping[str, Any],
    predict: Predict,
    measured: Callable[[Scenario], Sequence[Record]] | None,
    *,
    measure: object,
    expected: object,
    room: object,
    mechanism: object,
    machine: Mapping[str, Any] | None = None,
    earlier: int = 0,
) -> Discrepancy | Answer:
    """Hold a reader's claim that the model is wrong against the model, and against measured runs where there are any.

    Args:
        lab: the scenario of the lab.
        changes: settings in which the reader's is another, as `Scenario.vary` takes them.
        predict: predicts the varied scenario.
        measured: measures the varied scenario; it is called only for a claim that can be judged. None measures nothing.
        measure: name of a measure.
        expected: the reader's own number for what will be measured; it has to lie outside the predicted band.
        room: one of `ROOMS`.
        mechanism: what the model lacks, in a sentence.
        machine: of the profile with which `predict` predicts (`HostProfile.machine`); runs of another machine confirm
            nothing, as its costs may be why they differ. None does not look.
        earlier: how many findings of this reader were measured before.

    Returns:
        The finding, or an answer that says what is still missing for one.

    Raises:
        LabError: the runs cannot be made.
    """
    try:
        varied = lab.vary(**changes)
        claim = _claim(measure, expected, room, mechanism)
    except (ScenarioError, TypeError, ValueError) as error:
        return Answer(False, str(error))
    if not unlike(varied, lab):
        return Answer(False, "change a setting first: these are the lab's own, and step 5 has compared them.")
    name, value = claim[0], claim[1]
    band = Band.predicted(predict(varied), name)
    if isnan(band.low):
        return Answer(False, f"the prediction has no {name} with these settings: nothing of it happens.")
    said = f"the model's band of {name} is {band.text('low')} to {band.text('high')}{_unit(name)}"
    if band.holds(value):
        return Answer(
            False,
            f"{said}, and you expect {value:g}: the model says what you say. Where it is wrong, you expect something "
            "outside of its band.",
        )
    records = [] if measured is None else [one for one in measured(varied) if one.counts]
    problem = _problem(varied, records, machine)
    if problem:
        return Answer(False, problem)
    return _judged(dict(changes), claim, band, records, level_of(earlier), said)


Claim = tuple[str, float, str, str]
"""Measure, expected value, room and mechanism."""


def _claim(measure: object, expected: object, room: object, mechanism: object) -> Claim:
    """Return what a reader claims.

    Raises:
        ScenarioError: something is missing or cannot be.
    """
    if not isinstance(measure, str) or measure not in MEASURES:
        raise ScenarioError(f"measure is {show(measure)}; allowed is a measure of docs/measures.md, as reconnect_p50.")
    if expected is None:
        raise ScenarioError(f"first say what you expect: `expected` is {measure}{_unit(measure, ' in ')}, as measured.")
    if not isinstance(room, str) or room not in ROOMS:
        raise ScenarioError(f"room is {show(room)}; allowed is one of {', '.join(ROOMS)}.")
    if not isinstance(mechanism, str) or not SHORTEST <= len(mechanism.strip()) <= LONGEST:
        raise ScenarioError(
            f"mechanism is {show(mechanism)}; allowed is a sentence of {SHORTEST} to {LONGEST} letters."
        )
    return measure, number("expected", expected), room, mechanism.strip()


def _problem(varied: Scenario, records: Sequence[Record], machine: Mapping[str, Any] | None) -> str:
    """Return why measured runs cannot judge a claim, or an empty text."""
    for record in records:
        if record.provenance.get("world") != "live":
            return "a simulated run confirms nothing about the model; the runs have to be measured."
        if other := unlike(record.scenario, varied):
            return f"the runs are of other settings than yours. {other}".strip()
        made = record.provenance.get("machine", {})
        odd = [name for name in ("cpu", "cores") if machine is not None and made.get(name) != machine.get(name)]
        if odd and machine is not None:
            return (
                f"the profile is of another machine ({odd[0]}: {machine.get(odd[0])}) than the runs "
                f"({made.get(odd[0])}), which may be all the difference; run ./lab calibrate first."
            )
    return ""


def _judged(
    changes: dict[str, Any], claim: Claim, band: Band, records: Sequence[Record], level: float, said: str
) -> Discrepancy:
    name, value, room, mechanism = claim
    above = value > band.high
    values = [measure_record(record).get(name, float("nan")) for record in records]
    values = [one for one in values if not isnan(one)]
    outside = sum(one > band.high if above else one < band.low for one in values if not band.holds(one))
    chance = chance_of(outside, len(values), beyond_by_luck(band.runs)) if values else None
    side = "above" if above else "below"
    if chance is None:
        standing: Standing = "unconfirmed"
        why = f"{said}, and you expect {value:g}, {side} it. No run was measured, so nothing is decided yet."
    else:
        standing = "confirmed" if chance <= level else "not confirmed"
        why = (
            f"{said}, and {outside} of {len(values)} measured runs lie {side} it. If the model were right, so many or "
            f"more would by luck with probability {chance:.2g}, which is {'at most' if chance <= level else 'above'} "
            f"{level:.2g}."
        )
    known = {"low": band.low, "high": band.high}
    ends = {end: float(one) if isfinite(one) else None for end, one in known.items()}
    numbers = tuple(float(one) if isfinite(one) else None for one in values)
    return Discrepancy(
        changes, name, value, ends["low"], ends["high"], band.runs, room, mechanism, numbers, outside, chance, level,
        standing, f"{why} You name {room}: {mechanism}",
    )  # fmt: skip


def luck_again(low: float | None, high: float | None, expected: float, values: Sequence[float | None], n: int) -> float:
    """Return the chance of a finding from what its sheet says: the band, what was expected, and the measured values."""
    ends = (-inf if low is None else low, inf if high is None else high)
    known = [inf if one is None else one for one in values]
    outside = sum(one > ends[1] if expected > ends[1] else one < ends[0] for one in known)
    return chance_of(outside, len(known), beyond_by_luck(n))


def _unit(measure: str, before: str = " ") -> str:
    unit = MEASURES[measure].unit
    return "" if unit == "1" else f"{before}{unit}"
