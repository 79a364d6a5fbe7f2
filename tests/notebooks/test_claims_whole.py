"""Notebook 11: what its text says of the recorded run and of full replications, held against its stored outputs."""

import re

import pytest

from tests.stored import RECORDS, cell, printed, prose, table
from twin.analysis.bands import ENOUGH_RUNS
from twin.record.record import Record

STEM = "11-whole"


def test_so_few_replications_have_no_95_per_cent_interval_and_none_is_promised():
    ((many, few),) = re.findall(r"else \((\d+), (\d+)\)", cell(STEM, "whole-02").source)
    assert int(few) < int(many) < ENOUGH_RUNS
    assert f"by {few} simulated runs" in prose(STEM)
    assert f"judged by {few} runs" in prose(STEM)
    for name in ("whole-27", "whole-28", "whole-28-check", "whole-28-check-solution"):
        assert "the upper end of the simulated range" in printed(STEM, name)
        assert "95 %" not in printed(STEM, name)


def test_so_many_values_lie_outside_as_the_text_says():
    ((verdict, inside, values),) = re.findall(
        r"verdict: (\w+).*\n(\d+)% of all (\d+) values", printed(STEM, "whole-15")
    )
    outside = round(int(values) * (1 - int(inside) / 100))
    ((many, _),) = re.findall(r"else \((\d+), (\d+)\)", cell(STEM, "whole-02").source)
    by_luck = round(int(values) * 2 / (int(many) + 1))
    assert f"Of {values} values {outside} lie outside of the range of {many} runs" in prose(STEM)
    assert f"by luck alone about {by_luck} would" in prose(STEM)
    assert f"(the verdict is *{verdict}*)" in prose(STEM)


def test_what_lies_outside_lies_on_the_side_that_the_text_says():
    found = table(STEM, "whole-15")
    missed = found[found["inside"] == "0/1"]
    assert missed.loc["consistent_p99", "measured"] > missed.loc["consistent_p99", "high"]
    assert "`consistent_p99` and `resends_per_message` are larger" in prose(STEM)
    times = ["connect_p99", "away_per_loss"]
    assert (missed.loc[times, "measured"] < missed.loc[times, "low"]).all()
    assert "shorter than predicted (`connect_p99`, `away_per_loss`)" in prose(STEM)


def test_in_the_recorded_run_the_publisher_was_back_before_the_last_nodes():
    record = Record.load(RECORDS / f"{STEM.split('-')[1]}-0.parquet")
    published, joined = (record.select(name)["t"] for name in ("published", "bus_joined"))
    first = published[published > 10.0].min()
    last = joined[joined.between(10.0, 11.0)].max()
    assert first < last
    assert f"published again at {first:.2f} s, before the last nodes were back ({last:.2f} s)" in prose(STEM)
    resent = record.select("resent")["t"]
    assert resent.between(first + 0.95, last + 1.2).sum() >= 5


@pytest.mark.parametrize(("name", "verdicts"), [("whole-28", "RNNN"), ("whole-28-check-solution", "RN")])
def test_answers_at_the_edge_are_right_and_the_others_are_not(name, verdicts):
    found = re.findall(r"^[^:\n]*\. (Right|Not yet):", printed(STEM, name), re.MULTILINE)
    assert "".join(one[0] for one in found) == verdicts
