"""Notebook 06: what its text says of recorded runs and of full replications, held against its stored outputs."""

import re

import pytest

from tests.stored import printed, prose, table
from twin.rules.balancing import RULES

STEM = "06-balancing"


@pytest.fixture(scope="module")
def measured():
    return table(STEM, "balancing-13")


def test_the_lab_has_nine_rules_and_does_not_say_that_there_are_no_others():
    names = table(STEM, "balancing-06").index
    assert len(names) == 9 < len(RULES)
    assert "nine rules" in prose(STEM)
    assert "rules that the lab knows" not in prose(STEM)


def test_a_run_of_each_rule_counts_and_nobody_is_told_that_none_does(measured):
    assert "9 of 9 runs count" in printed(STEM, "balancing-11")
    assert list(measured.index) == list(table(STEM, "balancing-06").index)
    assert "no run counts" not in str(table(STEM, "balancing-16"))


def test_what_was_measured_lies_inside_of_its_band(measured):
    assert "all nine measured values lie inside" in prose(STEM)
    bands = table(STEM, "balancing-09")
    at_the_end = measured["node 2 is dead", "imbalance"]
    assert (at_the_end >= bands["low"] - 0.0005).all()  # three digits are stored
    assert (at_the_end <= bands["high"] + 0.0005).all()


def test_some_come_so_late_that_node_1_is_back(measured):
    back = ("node 1 is back", "node 1")
    assert measured[back]["HAProxy leastconn"] == 22
    assert table(STEM, "balancing-06")[back]["HAProxy leastconn"] == 0
    assert "22 clients in the measured run of leastconn" in prose(STEM)


def test_the_numbers_by_hand_are_near_those_that_were_measured():
    found = table(STEM, "balancing-16").drop(index="rush, HAProxy leastconn")
    assert found["by hand"].astype(float).to_numpy() == pytest.approx(
        found["measured"].astype(float).to_numpy(), rel=0.05
    )


def test_answers_at_the_edge_are_right_and_the_others_are_not():
    for name, verdicts in (("balancing-28-solution", "RRNNN"), ("balancing-28-check-harder-solution", "RNN")):
        found = re.findall(r" s\. (Right|Not yet):", printed(STEM, name))
        assert "".join(one[0] for one in found) == verdicts
