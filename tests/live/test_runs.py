"""Which runs count, and that those that do not are made anew: without processes."""

from collections.abc import Callable
from contextlib import nullcontext

import pytest

from live import runs
from live.runs import VoidWarning, each, measure
from twin.record.record import Record, row
from twin.scenario.scenario import Scenario

HUNGRY = {"host": {"starved": "others took 0.5 cores"}}
SLIPPED = {"disturbed": "the kill of node 1 was due at 2.000 s and came 3.19 s late"}


def a_record(scenario: Scenario, replication: int, more: dict[str, object]) -> Record:
    provenance = {"scenario": scenario.model_dump(exclude_none=True), "replication": replication} | more
    return Record.of([row(0.0, "attempt_connect", 0, attempt=1)], provenance)


@pytest.mark.parametrize("more", [HUNGRY, SLIPPED])
@pytest.mark.parametrize(("void", "made", "counts"), [(0, 0, True), (1, 1, True), (2, 2, True), (9, 2, False)])
def test_a_run_that_does_not_count_is_made_anew_with_the_same_random_numbers(
    void: int,
    made: int,
    counts: bool,
    more: dict[str, object],
    small: Callable[..., Scenario],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    asked = []

    def run(scenario: Scenario, replication: int, *_: object) -> Record:
        asked.append(replication)
        return a_record(scenario, replication, more if replication == 1 and asked.count(1) <= void else {})

    monkeypatch.setattr(runs, "run", run)
    monkeypatch.setattr(runs, "ONCE_MORE", 2)
    found = []
    with pytest.warns(VoidWarning) if made else nullcontext():
        found = measure(small(), 2)
    assert asked == [0, 1] + [1] * made
    assert [record.counts for record in found] == [True, counts]
    assert found[1].void_before == [a_record(small(), 1, more).void] * made


def test_each_record_is_given_as_soon_as_it_is_there(
    small: Callable[..., Scenario], monkeypatch: pytest.MonkeyPatch
) -> None:
    answers = [a_record(small(), 0, HUNGRY), a_record(small(), 1, {}), a_record(small(), 0, {})]
    monkeypatch.setattr(runs, "run", lambda *_: answers.pop(0))
    monkeypatch.setattr(runs, "ONCE_MORE", 2)
    with pytest.warns(VoidWarning, match="run 1 of small does not count and is made anew: it was on a starved host"):
        found = list(each(small(), 2))
    assert [(record.replication, record.counts) for record in found] == [(0, False), (1, True), (0, True)]


def test_all_reasons_why_a_run_does_not_count_are_said(small: Callable[..., Scenario]) -> None:
    record = a_record(small(), 0, HUNGRY | SLIPPED)
    assert record.void == (f"{SLIPPED['disturbed']}; it was on a starved host (others took 0.5 cores)")
