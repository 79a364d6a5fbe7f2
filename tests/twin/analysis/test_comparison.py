import json
from io import StringIO
from math import inf, nan
from types import SimpleNamespace

import numpy as np
import pandas as pd
import pytest
from rich.console import Console

import sim
import twin
from stormlab.tables import print_comparison
from tests.strategies import small
from twin.analysis.bands import Band
from twin.analysis.comparison import Comparison, Row, coverage, finite, fleet, in_words, median_error, relative_error
from twin.errors import ScenarioError
from twin.measures import reconnect_times
from twin.record.record import Record

KILLED = small(faults=[{"at": 1.0, "kind": "kill", "node": 1}])


@pytest.fixture(scope="module")
def prediction(profile):
    return sim.predict(KILLED, 40, profile, jobs=1)


def measured(profile, replication, scenario=KILLED, **provenance):
    """A record of the model that passes for a measured one."""
    record = sim.simulate(scenario, replication, profile)
    return Record.of_frame(record.events, record.provenance | provenance)


def test_a_band_holds_95_percent_of_its_replications():
    band = Band.of(np.arange(1001.0))
    assert (band.low, band.median, band.high) == pytest.approx((25.0, 500.0, 975.0))
    assert band.holds(25.0)
    assert band.holds(975.0)
    assert not band.holds(24.9)
    assert band.half_width == pytest.approx(0.95)


def test_the_interval_score_adds_forty_times_the_miss_to_the_width():
    band = Band(2.0, 1.0, 3.0)
    assert band.score(1.5) == pytest.approx(2.0)
    assert band.score(0.5) == pytest.approx(2.0 + 40 * 0.5)
    assert band.score(4.0) == pytest.approx(2.0 + 40 * 1.0)


def test_the_relative_error_is_of_the_measured_value_and_defined_at_zero():
    assert relative_error(1.5, 2.0) == pytest.approx(0.25)
    assert relative_error(0.0, 0.0) == 0.0
    assert relative_error(0.1, 0.0) == 1.0


def test_coverage_counts_every_run_and_the_error_every_measure():
    rows = [Row("notice_p50", [Band(1, 0, 2)] * 2, [1.0, 3.0]), Row("imbalance", [Band(1, 1, 1)] * 2, [1.0, 1.0])]
    assert coverage(rows) == 0.75
    assert median_error(rows) == pytest.approx(0.25)


def test_runs_of_the_model_itself_pass(prediction, profile):
    records = [measured(profile, i) for i in range(5)]
    given = sim.predict_given(records, 8, profile, jobs=1)
    comparison = twin.compare(prediction, records, given)
    assert comparison.verdict == "pass"
    assert comparison.coverage > 0.8
    data = comparison.as_dict()
    assert set(data["measures"]["notice_p50"]) >= {"unit", "predicted", "measured", "inside", "error", "interval_score"}
    parts = {"median", "low", "high", "censored", "bound", "not_reached"}
    assert set(data["measures"]["notice_p50"]["predicted"]) == parts
    assert data["given_mark_down"]["median_error"] < 0.02
    pairs = comparison.pairs()
    assert len(pairs) > 10
    assert np.median(np.abs(pairs[:, 2] - pairs[:, 3])) < 0.01


def test_a_run_of_slower_timers_fails(prediction, profile):
    slow = KILLED.vary(balancer={"check": {"inter": 2.0}}, clients={"reconnect": {"base": 1.0}})
    record = measured(profile, 0, slow)
    disguised = Record.of_frame(record.events, record.provenance | {"scenario": KILLED.model_dump(exclude_none=True)})
    assert twin.compare(prediction, disguised).verdict == "fail"


