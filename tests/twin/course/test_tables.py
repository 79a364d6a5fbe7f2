"""Tables without powers of ten: shares and errors in per cent, three digits else."""

from math import inf, nan
from types import SimpleNamespace

import numpy as np
import pandas as pd
import pytest

from tests.strategies import small, small_profile
from twin.analysis.comparison import compare
from twin.course.tables import compared, foreseen, per_cent, shown, unit_of, value_of


@pytest.mark.parametrize(
    ("value", "text"),
    [(0.08919, "8.9 %"), (0.5, "50 %"), (0.0, "0 %"), (0.000291, "0.03 %"), (nan, "-"), (None, "-"), (inf, "more")],
)
def test_a_share_is_in_per_cent(value, text):
    assert per_cent(value) == text


def test_a_value_has_three_digits_and_a_share_is_in_per_cent():
    assert value_of("reconnect_p50", 2.1629) == "2.16"
    assert value_of("reconnect_p50", inf, 8.0) == ">8"
    assert value_of("reconnect_p50", nan) == "-"
    assert value_of("lost_share", 0.0317) == "3.2 %"
    assert value_of("gaps_recovered", 1.0) == "100 %"
    assert (unit_of("reconnect_p50"), unit_of("lost_share"), unit_of("attempts_per_client")) == ("s", "", "")


def test_a_comparison_is_a_table_of_texts():
    import sim

    spec = small(faults=[{"at": 2.0, "kind": "kill", "node": 1}])
    record = sim.simulate(spec, 0, small_profile())
    prediction = sim.predict(spec, 3, small_profile(), jobs=1)
    table = compared(compare(prediction, [record]), ["reconnect_p50", "lost_share", "attempts_per_client"])
    assert table.index.tolist() == ["reconnect_p50", "attempts_per_client"]
    assert table.columns.tolist() == ["unit", "predicted", "low", "high", "measured", "inside", "error"]
    assert table["inside"].isin(["0/1", "1/1"]).all()
    assert table["error"].str.endswith(" %").all()
    given = sim.predict_given([record], 3, small_profile(), jobs=1)
    whole = compared(compare(prediction, [record], given))
    assert whole["given"]["reconnect_p50"].endswith(" %")
    assert not whole.map(lambda text: "e-" in text).any(axis=None)


def test_what_is_foreseen_is_a_table_of_texts():
    measures = pd.DataFrame({"reconnect_p50": np.linspace(1.0, 3.0, 40), "lost_share": [0.0] * 20 + [0.5] * 20})
    table = foreseen(SimpleNamespace(measures=measures, bounds=pd.DataFrame()))
    assert table.loc["reconnect_p50"].tolist() == ["s", "1.05", "2", "2.95"]
    assert table.loc["lost_share"].tolist() == ["", "0 %", "25 %", "50 %"]


def test_a_table_of_numbers_is_shown_with_three_digits_and_shares_in_per_cent():
    table = shown(pd.DataFrame({"late": [0.00312, nan], "lost": [0.0273, 0.0], "count": [240, 1]}), shares=["lost"])
    assert table.to_dict("list") == {"late": ["0.00312", "-"], "lost": ["2.7 %", "0 %"], "count": ["240", "1"]}
