"""What must hold in every record of either world; each broken promise comes with the events that show it."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Literal

from twin.invariants import agreement, connections, consumers, delivery, pools, requests, sessions
from twin.invariants.case import MOST_SHOWN, Case, Finding, Violation, catch_up, return_within
from twin.measures.witness import unwitnessed
from twin.record.record import Record

__all__ = [
    "INVARIANTS",
    "LIVENESS",
    "MOST_SHOWN",
    "Audit",
    "Case",
    "Finding",
    "Violation",
    "audit",
    "catch_up",
    "return_within",
]

INVARIANTS: dict[str, Callable[[Case], Finding]] = {
    "states": connections.states,
    "balancer_count": connections.balancer_count,
    "owned_once": sessions.owned_once,
    "not_outlived": sessions.not_outlived,
    "answered_once": requests.answered_once,
    "pool_bounded": pools.pool_bounded,
    "borrow_ends": pools.borrow_ends,
    "published": delivery.published,
    "one_name": delivery.one_name,
    "rising": delivery.rising,
    "contiguous": delivery.contiguous,
    "once": delivery.once,
    "acked_received": agreement.acked_received,
    "consistent_acked": agreement.consistent_acked,
    "again_after_wait": consumers.again_after_wait,
    "reached": delivery.reached,
    "at_least_once": consumers.at_least_once,
    "back": connections.back,
    "at_head": delivery.at_head,
}
"""Safety first, then liveness. The docstring of each says what it promises."""
LIVENESS = frozenset({"reached", "at_least_once", "back", "at_head"})
"""What must have come about after some seconds, for which a disturbed run may be too short."""
_OF_CLUSTER = {"states", "balancer_count", "owned_once", "not_outlived", "back"}
_OF_CLUSTER |= {"answered_once", "pool_bounded", "borrow_ends"}
_OF_MESSAGES = frozenset(INVARIANTS) - _OF_CLUSTER


@dataclass(frozen=True)
class Audit:
    """What the invariants say about one record.

    Attributes:
        record: what was examined.
        findings: one for each invariant.
        reasons: scheduled faults without a witnessed effect, and what disturbed the run, as sentences.
    """

    record: Record
    findings: dict[str, Finding]
    reasons: list[str]

    @property
    def verdict(self) -> Literal["pass", "fail", "unknown"]:
        """`fail` when an invariant is broken, else `unknown` when a fault left no trace or the run was disturbed, else
        `pass`.
        """
        if any(finding.count for finding in self.findings.values()):
            return "fail"
        return "unknown" if self.reasons else "pass"

    @property
    def violations(self) -> list[Violation]:
        """The violations that are shown, at most `MOST_SHOWN` of each invariant."""
        return [violation for finding in self.findings.values() for violation in finding.violations]

    def as_dict(self) -> dict[str, Any]:
        """Return the audit as one JSON object."""
        scenario = self.record.scenario
        return {
            "scenario": scenario.name,
            "world": self.record.provenance.get("world", ""),
            "seed": scenario.seed,
            "replication": self.record.provenance.get("replication"),
            "verdict": self.verdict,
            "reasons": self.reasons,
            "broken": {name: finding.count for name, finding in self.findings.items() if finding.count},
            "skipped": {name: finding.skipped for name, finding in self.findings.items() if finding.skipped},
            "checked": [name for name, finding in self.findings.items() if not finding.skipped],
            "violations": [violation.as_dict() for violation in self.violations],
        }


def audit(record: Record, within: float | None = None) -> Audit:
    """Examine a record of either world.

    Args:
        record: what happened.
        within: seconds after the last fault within which every client must be connected again; `return_within` of its
            scenario by default.
    """
    case = Case(record, within)
    nothing = record.scenario.publisher is None and not record.events["event"].eq("delivered").any()
    findings = {
        name: Finding(skipped="nothing is broadcast") if nothing and name in _OF_MESSAGES else check(case)
        for name, check in INVARIANTS.items()
    }
    void = [f"the run was disturbed: {record.disturbed}"] if record.disturbed else []
    return Audit(record, findings, [*unwitnessed(record), *void])