def test_a_fault_without_an_effect_makes_the_verdict_unknown(prediction, profile):
    quiet = sim.simulate(small(), 0, profile)
    silent = Record.of_frame(quiet.events, quiet.provenance | {"scenario": KILLED.model_dump(exclude_none=True)})
    comparison = twin.compare(prediction, silent)
    assert comparison.verdict == "unknown"
    assert comparison.reasons == ["run 1: kill at 1 s had no witnessed effect"]
    assert comparison.broken == []


def test_a_broken_invariant_fails_whatever_the_numbers_say(prediction, profile):
    good = measured(profile, 0)
    first = good.events.index[good.events["event"].eq("connected")][0]
    bad = Record.of_frame(good.events.drop(index=first).reset_index(drop=True), good.provenance)
    comparison = twin.compare(prediction, [good, bad])
    assert comparison.verdict == "fail"
    assert comparison.broken[0].startswith("run 2: states is broken ")
    data = comparison.as_dict()
    assert data["reasons"] == comparison.broken
    assert data["violations"][0] == []
    assert data["violations"][1][0]["invariant"] == "states"
    assert data["violations"][1][0]["witness"]
    total = fleet([twin.compare(prediction, good), comparison])
    assert total["verdict"] == "fail"
    assert total["violated"] == ["small"]


def test_a_starved_host_excuses_a_late_return_but_no_broken_promise(prediction, profile):
    good = measured(profile, 1, host={"starved": "others took 1.00 cores"})
    events = good.events
    last = events[events["event"].eq("connected")].index[-1]
    late = events[~(events["client"].eq(events["client"][last]) & (events.index >= last))].reset_index(drop=True)
    comparison = twin.compare(prediction, [measured(profile, 0), Record.of_frame(late, good.provenance)])
    assert comparison.audits[1].findings["back"].count == 1
    assert comparison.broken == []
    awake = Record.of_frame(late, good.provenance | {"host": {}})
    assert twin.compare(prediction, awake).broken[0].startswith("run 1: back is broken once: client ")


def test_what_is_not_defined_is_null_in_json(prediction, profile):
    starved = measured(profile, 1, host={"starved": "others took 1.00 cores"})
    nothing = twin.compare(prediction, [starved], sim.predict_given([starved], 2, profile, jobs=1))
    for data in (nothing.as_dict(), fleet([nothing]), fleet([nothing, nothing])):
        assert json.loads(json.dumps(data, allow_nan=False)) == data
        assert (data["coverage"], data["median_error"], data["given_mark_down"]["coverage"]) == (None, None, None)
    assert finite({"a": [1.0, float("nan")], "b": (float("inf"), 2, "x")}) == {"a": [1.0, None], "b": [None, 2, "x"]}


def test_starved_runs_do_not_count(prediction, profile):
    good, starved = measured(profile, 0), measured(profile, 1, host={"starved": "others took 1.00 cores"})
    assert all(len(row.measured) == 1 for row in twin.compare(prediction, [good, starved]).rows)
    assert twin.compare(prediction, [starved]).verdict == "unknown"


def test_a_disturbed_run_says_why_and_leaves_the_verdict_to_the_others(prediction, profile):
    good = [measured(profile, k) for k in range(2)]
    slipped = measured(profile, 2, disturbed="the lab stood still for 2.00 s at 1.00 s")
    whole, without = twin.compare(prediction, [good[0], slipped, good[1]]), twin.compare(prediction, good)
    assert [row.as_dict() for row in whole.rows] == [row.as_dict() for row in without.rows]
    assert (whole.verdict, whole.reasons) == (without.verdict, without.reasons)
    assert whole.as_dict()["void"] == ["", slipped.disturbed, ""]
    assert in_words(whole.records) == "2 runs (1 more void)"
    console = Console(file=StringIO(), width=80)
    print_comparison(console, whole)
    assert f"Run 2 does not count: {slipped.disturbed}." in console.file.getvalue()
    (curves,) = {line.get_label() for line in whole.plot().axes[0].lines if line.get_label().startswith("measured")}
    assert curves == "measured, 2 runs (1 more void)"
    assert twin.compare(prediction, [slipped]).reasons == ["no run counts"]
    (said,) = twin.compare(prediction, [slipped]).plot().axes[1].texts
    assert said.get_text() == "no run counts"


