"""JUnit and GitHub annotations of a validation."""

import xml.etree.ElementTree as ET
from math import nan

import pytest

from stormlab.annotations import Judged, github, junit
from tests.strategies import small
from twin.advice import findings
from twin.analysis.levers import LeverEffect, LeverStep
from twin.analysis.verdicts import ObjectiveVerdict, Validation
from twin.config.reading.report import FilePlace
from twin.scenario.objectives import Objective


def objective(bound):
    return Objective.model_validate({"measure": "time_to_99", "at_most": bound})


def verdict(how, held, runs=10, bound=4.0, why=""):
    return ObjectiveVerdict(objective(bound), how, runs, held, 0, 5.0, why)


@pytest.fixture
def judged():
    scenario = small(balancer={"tunnel_timeout": 10.0, "check": {"inter": 4.0}})
    steps = LeverStep("balancer.redispatch", 0, 1, scenario), LeverStep("balancer.check.inter", 4.0, 2.0, scenario)
    effects = [LeverEffect(step, 4, 0, 4, 6.0, 3.0, gain) for step, gain in zip(steps, (5.0, 3.0), strict=True)]
    every = [verdict("pass", 10, bound=9.0), verdict("fail", 1), verdict("unknown", 0, 0, why="No run says a < b & c.")]
    found = Validation(scenario, every, [], every[1].objective, [], effects, [], findings(scenario))
    places = {"balancer.check.inter": FilePlace("a,b.cfg", 7), "balancer.tunnel_timeout": FilePlace("a,b.cfg", 3)}
    return Judged("edge.cfg", found, places, 1.25)


def test_junit_has_a_case_for_each_objective(judged):
    suites = ET.fromstring(junit(judged))
    (suite,) = suites
    counts = {"tests": "3", "failures": "1", "errors": "1", "time": "1.250"}
    assert suites.attrib == counts
    assert suite.attrib == {"name": "small", **counts}
    cases = suite.findall("testcase")
    assert [[part.tag for part in case] for case in cases] == [[], ["failure"], ["error"]]
    assert cases[0].get("name") == "time_to_99 at most 9 s in 95 % of runs"
    failure = cases[1][0]
    assert failure.get("message") == str(judged.validation.objectives[1])
    assert "What helps most: balancer.redispatch 0 -> 1 (held in 4 of 4 runs)." in failure.text
    assert cases[2][0].get("message").endswith("No run says a < b & c.")
    assert "warning idle-timeout: balancer.tunnel_timeout is 10 s" in suite.find("system-out").text


def test_github_marks_the_line_of_the_best_setting_that_stands_in_the_file(judged):
    passed, failed, unknown, *warnings = github(judged)
    assert passed.startswith(
        "::notice file=edge.cfg,title=small%3A pass::time_to_99 at most 9 s in 95 %25 of runs: pass; "
    )
    assert failed.startswith("::error file=a%2Cb.cfg,line=7,title=small%3A fail::time_to_99 at most 4 s ")
    assert failed.endswith("%0AWhat helps most: balancer.redispatch 0 -> 1 (held in 4 of 4 runs).")
    assert unknown.startswith("::error file=a%2Cb.cfg,line=7,title=small%3A unknown::")
    assert [one.split("::")[1] for one in warnings] == ["warning file=a%2Cb.cfg,line=3,title=idle-timeout"]
    assert all("\n" not in one for one in (passed, failed, unknown, *warnings))


def test_control_characters_are_left_out_of_xml(judged):
    odd = Validation(
        judged.validation.scenario, [verdict("unknown", 0, 0, why="a\x1bb")], [], objective(1.0), [], [], [], []
    )
    (case,) = ET.fromstring(junit(Judged("x", odd))).iter("testcase")
    assert case[0].get("message").endswith("ab")


def test_an_unknown_verdict_has_no_probability():
    assert verdict("unknown", 0, 0).probability is None
    assert ObjectiveVerdict(objective(1.0), "unknown", 0, 0, 3, nan).as_dict()["median"] is None
