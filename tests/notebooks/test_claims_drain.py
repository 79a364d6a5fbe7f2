"""Notebook 10: what its text says of recorded runs and of full replications, held against its stored outputs."""

import re

import pytest

from tests.stored import cell, printed, prose, table
from twin.analysis.bands import ENOUGH_RUNS

STEM = "10-drain"


def test_what_is_called_a_95_per_cent_interval_has_replications_enough():
    ((many, _),) = re.findall(r"else \((\d+), (\d+)\)", cell(STEM, "drain-02").source)
    assert int(many) >= ENOUGH_RUNS
    for name in ("drain-26", "drain-26-check-harder", "drain-26-find"):
        assert "predict(varied, MANY)" in cell(STEM, name).source


def test_the_table_shows_the_attempts_and_the_peak_that_the_text_explains():
    predicted, measured = table(STEM, "drain-08"), table(STEM, "drain-12")
    assert predicted["attempts_per_client"].tolist() == [1.33] * 3
    assert measured.loc["all at once", ["peak_reconnect_rate", "attempts_per_client"]].tolist() == [72, 1.27]
    assert "In the table above 1.33 attempts a client are 200 attempts" in prose(STEM)
    assert "Why is the peak of *all at once* 72 in the recorded run" in prose(STEM)
    assert "1.27 attempts a client" in prose(STEM)


def test_a_kill_costs_everybody_else_the_time_until_a_message_is_sent_again():
    late = table(STEM, "drain-19")["consistent_p99"]
    assert late[["stream, kill", "pub/sub, kill"]].between(1.0, 1.1).all()
    assert late.drop(["stream, kill", "pub/sub, kill"]).max() < 0.05


@pytest.mark.parametrize(
    ("name", "verdicts"), [("drain-26-solution", "RRNNN"), ("drain-26-check-harder-solution", "RNN")]
)
def test_answers_at_the_edge_are_right_and_the_others_are_not(name, verdicts):
    found = re.findall(r"^[^:\n]*\. (Right|Not yet):", printed(STEM, name), re.MULTILINE)
    assert "".join(one[0] for one in found) == verdicts
