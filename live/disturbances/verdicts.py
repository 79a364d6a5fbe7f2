"""What a disturbed run has to come to, and whether it did: pure functions over what was seen of one run from outside.

What was done counts with the times at which it was done, not with those that were drawn. Nothing here starts anything.
"""

import re
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from math import inf
from typing import Any, Literal

from live.broadcast.server_watch import SILENT
from live.disturbances.disturbance import Disturbance
from live.machine.timing import TOLERANCE

Outcome = Literal["counted", "voided", "unsaved", "interrupted", "killed", "hung"]
Must = Literal["count", "void", "either", "unsaved", "interrupted", "killed"]
WRONG = ("counted wrongly", "voided wrongly", "left behind", "cause not named", "hung")

BUSY = 0.02
"""Seconds by which the injector's own timers were late when the machine, and not the lab, was to blame."""
OTHERS = 0.1
"""Cores that others took, on average, when they were."""
BETWEEN_LOOKS = 0.15
"""Seconds from one question to the user's own server to the next on a busy machine: a part is watched all the time."""
STATUS = {"failed": 2, "interrupted": 130}
_SIGNALS = {
    "kill": "SIGKILL|signal 9",
    "term": "SIGTERM|signal 15|ended with exit status|exited with code",
    "stop": "was stopped|stood still|gave no answer",
}
"""How a message says it; who ends in good order when it is told to does not show by what."""


@dataclass(frozen=True)
class Start:
    """One start of the cluster within a run; times are those of the monotonic clock.

    Attributes:
        cluster: when its first process was started.
        start: of the run; None if it never came to that.
    """

    cluster: float
    start: float | None = None


@dataclass(frozen=True)
class ObservedRun:
    """What was seen of one run from outside.

    Attributes:
        disturbance: what was drawn.
        duration: of the run in seconds.
        steps: seconds after the start of the run at which the lab itself has to do something, as a fault.
        starts: of the cluster: more than one if a run was made anew.
        hit: when the disturbance began and was over (infinity if never), on the monotonic clock; None: it hit nothing.
        status: exit status of the lab; below 0 the signal that ended it; None: it did not end in time.
        said: all that it wrote to standard error, and what is missing according to its JSON.
        shown: whether it showed a run.
        disturbed: what disturbed that run according to its record.
        starved: how busy its host was according to its record, if it was too busy.
        void_before: why earlier attempts at the run did not count, according to its record.
        records: how many it saved, and how many of these were broken.
        left: what was still there after its end, in a few words each.
        late: by how many seconds the injector's own timers were late at most during the run.
        others: cores that programs of others and the hypervisor took meanwhile, on average.
    """

    disturbance: Disturbance
    duration: float
    steps: tuple[float, ...] = ()
    starts: tuple[Start, ...] = ()
    hit: tuple[float, float] | None = None
    status: int | None = 0
    said: str = ""
    shown: bool = False
    disturbed: str = ""
    starved: str = ""
    void_before: tuple[str, ...] = ()
    records: tuple[int, int] = (0, 0)
    left: tuple[str, ...] = ()
    late: float = 0.0
    others: float = 0.0


@dataclass(frozen=True)
class Verdict:
    """What came of one run.

    Attributes:
        must: what it had to come to.
        outcome: what it came to.
        verdicts: `voided rightly`, `counted rightly`, or all that is wrong.
        why: a sentence for each thing that is wrong.
    """

    must: Must
    outcome: Outcome
    verdicts: tuple[str, ...]
    why: tuple[str, ...] = ()

    @property
    def wrong(self) -> bool:
        """Whether anything is."""
        return any(one in WRONG for one in self.verdicts)


def disturbed_start(seen: ObservedRun) -> int | None:
    """Return which start of the cluster was disturbed, from 0; None for none."""
    if seen.hit is None:
        return None
    before = [i for i, one in enumerate(seen.starts) if one.cluster <= seen.hit[1]]
    begun = [i for i in before if seen.starts[i].cluster <= seen.hit[0]]
    return begun[-1] if begun else before[0] if before else None


