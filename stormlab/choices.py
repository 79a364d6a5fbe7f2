"""The questions of step 6 by lab, to look up again whether a client that a sheet has chosen shows what was asked for.

Mechanism and records are the lab's own. A client of a run that its reader measured cannot be looked up: a sheet has no
records.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import cache
from typing import Any

from twin.course import (
    balancing,
    broadcast,
    drain,
    heartbeats,
    planted,
    registry,
    sessions,
    sizing,
    stalls,
    storms,
    transports,
    whole,
)
from twin.course.explanations import Shows, judged, just_missed, source_of, wait_outlives, who_lost
from twin.course.grading import last_choices, verdict_on, word_of
from twin.errors import LabError
from twin.files.places import RECORDS
from twin.record.record import Record


@dataclass(frozen=True)
class Mechanism:
    """What a question of step 6 asks for, and in which records.

    Attributes:
        records: name of those that ship, without the number of the run: `failover` is `failover-0.parquet` and so on.
        shows: returns, for a record, what looks at one of its clients.
        among: returns the clients that can be chosen.
        simulated: returns the run of a lab in which it is a simulated one; `records` is empty then.
    """

    records: str
    shows: Callable[[Record], Shows]
    among: Callable[[Record], list[int]] = who_lost
    simulated: Callable[[], Record] | None = None

    def by_source(self) -> dict[str, Record]:
        """Return the records, by what tells one from another."""
        return _shipped(self.records) if self.simulated is None else {source_of(one := self.simulated()): one}


def _refutes(record: Record) -> Shows:
    """Return what refutes model A of lab 00, and not B."""
    slow, short = ("balancer.check.inter", 2.0), ("clients.reconnect.base", 0.1)
    return planted.refutes(planted.model_with(record.scenario, slow), planted.model_with(record.scenario, short))


@cache
def _overslept() -> Record:
    """Return the run of lab 04 with a cap of 60 s, in which one client stands for 50."""
    import sim

    scale = 50
    outage = storms.outage(100_000 // scale, 4, 30.0, 150.0, inter=5.0, base=1.0, cap=60.0, jitter="full")
    outage = outage.vary(nodes={"backlog": 1000 // scale})
    return sim.simulate(outage, 0, storms.given_host(500.0, 20_000.0, scale))


def _always(shows: Shows) -> Callable[[Record], Shows]:
    return lambda _: shows


CHOICES: dict[str, dict[str, Mechanism]] = {
    "00-when-a-comparison-fails": {"refutes A and not B": Mechanism("failover", _refutes)},
    "01-failover": {
        "a wait that outlives the mark-down": Mechanism("failover", _always(wait_outlives("marked_down"))),
    },
    "02-broadcast": {
        "jumped over a gap": Mechanism(
            "broadcast-pubsub-no-recovery", _always(broadcast.jumped), among=broadcast.everybody
        ),
    },
    "03-backoff-storms": {
        "released with a node that hung": Mechanism("storm-full-jitter", storms.released_with_its_node),
    },
    "04-sizing": {
        "its last wait is most of its return": Mechanism(
            "", lambda record: sizing.overslept(record.scenario), simulated=_overslept
        ),
    },
    "05-heartbeats": {"sent to the node that hangs": Mechanism("hang", _always(heartbeats.sent_to_silent))},
    "06-balancing": {
        "a wait that outlives the mark-down": Mechanism(
            f"node-returns-{'-'.join(balancing.RULES['HAProxy source'])}", _always(wait_outlives("marked_down"))
        ),
    },
    "07-sessions": {
        "refused after the store was back": Mechanism(
            "sessions-store-down", _always(sessions.refused_after_the_outage)
        ),
    },
    "08-registry": {
        "came just before the removal": Mechanism("registry-death", _always(just_missed("marked_down", 0.1))),
    },
    "09-autoscaling": {
        "moved to a new node and back": Mechanism("autoscale-lifetime", _always(registry.moved_twice)),
    },
    "10-drain": {
        "moved to a node whose turn was still to come": Mechanism("rolling-restart", _always(drain.moved_again)),
    },
    "11-whole": {"moved by rebalancing, and a login": Mechanism("whole", _always(whole.moved_and_logged_in))},
    "12-transports": {
        "asks just before a message comes": Mechanism(
            "transport-poll", transports.nearly_missed, among=broadcast.everybody
        ),
    },
    "13-stalls": {
        "always behind a long request": Mechanism("handler-loop", stalls.always_behind, among=broadcast.everybody),
    },
}
"""By the name of the question, as the notebook notes it."""


def chosen_again(data: Mapping[str, Any]) -> str:
    """Return the verdicts on the last client of each question of a sheet, as the records have them.

    Args:
        data: a sheet, from `twin.course.grading.sheet_of`.
    """
    questions = CHOICES.get(data["lab"], {})
    said = [
        verdict_on(name, one.get("client"), _verdict(questions.get(name), one))
        for name, one in last_choices(data).items()
    ]
    return "; ".join(said)


def _verdict(mechanism: Mechanism | None, choice: Mapping[str, Any]) -> str:
    if mechanism is None:
        return "not asked: the lab has no such question"
    try:
        record = mechanism.by_source().get(str(choice.get("source", "")))
        if record is None:
            return "not asked: its run is none of the lab's records"
        right, _ = judged(record, choice.get("client"), mechanism.shows(record), mechanism.among)
    except LabError as error:
        return f"not asked: {error}"
    return word_of(right)


@cache
def _shipped(name: str) -> dict[str, Record]:
    """Return the records of a name that ship."""
    records = [Record.load(path) for path in sorted(RECORDS.glob(f"{name}-[0-9]*.parquet"))]
    return {source_of(record): record for record in records}
