import json

import numpy as np
import pandas as pd
import pytest

import sim
import twin
from tests.strategies import small
from twin.bands import Band
from twin.comparison import Row, coverage, finite, fleet, median_error, relative_error
from twin.errors import ScenarioError
from twin.record import Record

KILLED = small(faults=[{"at": 1.0, "kind": "kill", "node": 1}])


@pytest.fixture(scope="module")
def prediction(profile):
    return sim.predict(KILLED, 40, profile, jobs=1)


def measured(profile, replication, scenario=KILLED, **provenance):
    """A record of the model that passes for a measured one."""
    record = sim.simulate(scenario, replication, profile)
    return Record(record.events, record.provenance | provenance)


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
    disguised = Record(record.events, record.provenance | {"scenario": KILLED.model_dump(exclude_none=True)})
    assert twin.compare(prediction, disguised).verdict == "fail"


def test_a_fault_without_an_effect_makes_the_verdict_unknown(prediction, profile):
    quiet = sim.simulate(small(), 0, profile)
    silent = Record(quiet.events, quiet.provenance | {"scenario": KILLED.model_dump(exclude_none=True)})
    comparison = twin.compare(prediction, silent)
    assert comparison.verdict == "unknown"
    assert comparison.reasons == ["run 1: kill at 1 s had no witnessed effect"]
    assert comparison.broken == []


def test_a_broken_invariant_fails_whatever_the_numbers_say(prediction, profile):
    good = measured(profile, 0)
    first = good.events.index[good.events["event"].eq("connected")][0]
    bad = Record(good.events.drop(index=first).reset_index(drop=True), good.provenance)
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
    comparison = twin.compare(prediction, [measured(profile, 0), Record(late, good.provenance)])
    assert comparison.audits[1].findings["back"].count == 1
    assert comparison.broken == []
    awake = Record(late, good.provenance | {"host": {}})
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