def overlap(seen: ObservedRun) -> float:
    """Return for how many seconds of the measured time the disturbance lasted; infinity if it has no end there."""
    number = disturbed_start(seen)
    if number is None or seen.hit is None:
        return 0.0
    start = seen.starts[number].start
    if start is None:  # it never came to be measured
        return 0.0
    begin, end = max(seen.hit[0], start), min(seen.hit[1], start + seen.duration)
    if begin >= end:
        return 0.0
    return inf if seen.hit[1] == inf else end - begin


def must(seen: ObservedRun, tolerance: float = TOLERANCE) -> Must:
    """Return what a run has to come to.

    Args:
        seen: what was seen.
        tolerance: seconds that a part may stand still without harm.
    """
    one = seen.disturbance
    if one.action == "none" or seen.hit is None:
        return "count"
    if one.target == "lab" and one.action != "stop":
        return "killed" if one.action == "kill" else "interrupted"
    if one.action == "fill":
        return "unsaved" if one.when == "start-up" else "void"
    if one.action == "cut":
        return "count"
    if one.target == "lab":  # what is measured goes on without it, but for what it has to do
        return "void" if max(_step_delays(seen), default=0.0) > tolerance else "either"
    if (one.action, one.target) == ("term", "guard"):
        return "count"  # it does not heed that
    if one.when == "finish":
        return "either"  # what is measured is not touched
    lasted = overlap(seen)
    if lasted <= (SILENT + BETWEEN_LOOKS if one.target == "server" else tolerance):
        return "either" if lasted > 0.0 or disturbed_start(seen) is not None else "count"
    return "void"


def _step_delays(seen: ObservedRun) -> list[float]:
    """Return by how many seconds the lab did each step of the schedule late at least, as it stood still."""
    number = disturbed_start(seen)
    start = None if number is None else seen.starts[number].start
    if start is None or seen.hit is None:
        return []
    begin, end = (t - start for t in seen.hit)
    return [end - step for step in seen.steps if begin < step < end]


def outcome(seen: ObservedRun) -> Outcome:
    """Return what a run came to: `counted` only if it was not made anew after it was disturbed.

    Who else uses this machine may starve any run, which then does not count, whatever was done to it. So such a run is
    taken for one that counts, unless the cores are what was taken away.
    """
    if seen.status is None:
        return "hung"
    if seen.status < 0:
        return "killed"
    if seen.status == STATUS["interrupted"]:
        return "interrupted"
    if seen.shown and seen.status != 0:
        return "unsaved"
    number = disturbed_start(seen)
    anew = number is not None and number < len(seen.starts) - 1
    starved = seen.starved and seen.disturbance.action in ("starve", "outrank")
    return "voided" if anew or starved or seen.disturbed or not seen.shown else "counted"


def judge(seen: ObservedRun, tolerance: float = TOLERANCE) -> Verdict:
    """Return the verdict on one run; see `Verdict`.

    Args:
        seen: what was seen.
        tolerance: seconds that a part may stand still without harm.
    """
    wanted, came = must(seen, tolerance), outcome(seen)
    harmless = wanted == "count" or (wanted == "either" and _machine(seen))
    found: dict[str, str] = {}
    if came == "hung":
        found["hung"] = "it did not end in time"
    elif came == "counted":
        if wanted in ("void", "interrupted", "killed", "unsaved") and not _too_late(seen):
            found["counted wrongly"] = f"{_done(seen)}, and the run counted"
    elif wanted == "count" and not _machine(seen):
        found["voided wrongly"] = f"nothing disturbed the run, and it came to be {came}: {_last(_text(seen))}"
    elif not harmless and came != "killed" and not _names_cause(seen):
        found["cause not named"] = f"{_done(seen)}; it said: {_last(_text(seen)) or 'nothing'}"
    if seen.left or seen.records[1]:
        broken = [f"{seen.records[1]} broken records"] if seen.records[1] else []
        found["left behind"] = ", ".join([*seen.left, *broken])
    if found:
        return Verdict(wanted, came, tuple(found), tuple(found.values()))
    return Verdict(wanted, came, ("counted rightly" if came == "counted" else "voided rightly",))