def test_another_scenario_cannot_be_compared(prediction, profile):
    with pytest.raises(ScenarioError, match="only the same scenario can be compared"):
        twin.compare(prediction, measured(profile, 0, small()))
    with pytest.raises(ScenarioError, match="no measured record"):
        twin.compare(prediction, [])


def test_the_fleet_fails_when_one_scenario_is_far_off(prediction, profile):
    good = twin.compare(prediction, [measured(profile, i) for i in range(3)])
    assert fleet([good, good])["coverage"] == pytest.approx(good.coverage)
    shifted = pd.DataFrame(prediction.measures * 3.0)
    bad = twin.compare(
        sim.Prediction(
            KILLED, shifted, prediction.curve_times, prediction.curves, prediction.reconnects, prediction.latencies
        ),
        [measured(profile, i) for i in range(3)],
    )
    assert bad.verdict == "fail"
    assert fleet([good, bad])["verdict"] == "fail"


def judged(*inside, error=0.0, name="notice_p50"):
    """A row for each word of `inside`, of a run in (1) or outside (0) its band, whose medians are off by `error`."""
    median = 1000.0 + round(1000 * error)
    bands = [Band(median, 0.0, 2000.0) if hit else Band(median, 1500.0, 2000.0) for hit in inside]
    return Row(name, bands, [1000.0] * len(inside))


def comparison_of(*rows, prediction=None, **more):
    """A comparison with these rows, of a run without any record."""
    stands_in = prediction or SimpleNamespace(scenario=KILLED)
    return Comparison(stands_in, [], list(rows), **more)


@pytest.mark.parametrize(
    ("rows", "verdict"),
    [
        ([judged(1, 1, 1, 1, 0)], "pass"),  # four fifths are enough
        ([judged(1, 1, 1, 0)], "fail"),
        ([judged(1, error=0.2)], "pass"),  # a fifth may be
        ([judged(1, error=0.21)], "fail"),
        ([], "unknown"),
    ],
)
def test_the_verdict_changes_just_beyond_its_bounds(rows, verdict):
    assert comparison_of(*rows).verdict == verdict
    assert comparison_of(*rows, reasons=["nothing was seen"]).verdict == "unknown"


@pytest.mark.parametrize(
    ("rows", "verdict"),
    [
        ([[judged(*[1] * 9, 0)]], "pass"),  # nine tenths are enough
        ([[judged(*[1] * 8, 0)]], "fail"),
        ([[judged(1, error=0.08)]], "pass"),
        ([[judged(1, error=0.081)]], "fail"),
        ([[judged(1, error=0.2)], [judged(1)] * 3], "pass"),  # the worst scenario may be off by a fifth
        ([[judged(1, error=0.21)], [judged(1)] * 3], "fail"),
    ],
)
def test_the_fleet_is_judged_just_beyond_its_bounds(rows, verdict):
    found = fleet([comparison_of(*some) for some in rows])
    assert (found["verdict"], found["scenarios"], found["unknown"], found["violated"]) == (verdict, len(rows), [], [])
    assert found["worst_scenario_error"] == pytest.approx(max(abs(one.error) for some in rows for one in some))


def test_an_unknown_scenario_fails_the_fleet_and_is_named():
    found = fleet([comparison_of(judged(1)), comparison_of(judged(1), reasons=["nothing was seen"])])
    assert (found["verdict"], found["unknown"], found["violated"]) == ("fail", ["small"], [])
    assert fleet([])["verdict"] == "fail"


