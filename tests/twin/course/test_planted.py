"""Models with a planted fault: each number's is found by its own name and value, and by no other."""

from functools import cache
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

import sim
from twin.analysis.comparison import compare
from twin.costs.profile import HostProfile
from twin.course import planted
from twin.course.explanations import waits, who_lost, who_shows
from twin.course.pictures.planted import residuals_figure
from twin.record.record import Record
from twin.scenario.scenario import Scenario

ROOT = Path(__file__).parents[3]


@cache
def lab():
    return Scenario.load(ROOT / "scenarios" / "failover.toml")


@cache
def runs():
    return [Record.load(ROOT / "records" / f"failover-{k}.parquet") for k in range(2)]


@cache
def reference():
    return HostProfile.load("reference")


@cache
def _predicted(text, costs):
    model = planted.Model(Scenario.parse(pd.io.json.ujson_loads(text)), costs)
    return sim.predict(model.scenario, 12, model.profile(reference()), jobs=1)


def foresee(model):
    return _predicted(model.scenario.model_dump_json(exclude_none=True), model.costs)


def asked(number, named, expected=2.0):
    return planted.check_planted(lab(), number, named, foresee, expected)


def test_every_planted_fault_has_a_number():
    for among, pair in ((planted.FAULTS, False), (planted.PAIRS, True)):
        assert {planted.faults_of(k, pair) for k in range(len(among))} == set(among)
        assert planted.faults_of(len(among), pair) == planted.faults_of("0", pair)


def test_a_fault_is_right_for_its_numbers_and_for_no_other():
    count = len(planted.FAULTS)
    for number, other in ((k, (k + step) % count) for k in range(count) for step in (0, 1, 5)):
        ((setting, value),), right = planted.faults_of(other), planted.faults_of(number) == planted.faults_of(other)
        assert asked(number, {setting: value}).right == right, (number, setting, value)


@pytest.mark.parametrize("number", range(len(planted.PAIRS)))
def test_a_pair_is_right_for_its_number_and_hides_in_the_median_return(number):
    named = dict(planted.faults_of(number, pair=True))
    answer = asked(number, named)
    assert answer.right, answer
    assert "the largest difference is 0 %" in answer.why
    assert not asked(number + 1, named).right
    for setting, value in named.items():
        assert not asked(number, {setting: value}).right
        assert not asked(number, {**named, setting: 2 * value}).right
    models = (lab(), model_of(named).scenario)
    medians = [sim.predict(one, 100, reference(), jobs=1).measures["reconnect_p50"].median() for one in models]
    assert max(medians) / min(medians) < planted.HIDDEN


def model_of(named):
    return planted.model_with(lab(), *named.items())


@pytest.mark.parametrize(
    ("named", "said"),
    [
        ({"balancer.check.inter": 1.0}, "balancer.check.inter is 1 in the cluster itself"),
        ({planted.COSTS: 1.0}, "machine.costs is 1 in the cluster itself"),
        ({"balancer.check.inter": 0.0}, "allowed is a number above 0."),
        ({"balancer.check.inter": -1}, "allowed is a number above 0."),
        ({"balancer.check.inter": 1e9}, "the model does not take this."),
        ({planted.COSTS: 1e9}, "machine.costs is 1e+09; allowed is 0.1 to 100."),
        ({"nodes.count": 10_000}, "the model does not take this."),
        ({"balancer.check.inter": "often"}, "balancer.check.inter is 'often'; allowed is a number."),
        ({"balancer.check.inter": None}, "allowed is a number."),
        ({"balancer.check.fall": 2.5}, "allowed is a whole number."),
        ({"balancer.kind": "nginx"}, "setting is 'balancer.kind'; allowed is one of balancer.check.inter"),
        ({None: 2}, "setting is None; allowed is one of"),
        ({}, "name one setting, or two"),
        (dict.fromkeys(list(planted.ROOM_OF)[:3], 2.0), "name one setting, or two"),
    ],
)
def test_what_cannot_be_is_told(named, said):
    answer = asked(0, named)
    assert not answer.right
    assert said in answer.why


def test_a_number_has_to_be_one():
    for odd in (None, "mine", -1, 0.5):
        assert "number is " in asked(odd, {"balancer.check.inter": 2.0}).why


def test_nothing_is_judged_before_a_number_is_expected():
    named = dict(planted.faults_of(0))
    assert asked(0, named, None).why.startswith("first say what you expect: `expected` is the median of reconnect_p50")
    told = asked(0, named, "3")
    assert told.right
    assert f"You expected 3; it is {told.found:.3g}." in told.why


