from pathlib import Path

import pandas as pd

import sim
from twin.analysis.comparison import compare
from twin.costs.profile import HostProfile
from twin.course.tables import comparison_table, is_share, shares_in_per_cent
from twin.record.record import Record

RECORDS = Path(__file__).parents[3] / "records"


def test_only_measures_that_are_shares_are_in_per_cent():
    assert is_share("away_share")
    assert not is_share("attempts_per_client")
    assert not is_share("my_share")  # no measure
    numbers = pd.DataFrame({"low": [0.05, 2.0], "runs": [3, 3]}, index=["away_share", "notice_p50"])
    table = shares_in_per_cent(numbers, ["low"])
    assert table.index.tolist() == ["away_share (%)", "notice_p50"]
    assert table["low"].tolist() == [5.0, 2.0]
    assert table["runs"].tolist() == [3, 3]
    assert numbers.loc["away_share", "low"] == 0.05
    both = shares_in_per_cent(pd.concat({"hang": numbers}), ["low"])
    assert both.index.tolist() == [("hang", "away_share (%)"), ("hang", "notice_p50")]


def test_a_comparison_has_shares_and_errors_in_per_cent():
    record = Record.load(RECORDS / "hang-0.parquet")
    prediction = sim.predict(record.scenario, 8, HostProfile.load("reference"), jobs=1)
    comparison = compare(prediction, record)
    table = comparison_table(comparison)
    assert table.loc["gave_up_share", "unit"] == "%"
    assert table.loc["notice_p50", "unit"] == "s"
    row = next(one for one in comparison.rows if one.name == "notice_p50")
    assert table.loc["notice_p50", "error (%)"] == round(100 * row.error, 1)
    assert "given (%)" not in table  # nothing was predicted given the mark-downs
    assert comparison_table(comparison, "notice_p99", "notice_p50").index.tolist() == ["notice_p99", "notice_p50"]
