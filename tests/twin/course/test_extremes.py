"""A question for the extreme: a narrow strip at the bound is right, and neither end of the range is."""

from types import SimpleNamespace

import numpy as np
import pandas as pd
import pytest

from tests.strategies import small
from twin.course.extremes import Extreme


def predicts(scenario):
    """The client comes back at most `fall` intervals after the death."""
    check = scenario.balancer.check
    late = np.linspace(check.inter * (check.fall - 1), check.inter * check.fall, 40)
    return SimpleNamespace(measures=pd.DataFrame({"reconnect_p50": late}), bounds=pd.DataFrame())


def longest(**changes):
    settings = {
        "scenario": small(),
        "setting": "balancer.check.inter in s",
        "varied": lambda inter: small(balancer={"check": {"inter": inter}}),
        "measure": "reconnect_p50",
        "bound": 1.5,
        "least": 0.1,
        "most_allowed": 3.0,
        "hint": "Look at the worst phase.",
    }
    return Extreme(**settings | changes)


@pytest.mark.parametrize("value", [0.7, 0.75, "0.72"])
def test_the_largest_that_keeps_the_bound_is_right(value):
    answer = longest().check(value, predicts, 1.5)
    assert answer.right, answer
    assert answer.why.endswith(f"You expected 1.5; it is {answer.found:.3g}.")


@pytest.mark.parametrize(
    ("value", "said"),
    [
        (0.1, "balancer.check.inter 0.11, which is larger, would do as well."),
        (0.65, "would do as well."),
        (0.8, "is not below 1.5 s. Look at the worst phase."),
        (3.0, "is not below 1.5 s"),
        (0.0, "balancer.check.inter is 0; allowed is 0.1 to 3."),
        (1e6, "allowed is 0.1 to 3."),
        ("soon", "balancer.check.inter is 'soon'; allowed is a number."),
        (None, "allowed is a number."),
        ([], "allowed is a number."),
        (True, "allowed is a number."),
    ],
)
def test_another_value_is_not_right_and_is_told_why(value, said):
    answer = longest().check(value, predicts, 1.5)
    assert not answer.right
    assert said in answer.why


def test_a_search_over_the_range_seldom_finds_a_right_value():
    question = longest()
    assert np.mean([question.check(one, predicts, 1.5).right for one in np.geomspace(0.1, 3.0, 60)]) <= 0.06


def test_the_least_whole_number_is_asked_for_as_well():
    question = longest(
        setting="balancer.check.fall",
        varied=lambda fall: small(balancer={"check": {"fall": fall, "inter": 0.5}}),
        integer=True,
        largest=False,
        below=False,
        end="low",
        bound=0.9,
        least=1,
        most_allowed=9,
    )
    rights = [n for n in range(1, 10) if question.check(n, predicts, 1.0).right]
    assert rights == [3]
    assert "fall 8, which is smaller, would do as well." in question.check(9, predicts, 1.0).why
    assert "allowed is a whole number" in question.check(2.5, predicts, 1.0).why


def test_nothing_is_predicted_before_a_number_is_expected():
    def never(scenario):
        raise AssertionError(scenario)

    answer = longest().check(0.7, never)
    assert answer.why.startswith("first say what you expect: `expected` is the upper end of the 95 % interval of ")
    assert "lies from 0 to 8" in longest().check(0.7, never, 9).why


def test_what_few_replications_have_is_not_called_a_95_per_cent_interval():
    question = longest(interval="simulated range")
    for answer in (question.check(0.7, predicts), question.check(0.7, predicts, 1.0)):
        assert "the upper end of the simulated range" in answer.why
        assert "95 %" not in answer.why


def test_what_is_not_defined_and_what_is_not_allowed_are_said():
    nothing = SimpleNamespace(measures=pd.DataFrame({"reconnect_p50": [np.nan]}), bounds=pd.DataFrame())
    assert "nothing of it happens" in longest().check(0.7, lambda _: nothing, 1).why
    odd = longest(varied=lambda inter: small(balancer={"check": {"inter": -inter}}))
    assert "the scenario does not take this value." in odd.check(0.7, predicts, 1).why


def test_other_settings_than_those_of_the_lab_are_said_without_the_readers_own():
    answer = longest(lab=small(balancer={"algorithm": "roundrobin"})).check(0.7, predicts, 1.5)
    first = "Asked under other settings than those of the lab: balancer.algorithm leastconn (in the lab roundrobin). "
    first += "With balancer.check.inter 0.7 "
    assert answer.why.startswith(first)


def test_a_value_is_written_as_people_write_it():
    lab = {"setting": "sessions.login_iterations", "least": 1e3, "most_allowed": 1e6, "varied": lambda _: small()}
    assert "with sessions.login_iterations 130,000 the" in longest(**lab).check(130_000, predicts, 1).why
    assert "sessions.login_iterations 88,000, which is larger" in longest(**lab, bound=9.0).check(8e4, predicts, 1).why


def test_an_end_that_is_just_not_below_the_bound_does_not_read_as_the_bound():
    def just(_):
        late = np.full(40, 1.5004)
        return SimpleNamespace(measures=pd.DataFrame({"reconnect_p50": late}), bounds=pd.DataFrame())

    why = longest().check(3.0, just, 1).why
    assert "is 1.5 to 1.5004 s, its median 1.5; the upper end of the 95 % interval is not below 1.5 s" in why


def test_a_rate_has_its_window_behind_it():
    def attempts(_):
        return SimpleNamespace(measures=pd.DataFrame({"peak_attempts": np.full(40, 51.0)}), bounds=pd.DataFrame())

    question = longest(measure="peak_attempts", bound=60.0)
    assert question.check(0.7, attempts).why.endswith("of peak_attempts per 100 ms, for your settings.")
    assert "is 51 to 51 per 100 ms, its median 51;" in question.check(3.0, attempts, 50).why
    assert "is below 60 per 100 ms." in question.check(3.0, attempts, 50).why