def test_the_fleets_widths_are_those_of_what_timers_drive():
    wide = Row("reconnect_p50", [Band(2.0, 1.0, 3.0), Band(1.0, 0.0, 1.0)], [2.0, 2.0])
    other = Row("notice_p50", [Band(1.0, 0.0, 20.0)], [1.0])
    found = fleet([comparison_of(wide, other, given=[Row("reconnect_p50", [Band(4.0, 3.0, 5.0)], [4.0])])])
    assert found["half_width"] == pytest.approx(0.5)
    assert found["given_mark_down"] == pytest.approx({"coverage": 1.0, "median_error": 0.0, "half_width": 0.25})


def test_a_value_on_a_bound_lies_in_the_band_whatever_its_rounding():
    band = Band(2000.0, 1000.0, 3000.0)
    assert band.holds(1000.0 - 0.9e-6)  # a thousand millionth of its size
    assert band.holds(3000.0 + 2.9e-6)
    assert not band.holds(1000.0 - 1.1e-6)
    assert not band.holds(3000.0 + 3.1e-6)
    small_band = Band(0.0, 0.0, 0.0)
    assert small_band.holds(0.9e-9)
    assert small_band.holds(-0.9e-9)
    assert not small_band.holds(1.1e-9)
    assert not small_band.holds(-1.1e-9)


def test_half_the_width_is_of_the_median_and_defined_at_zero():
    assert Band(-2.0, -3.0, -1.0).half_width == pytest.approx(0.5)
    assert Band(0.0, 0.0, 0.0).half_width == 0.0
    assert Band(0.0, -1.0, 3.0).half_width == 1.0


def test_a_measured_zero_is_one_up_to_rounding():
    assert relative_error(0.9e-9, 0.9e-9) == 0.0
    assert relative_error(2e-9, 0.9e-9) == 1.0
    assert relative_error(-1.0, -2.0) == pytest.approx(0.5)
    assert relative_error(3.0, 2.0) == pytest.approx(0.5)


def test_a_row_has_the_medians_of_its_bands_and_of_its_scores():
    one = Row("notice_p50", [Band(2.0, 1.0, 3.0), Band(4.0, 3.0, 5.0), Band(9.0, 8.0, 10.0)], [2.5, 2.0, 6.0])
    assert one.predicted == Band(4.0, 3.0, 5.0)
    assert one.inside == [True, False, False]
    assert one.error == pytest.approx((4.0 - 2.5) / 2.5)
    assert one.interval_score == pytest.approx((2.0 + (2.0 + 40 * 1.0) + (2.0 + 40 * 2.0)) / 3)
    assert one.as_dict() == {
        "unit": "s",
        "driver": "cpu",
        "predicted": Band(4.0, 3.0, 5.0).as_dict(),
        "measured": [2.5, 2.0, 6.0],
        "censored": [False] * 3,
        "bounds": [],
        "inside": [True, False, False],
        "error": one.error,
        "interval_score": one.interval_score,
        "half_width": pytest.approx(0.25),
    }


def test_without_rows_neither_share_nor_error_is_defined():
    assert np.isnan(coverage([]))
    assert np.isnan(median_error([]))


def test_each_run_has_its_own_given_prediction_and_a_starved_run_keeps_its_place(prediction, profile):
    records = [measured(profile, 0, host={"starved": "others took 1.00 cores"}), measured(profile, 1)]
    givens = [sim.predict(KILLED, 4, profile, jobs=1), sim.predict(KILLED.vary(seed=7), 5, profile, jobs=1)]
    found = twin.compare(prediction, records, givens)
    row = next(one for one in found.given if one.name == "notice_p50")
    assert row.bands == [Band.of(givens[1].measures["notice_p50"].to_numpy())]
    assert row.measured == next(one for one in found.rows if one.name == "notice_p50").measured
    with pytest.raises(ScenarioError, match="compare: 1 given predictions for 2 records"):
        twin.compare(prediction, records, givens[:1])


