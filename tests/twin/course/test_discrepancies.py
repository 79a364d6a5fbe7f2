"""The open question: a finding is confirmed by measured runs that luck does not explain, and by nothing else."""

from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pandas as pd
import pytest
from scipy import stats

from tests.strategies import small
from twin.course import discrepancies
from twin.course.answers import Answer
from twin.course.discrepancies import (
    LEVEL,
    ROOMS,
    Discrepancy,
    beyond_by_luck,
    chance_of,
    level_of,
    look_for,
    luck_again,
)
from twin.record.record import Record, row

MACHINE = {"cpu": "made of sand", "cores": 2}
CHANGES = {"balancer": {"check": {"inter": 0.7}}}
CLAIM = {
    "measure": "mark_down_delay",
    "expected": 2.0,
    "room": "balancer",
    "mechanism": "The check waits for its timeout before it counts as failed.",
}


def predicts(scenario):
    measures = pd.DataFrame({"mark_down_delay": np.linspace(0.7, 1.4, 200)})
    return SimpleNamespace(measures=measures, bounds=pd.DataFrame())


def run(delay, world="live", scenario=None, machine=MACHINE, **more):
    """Return the record of a run whose node is marked down so long after its death; None is never."""
    scenario = scenario or small(**CHANGES)
    rows = [row(2.0, "fault", node=1, detail="kill")]
    rows += [] if delay is None else [row(2.0 + delay, "marked_down", node=1, detail="check")]
    provenance = {"scenario": scenario.model_dump(exclude_none=True), "world": world, "machine": machine}
    return Record.of(rows, provenance | more)


def found(delays, **more):
    runs = None if delays is None else (lambda _: [run(one) for one in delays])
    return look_for(small(), CHANGES, predicts, runs, **CLAIM | more)


@pytest.fixture(autouse=True)
def delays_of_marks(monkeypatch):
    """Let the measure be what the run says, whatever else a run without clients defines."""

    def measured(record):
        downs = record.select("marked_down")["t"]
        return {"mark_down_delay": float(downs.iloc[0]) - 2.0 if len(downs) else float("inf")}

    monkeypatch.setattr(discrepancies, "measure_record", measured)


def test_runs_beyond_the_band_confirm_a_finding():
    finding = found([2.1, 1.9, 2.0, 1.0, 2.2])
    assert isinstance(finding, Discrepancy)
    assert finding.standing == "confirmed"
    assert (finding.outside, len(finding.values)) == (4, 5)
    assert finding.chance == pytest.approx(stats.binom.sf(3, 5, beyond_by_luck(200)))
    assert "4 of 5 measured runs lie above it" in finding.why
    assert str(finding).startswith("Confirmed: the model's band of mark_down_delay is 0.718 to 1.38 s")
    assert finding.why.endswith("You name balancer: The check waits for its timeout before it counts as failed.")


def test_what_was_not_reached_lies_above_a_band_that_ends():
    finding = found([None, None])
    assert finding.standing == "confirmed"
    assert finding.values == (None, None)


@pytest.mark.parametrize("delays", [[1.0, 1.2, 0.9, 1.1, 1.3], [2.0, 1.0, 1.2, 0.9, 1.1], [2.0], [0.1, 0.2, 0.1]])
def test_runs_inside_a_single_one_or_the_other_side_do_not_confirm(delays):
    finding = found(delays)
    assert finding.standing == "not confirmed"
    assert finding.chance > LEVEL


def test_below_the_band_is_a_finding_as_well():
    finding = found([0.1, 0.2, 0.1], expected=0.1)
    assert finding.standing == "confirmed"
    assert "3 of 3 measured runs lie below it" in finding.why


def test_without_measured_runs_a_finding_is_unconfirmed():
    finding = found(None)
    assert (finding.standing, finding.chance, finding.values) == ("unconfirmed", None, ())
    assert "nothing is decided yet" in finding.why
    assert found([]).standing == "unconfirmed"


def test_void_runs_do_not_count():
    void = [run(2.0, disturbed="something else ran")] * 5
    assert look_for(small(), CHANGES, predicts, lambda _: void, **CLAIM).standing == "unconfirmed"