def test_a_wrong_guess_is_told_what_tells_it_from_the_hidden_model():
    number = next(k for k in range(len(planted.FAULTS)) if planted.faults_of(k)[0] == ("balancer.check.inter", 2.0))
    why = asked(number, {"clients.count": 100}).why
    assert "says something else" in why
    assert " times the hidden one's in " in why
    near = asked(number, {"balancer.check.inter": 1.8})
    assert near.right
    assert not asked(number, {"balancer.check.inter": 1.6}).right


def test_a_search_over_settings_and_values_seldom_finds_it():
    def named(setting):
        values = np.geomspace(0.1, 10.0, 12) * planted._own(lab(), setting)
        whole = setting in planted.INTEGERS or setting.endswith(".count")
        return sorted({max(1, round(one)) for one in values}) if whole else values

    one = foresee(planted.Model(lab()))

    def flat(_):
        return one

    tried = [
        planted.check_planted(lab(), 0, {setting: value}, flat, 1.0).right
        for setting in planted.ROOM_OF
        for value in named(setting)
    ]
    assert len(tried) > 0
    assert np.mean(tried) <= 0.05


def test_costs_are_multiplied_in_every_part_and_the_profile_is_not_changed():
    profile = planted.Model(lab(), 3.0).profile(reference())
    for room, kinds in reference().parts.items():
        for kind, parts in kinds.items():
            for name, part in parts.items():
                values = [[3.0 * one for one in repeats] for repeats in part.values]
                assert profile.parts[room][kind][name].values == values
    assert planted.Model(lab()).profile(reference()) is reference()


def test_costs_make_the_notice_of_a_loss_late_and_nothing_else():
    dear = foresee(planted.model_with(lab(), (planted.COSTS, 4.0)))
    table = planted.signatures(foresee(planted.Model(lab())), {"dear": dear}, ["notice_p50", "mark_down_delay"])
    assert table.loc["dear"].tolist() == pytest.approx([4.0, 1.0], rel=0.05)


def compared(*faults):
    model = planted.model_with(lab(), *faults)
    given = sim.predict_given(planted.believed(runs(), model), 3, model.profile(reference()), jobs=1)
    return compare(planted.called(runs()[0].scenario, foresee(model)), runs(), given)


def test_a_residual_tells_what_decides_when_from_what_follows():
    slow_check, short_base = (
        compared(fault) for fault in (("balancer.check.inter", 2.0), ("clients.reconnect.base", 0.1))
    )
    late, early = planted.residuals(slow_check), planted.residuals(short_base)
    assert late["predicted / measured"]["mark_down_delay"] > 1.5
    assert late["given the mark-down"]["attempts_per_client"] == pytest.approx(1.0, abs=0.05)
    assert early["predicted / measured"]["mark_down_delay"] == pytest.approx(1.0, abs=0.35)
    assert early["given the mark-down"]["attempts_per_client"] > 1.15
    assert late["inside"]["mark_down_delay"] == "0 of 2"
    table = planted.ratios({"A": {planted.RATIO + "mark_down_delay": 2.0}}, {"A": slow_check})
    assert table.loc["A: mark_down_delay", "by hand"] == 2.0
    assert table.loc["A: mark_down_delay", "found"] == late["predicted / measured"]["mark_down_delay"]
    figure = residuals_figure({"A": slow_check, "B": short_base})
    assert len(figure.axes) == 2
    assert figure.axes[0].get_xscale() == "log"
    names = [text.get_text() for text in figure.axes[0].get_yticklabels()]
    assert set(names) == set(late.index) | set(early.index)


def test_signatures_are_ratios_to_the_right_model():
    models = {"half": foresee(planted.model_with(lab(), ("clients.count", 100)))}
    table = planted.signatures(foresee(planted.Model(lab())), models, ["failed_503", "mark_down_delay"])
    assert table.loc["half", "failed_503"] == pytest.approx(0.5, rel=0.1)
    assert table.loc["half", "mark_down_delay"] == pytest.approx(1.0, rel=0.01)


def test_some_clients_of_the_labs_run_refute_one_model_and_not_the_other():
    slow, short = (
        planted.model_with(lab(), fault) for fault in (("balancer.check.inter", 2.0), ("clients.reconnect.base", 0.1))
    )
    run = Record.load(ROOT / "records" / "failover-2.parquet")
    shown = who_shows(run, planted.refutes(slow, short))
    assert 1 < len(shown) <= len(who_lost(run)) / 2
    table = waits(run)
    assert set(shown) <= set(table.index[table["back after"] < 2.0])
    assert (table.loc[shown, [f"wait {k}" for k in range(1, 5)]] <= [0.105, 0.205, 0.405, 0.805]).all(axis=None)