def test_pairs_are_the_clients_that_came_back_in_both_worlds(prediction, profile):
    records = [measured(profile, 0), measured(profile, 1)]
    own = [reconnect_times(one) for one in records]
    who = [sorted(times)[:2] for times in own]
    givens = [SimpleNamespace(reconnects=[{who[0][1]: 9.0, 1000: 1.0}]), SimpleNamespace(reconnects=[{who[1][0]: 8.0}])]
    found = Comparison(prediction, records, [], givens=givens).pairs()
    expected = [[0, who[0][1], 9.0, own[0][who[0][1]]], [1, who[1][0], 8.0, own[1][who[1][0]]]]
    assert found.tolist() == expected
    assert Comparison(prediction, records, []).pairs().shape == (0, 4)


def test_a_measure_that_some_replications_lack_has_the_band_of_the_others(prediction, profile):
    measures = prediction.measures.copy()
    measures.loc[measures.index[:10], "notice_p50"] = np.nan
    some = SimpleNamespace(scenario=KILLED, measures=measures, bounds=prediction.bounds)
    row = next(one for one in twin.compare(some, measured(profile, 0)).rows if one.name == "notice_p50")
    assert row.bands == [Band.of(prediction.measures["notice_p50"].to_numpy()[10:])]


def test_a_time_that_neither_world_reached_is_right_and_costs_nothing():
    never = Band(inf, inf, inf, 8.0, 50, 50)
    one = Row("time_to_99", [never] * 2, [inf, inf], [8.0, 8.0])
    assert (one.inside, one.error, one.interval_score) == ([True, True], 0.0, 0.0)
    assert (one.median, one.bound, one.not_reached) == (inf, 8.0, 2)
    assert one.as_dict()["measured"] == [None, None]
    assert one.as_dict()["censored"] == [True, True]


def test_a_time_that_one_world_reached_is_off_by_at_least_what_is_known():
    never = Band(inf, inf, inf, 8.0, 50, 50)
    reached = Row("time_to_99", [never], [5.0], [nan])
    assert (reached.inside, reached.error) == ([False], pytest.approx(3.0 / 5.0))
    missed = Row("time_to_99", [Band(2.0, 1.0, 3.0)], [inf], [8.0])
    assert (missed.inside, missed.error) == ([False], pytest.approx(6.0 / 8.0))
    assert missed.interval_score == pytest.approx(2.0 + 40 * 5.0)


def test_a_rare_measure_is_compared_only_where_something_of_its_kind_happened():
    assert Row("failed_502", [Band(0.0, 0.0, 0.0)], [0.0]).says_nothing
    assert Row("lifetime_p50", [Band(inf, inf, inf, 8.0)], [inf], [8.0]).says_nothing
    assert not Row("failed_502", [Band(0.0, 0.0, 0.0)], [1.0]).says_nothing
    assert not Row("failed_502", [Band(0.0, 0.0, 1.0)], [0.0]).says_nothing
    assert not Row("gave_up_share", [Band(0.0, 0.0, 0.0)], [0.0]).says_nothing


def test_what_is_another_measure_in_another_unit_is_not_compared_twice(prediction, profile):
    names = [row.name for row in twin.compare(prediction, measured(profile, 0)).rows]
    assert "away_per_client" in prediction.measures
    assert "away_per_client" not in names
    assert {"away_total", "away_per_loss"} <= set(names)


def test_runs_that_were_too_short_for_both_worlds_agree(profile):
    short = KILLED.vary(duration=1.5)
    prediction = sim.predict(short, 40, profile, jobs=1)
    comparison = twin.compare(prediction, [measured(profile, i, short) for i in range(3)])
    row = next(row for row in comparison.rows if row.name == "time_to_99")
    assert (row.inside, row.error, row.bound) == ([True] * 3, 0.0, 0.5)
    predicted = comparison.as_dict()["measures"]["time_to_99"]["predicted"]
    assert (predicted["median"], predicted["censored"], predicted["bound"], predicted["not_reached"]) == (
        None,
        True,
        0.5,
        40,
    )
