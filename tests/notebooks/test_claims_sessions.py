"""Notebook 07: what its text says of recorded runs and of full replications, held against its stored outputs."""

import re

from tests.notebooks.test_notebooks import outside
from tests.stored import cell, printed, prose, table

STEM = "07-sessions"


def counted(name):
    """Return how many measured values of a cell's table lie outside of their bands, and how many there are."""
    (page,) = [out.data["text/html"] for out in cell(STEM, name).outputs if "text/html" in out.get("data", {})]
    return outside(page)


def test_so_many_values_lie_outside_of_their_bands_as_the_text_says():
    assert counted("sessions-17") == (2, 48)
    assert counted("sessions-27") == (1, 12)
    assert "Two of the 48 values lie outside of their bands" in prose(STEM)
    assert "one of twelve lies outside of its band" in prose(STEM)


def test_so_many_runs_are_in_each_row_as_the_text_says():
    assert "(40, 20, 8, 3)" in cell(STEM, "sessions-02").source
    assert prose(STEM).count("is of 40 runs, the others are of 8") == 2
    for name, sources in (("sessions-25", "varied is down"), ("sessions-29", "varied is reload")):
        assert f"MANY if {sources} else FEW" in cell(STEM, name).source
    assert "predict(varied, FEWER)" in cell(STEM, "sessions-32").source
    assert "medians of three runs" in prose(STEM)


def test_a_hash_costs_what_the_prediction_by_hand_takes():
    (cost,) = re.findall(r"iterations: ([\d.]+) ms", printed(STEM, "sessions-05"))
    found = table(STEM, "sessions-21")
    by_hand = found.loc[[("memory", "reconnect_p99")], "by hand"].iloc[0]
    assert abs(by_hand - (0.1 + 67 * float(cost) / 1000)) < 0.01


def test_the_median_of_notebook_01_is_what_a_client_is_away():
    away = table("01-failover", "failover-09").loc["reconnect_p50", "median"]
    assert round(away, 1) == 2.2


def test_answers_at_the_edge_are_right_and_the_others_are_not():
    for name, verdicts in (("sessions-41-solution", "RNN"), ("sessions-41-check-harder-solution", "RNN")):
        found = re.findall(r"(?:s|iterations)\. (Right|Not yet):", printed(STEM, name))
        assert "".join(one[0] for one in found) == verdicts