def test_each_further_finding_has_half_the_level():
    assert sum(level_of(k) for k in range(50)) <= 2 * LEVEL
    assert found([2.0, 2.0, 1.0, 1.0, 1.0]).standing == "confirmed"
    assert found([2.0, 2.0, 1.0, 1.0, 1.0], earlier=2).standing == "not confirmed"


@pytest.mark.parametrize(
    ("more", "said"),
    [
        ({"measure": "speed"}, "measure is 'speed'; allowed is a measure"),
        ({"measure": None}, "allowed is a measure"),
        ({"expected": None}, "first say what you expect: `expected` is mark_down_delay in s, as measured"),
        ({"expected": "soon"}, "expected is 'soon'; allowed is a number"),
        ({"expected": 1.0}, "the model says what you say"),
        ({"room": "kitchen"}, "room is 'kitchen'; allowed is one of machine, network"),
        ({"room": None}, "allowed is one of machine"),
        ({"mechanism": "luck"}, "allowed is a sentence of"),
        ({"mechanism": None}, "allowed is a sentence of"),
    ],
)
def test_what_is_no_claim_is_refused_before_anything_is_measured(more, said):
    def never(scenario):
        raise AssertionError(scenario)

    answer = look_for(small(), CHANGES, predicts, never, **CLAIM | more)
    assert isinstance(answer, Answer)
    assert said in answer.why


def test_settings_have_to_be_others_and_have_to_be_allowed():
    assert "change a setting first" in look_for(small(), {}, predicts, None, **CLAIM).why
    assert "change a setting first" in look_for(small(), {"name": "mine"}, predicts, None, **CLAIM).why
    odd = look_for(small(), {"balancer": {"check": {"inter": -1}}}, predicts, None, **CLAIM)
    assert "balancer.check.inter" in odd.why
    assert not look_for(small(), {"balancer": 3}, predicts, None, **CLAIM).right
    nothing = SimpleNamespace(measures=pd.DataFrame({"mark_down_delay": [np.nan]}), bounds=pd.DataFrame())
    assert "nothing of it happens" in look_for(small(), CHANGES, lambda _: nothing, None, **CLAIM).why


@pytest.mark.parametrize(
    ("record", "said"),
    [
        (run(2.0, world="sim"), "a simulated run confirms nothing"),
        (run(2.0, scenario=small()), "the runs are of other settings than yours"),
        (run(2.0, machine={"cpu": "another", "cores": 2}), "the profile is of another machine (cpu: made of sand)"),
    ],
)
def test_runs_that_prove_nothing_are_refused(record, said):
    answer = look_for(small(), CHANGES, predicts, lambda _: [record] * 5, machine=MACHINE, **CLAIM)
    assert isinstance(answer, Answer)
    assert said in answer.why


def test_the_share_beyond_an_end_is_that_of_the_order_statistics():
    draws = np.random.default_rng(1)
    for n in (10, 40, 200):
        samples = draws.random((20_000, n))
        low = np.quantile(samples, 0.025 if n >= 39 else 0.0, axis=1)
        assert np.mean(draws.random(20_000) < low) == pytest.approx(beyond_by_luck(n), rel=0.1)


@pytest.mark.parametrize(("outside", "runs", "share"), [(0, 5, 0.03), (2, 5, 0.03), (5, 5, 0.05), (1, 1, 0.02)])
def test_the_chance_is_binomial(outside, runs, share):
    assert chance_of(outside, runs, share) == pytest.approx(stats.binom.sf(outside - 1, runs, share))


def test_the_chance_follows_from_what_a_sheet_holds():
    finding = found([2.1, None, 2.0, 1.0, 2.2])
    again = luck_again(finding.low, finding.high, finding.expected, finding.values, finding.replications)
    assert again == pytest.approx(finding.chance)
    assert luck_again(0.5, 1.0, 0.1, [0.2, 0.7], 200) == pytest.approx(chance_of(1, 2, beyond_by_luck(200)))


def test_the_rooms_are_those_of_both_worlds():
    root = Path(__file__).parents[3]
    for world in ("sim", "live"):
        assert all((root / world / room / "__init__.py").exists() for room in ROOMS)