def _too_late(seen: ObservedRun) -> bool:
    """The lab had done its work when it was told to end."""
    number = disturbed_start(seen)
    if seen.disturbance.target != "lab" or number is None or seen.hit is None:
        return False
    start = seen.starts[number].start
    return start is not None and seen.hit[0] >= start + seen.duration and seen.records[0] > 0


def _machine(seen: ObservedRun) -> bool:
    """Somebody else kept the machine busy: the lab says so, and the injector has seen it, too."""
    busy = seen.late > BUSY or seen.others > OTHERS
    return busy and bool(re.search(r"starved|\blate\b|stood still|took|silent|could not connect", _text(seen)))


def _text(seen: ObservedRun) -> str:
    """Return all that was said of a run, on the terminal or in JSON, in lines."""
    starved = [f"starved: {seen.starved}"] if seen.starved else []
    return "\n".join([seen.said, *starved, *([seen.disturbed] if seen.disturbed else []), *seen.void_before])


def _names_cause(seen: ObservedRun) -> bool:
    """Tell whether what a run said names who or what disturbed it, and how; what was never measured may begin anew."""
    one, number = seen.disturbance, disturbed_start(seen)
    said = _text(seen)
    if number is not None and number < len(seen.starts) - 1 and seen.shown and not seen.void_before:
        return False  # the record looks like that of a first attempt
    if seen.status == 0 and number is not None and seen.starts[number].start is None:
        return True
    if one.action in ("int", "term", "hup") and one.target == "lab":
        return "Interrupted" in said
    if one.action == "fill":
        return bool(re.search(r"No space left|is full", said))
    if one.action in ("starve", "outrank"):
        return bool(re.search(r"starved|others took|late", said))
    if one.target == "lab":
        return bool(re.search(r"the lab|late", said))
    if one.target == "server":
        return bool(re.search(r"redis|server|bus", said, re.IGNORECASE))
    name = one.target.removesuffix(" worker")
    how = _SIGNALS[one.action]
    return any(re.search(rf"\b{name}\b", line) and re.search(how, line) for line in said.splitlines())


def _done(seen: ObservedRun) -> str:
    one = seen.disturbance
    number = disturbed_start(seen)
    start = None if number is None else seen.starts[number].start
    when = "" if start is None or seen.hit is None else f" at {seen.hit[0] - start:.2f} s of the run"
    length = "" if seen.hit is None or seen.hit[1] == inf else f" for {seen.hit[1] - seen.hit[0]:.2f} s"
    return f"{one.action} of {one.target}{when}{length}"


def _last(said: str) -> str:
    lines = [line for line in said.splitlines() if not line.startswith("Warning: this machine is busy")]
    return lines[-1] if lines else ""


@dataclass
class ReportRow:
    """One line of the report.

    Attributes:
        kind: of disturbance.
        runs: of this kind.
        hit: how many of them were hit.
        starved: how many were on a starved host.
        verdicts: how many have each.
    """

    kind: str
    runs: int = 0
    hit: int = 0
    starved: int = 0
    verdicts: Counter[str] = field(default_factory=Counter)


def table(found: Iterable[tuple[ObservedRun, Verdict]]) -> list[ReportRow]:
    """Return one row for each kind of disturbance, in order of the name, the undisturbed runs first."""
    rows: dict[str, ReportRow] = {}
    for seen, verdict in found:
        row = rows.setdefault(seen.disturbance.kind, ReportRow(seen.disturbance.kind))
        row.runs += 1
        row.hit += seen.hit is not None
        row.starved += bool(seen.starved)
        row.verdicts.update(verdict.verdicts)
    return sorted(rows.values(), key=lambda row: (row.kind != "undisturbed", row.kind))


def totals(verdicts: Sequence[Verdict]) -> dict[str, Any]:
    """Return how many runs have each verdict."""
    counts = Counter(one for verdict in verdicts for one in verdict.verdicts)
    return {name: counts[name] for name in ("counted rightly", "voided rightly", *WRONG)}
