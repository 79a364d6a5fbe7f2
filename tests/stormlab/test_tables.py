"""What the tables say, on a terminal of 80 columns."""

import json
from math import inf, nan

import pandas as pd
import pytest
from rich.console import Console

import sim
import twin
from stormlab.tables import learnt, prediction_dict, print_comparison, print_measures, print_prediction, run_dict
from tests.strategies import small
from tests.twin.measures.test_connection import killed
from twin.analysis.comparison import finite

SHORT = small(faults=[{"at": 1.0, "kind": "kill", "node": 1}], duration=1.5)


def printed(show, *things, width=80):
    console = Console(width=width, record=True, file=open("/dev/null", "w"))  # noqa: SIM115
    show(console, *things)
    return console.export_text()


@pytest.fixture(scope="module")
def prediction(profile):
    return sim.predict(SHORT, 40, profile, jobs=1)


@pytest.fixture(scope="module")
def comparison(prediction, profile):
    return twin.compare(prediction, [sim.simulate(SHORT, k, profile) for k in range(2)])


def test_a_prediction_says_what_was_not_within_the_run_and_in_how_many_runs(prediction):
    text = printed(print_prediction, prediction)
    cells = next([cell.strip() for cell in line.split("│")] for line in text.splitlines() if "│ time_to_99" in line)
    assert cells == ["", "time_to_99", "s", "not within 0.5 s", ">0.5..>0.5", ""]
    assert "time_to_99: not within 0.5 s in 40 of 40 replications" in text
    assert "failed_502" not in text  # nothing of that kind happened
    assert max(map(len, text.splitlines())) <= 80


def test_its_json_has_null_the_bound_and_how_many_runs(prediction):
    data = json.loads(json.dumps(prediction_dict(prediction), allow_nan=False))
    found = data["measures"]["time_to_99"]
    assert (found["median"], found["low"], found["high"]) == (None, None, None)
    assert (found["censored"], found["bound"], found["not_reached"]) == (True, 0.5, 40)
    assert data["interval"] == "95 % band"
    assert data["measures"]["failed_502"]["median"] == 0.0


@pytest.mark.parametrize(
    ("replications", "said"), [(1, "range of 1 run"), (2, "range of 2 runs"), (38, "range of 38 runs")]
)
def test_over_few_replications_it_is_a_range_and_not_a_band(replications, said, profile):
    few = sim.predict(SHORT, replications, profile, jobs=1)
    text = printed(print_prediction, few)
    assert said in text
    assert "95 %" not in text
    assert prediction_dict(few)["interval"] == said


def test_a_comparison_says_what_neither_world_reached_and_fits_80_columns(comparison):
    text = printed(print_comparison, comparison)
    assert "time_to_99: not within 0.5 s in 40 of 40 replications, not within 0.5 s in 2 of 2 measured runs" in text
    line = next(line for line in text.splitlines() if line.startswith(" time_to_99"))
    assert line.split()[2:6] == [">0.5", ">0.5..>0.5", ">0.5", "2/2"]
    assert "not back within 0.5 s" in learnt(comparison)


def test_a_run_says_within_what_time_something_did_not_happen():
    text = printed(print_measures, [killed()])
    assert "time_to_99: not within 8 s in 1 of 1 runs" in text
    data = run_dict(killed())
    assert data["time_to_99"] is None
    assert data["censored"]["time_to_99"] == 8.0
    assert data["time_to_all"] == pytest.approx(1.2)
    json.dumps(data, allow_nan=False)
    assert finite({"a": [inf, nan, 1.0]}) == {"a": [None, None, 1.0]}


def test_the_table_of_a_drain_with_too_short_a_lead_shows_failures_and_losses(profile):
    drain = {"at": 1.0, "kind": "drain", "node": 1, "lead": 0.1, "pace": 100.0}
    hasty = small(faults=[drain], balancer={"retries": 0, "check": {"inter": 1.0, "fall": 3}})
    text = printed(print_prediction, sim.predict(hasty, 2, profile, jobs=1))
    rows = {line.split()[1]: line for line in text.splitlines() if line.startswith("│")}
    assert {"failed_503", "losses_per_client", "away_per_client", "away_total", "peak_reconnects"} <= set(rows)


def test_a_measure_without_a_value_in_some_runs_still_has_its_row(prediction):
    changed = pd.concat([prediction.measures, pd.DataFrame({"notice_p50": [nan]})], ignore_index=True)
    some = type(prediction)(**{**vars(prediction), "measures": changed})
    assert "notice_p50" in printed(print_prediction, some)
