from types import SimpleNamespace

import pandas as pd

import sim
from tests.strategies import small, small_profile
from twin.course.own import own_numbers
from twin.measures import measure_record
from twin.record.record import Record


def test_each_group_has_its_numbers_in_per_cent_or_with_three_digits():
    record = sim.simulate(small(faults=[{"at": 1.0, "kind": "kill", "node": 1}]), 0, small_profile())
    void = Record(record.columns, record.provenance | {"disturbed": "it was stopped"})
    measures = pd.DataFrame([{"reconnect_p50": 1.0, "gave_up_share": 0.0}])
    prediction = SimpleNamespace(measures=measures, bounds=pd.DataFrame())
    mine = {"one": {"reconnect_p50": 2.0, "gave_up_share": 0.25}, "two": {"reconnect_p50": 1.5}}
    table = own_numbers(mine, {"one": prediction, "two": prediction}, {"one": [record], "two": [void]})
    assert table.index.tolist() == [("one", "reconnect_p50"), ("one", "gave_up_share"), ("two", "reconnect_p50")]
    of_run = measure_record(record)["reconnect_p50"]
    first, share, nothing = (table.iloc[i].tolist() for i in range(3))
    assert first == ["2", "1", f"{of_run:.3g}", f"{2 / of_run:.2f}", f"{1 / of_run:.2f}"]
    assert share[:3] == ["25 %", "0 %", "0 %"]
    assert share[4] == "-"
    assert nothing == ["1.5", "1", "-", "-", "-"]
