"""One client stops reading: the model and real processes show the same effect of each policy."""

from pathlib import Path

import pytest

from live.runs import run
from sim import simulate
from twin.costs.profile import HostProfile
from twin.invariants import audit
from twin.measures import measure_record
from twin.record.record import Record
from twin.scenario.scenario import Scenario

pytestmark = pytest.mark.live
SCENARIOS = Path(__file__).parents[3] / "scenarios"


def effects(record: Record) -> dict[str, bool]:
    """What happened to client 5, which stops reading."""
    mine = record.events[record.events["client"] == 5]
    stalled = mine[mine["t"] >= 0.5]
    answers = record.select("recovered")
    answers = answers[(answers["client"] == 5) & (answers["t"] >= 0.5)]
    return {
        "gap": bool((stalled["event"] == "gap").any()),
        "snapshot": "snapshot" in set(answers["how"]),
        "disconnected": bool((stalled["event"] == "disconnected").any()),
        "connected again": bool((stalled["event"] == "connected").any()),
    }


def others_lost(record: Record) -> set[tuple[int, int]]:
    """Pairs of another client and a message that it did not apply, of all that were published."""
    published = set(record.select("published")["version"])
    delivered = record.select("delivered")
    got = set(zip(delivered["client"].tolist(), delivered["version"].tolist(), strict=True))
    return {(client, version) for client in range(5) for version in published} - got


@pytest.mark.parametrize(
    ("policy", "seen"),
    [
        ("drop", {"gap", "snapshot"}),
        ("coalesce", {"snapshot"}),
        ("close", {"snapshot", "disconnected", "connected again"}),
    ],
)
def test_a_policy_has_the_same_effect_in_both_worlds_and_others_lose_nothing(policy: str, seen: set[str]) -> None:
    scenario = Scenario.load(SCENARIOS / f"broadcast-stall-{policy}.toml")
    for record in (simulate(scenario, 0, HostProfile.load("reference")), run(scenario)):
        found = audit(record)
        assert [violation.text for violation in found.violations] == []
        assert found.reasons == []
        assert {name for name, there in effects(record).items() if there} == seen
        assert others_lost(record) == set()
        assert measure_record(record)["lost_share"] < 1 / 6
