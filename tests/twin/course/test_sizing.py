from functools import partial

import numpy as np
import pytest

import sim
from tests.answers import keeps
from twin.course import sizing
from twin.course.explanations import explained, who_lost, who_shows
from twin.course.pictures.storms import handshakes_figure, sizing_figure
from twin.course.sizing import (
    CAP,
    NODES,
    handshakes,
    overslept,
    sized,
    sizing_table,
    sizing_variants,
    work_alone,
)
from twin.course.storms import end_of_outage, given_host, outage

SMALL = {"clients": 60, "seconds": 12.0, "after": 25.0, "base": 1.0, "jitter": "full"}
HOST = given_host(500.0)


def build(nodes, cap):
    return outage(**SMALL, nodes=nodes, cap=cap)


def predict(scenario):
    return sim.predict(scenario, 3, HOST, jobs=1)


check_size = partial(sizing.check_size, build, predict=predict, handshake_rate=500.0, expected=1.0)


@pytest.fixture(scope="module")
def table():
    variants = sizing_variants(build, [2, 3], [2.0, 8.0])
    assert [len(one.scenario.faults) for one in variants] == [2, 2, 3, 3]  # the outage takes all nodes there are
    values = {NODES: [2, 3], CAP: [2.0, 8.0]}
    return sizing_table(sim.simulate_variants(variants[0].scenario, variants, values, 2, HOST, jobs=1), build(2, 2.0))


def test_a_sweep_has_what_each_choice_brings_and_costs(table):
    assert table["cap"].tolist() == [2.0, 8.0, 2.0, 8.0]
    assert (table["low"] <= table["back"]).all()
    assert (table["back"] <= table["high"]).all()
    assert table["back"].iloc[0] < table["back"].iloc[1]
    assert table["attempts"].iloc[0] > table["attempts"].iloc[1]


def test_a_sweep_says_what_was_asked_for_by_hand(table):
    found = sized(table, float(table["high"].max()), 3)
    assert found == {
        "nodes": 2.0,
        "cap": 8.0,
        "back_cap_2": float(table["back"].iloc[2]),
        "back_cap_8": float(table["back"].iloc[3]),
    }
    assert np.isnan(sized(table, 0.0, 3)["nodes"])


def test_the_work_alone_is_what_nodes_do_that_are_never_idle():
    assert work_alone(100_000, 4, 500.0) == 49.5
    assert work_alone(100_000, 3, 500.0) > 60.0


def test_a_size_is_right_if_neither_fewer_nodes_nor_a_longer_cap_do():
    answer = check_size(nodes=2, cap=2.0, target=20.0)
    assert keeps(answer)
    assert "1 nodes with a cap of 5 s would do as well" in answer.why
    late = check_size(nodes=1, cap=8.0, target=1.0)
    assert not late.right
    assert "allowed are 1 s" in late.why
    assert check_size(nodes=1, cap=8.0, target=float(late.found)).right  # the longer cap is later still


def never(scenario):
    raise AssertionError("there is nothing to predict")


@pytest.mark.parametrize(
    ("nodes", "cap", "why"),
    [
        (0, 5.0, "nodes is 0; allowed is 1 to 50"),
        (1000, 5.0, "nodes is 1000; allowed is 1 to 50"),
        (2.5, 5.0, "allowed is a whole number"),
        (2, "soon", "allowed is a number"),
        (2, 0.5, "the settings are not possible"),
        (2, -1.0, "the settings are not possible"),
        (1, 5.0, "1 nodes have 59 s of work, more than 20 s, whatever the cap."),
    ],
)
def test_a_size_that_cannot_be_is_not_simulated(nodes, cap, why):
    answer = check_size(nodes=nodes, cap=cap, target=20.0, predict=never, handshake_rate=1.0)
    assert not answer.right
    assert why in answer.why


def test_the_figures_have_a_line_a_number_of_nodes_and_a_line_a_run(table):
    lines = sizing_figure(table, "back", "back", 10.0).axes[0].lines
    assert [line.get_label() for line in lines] == ["2 nodes", "3 nodes", "target, 10 s"]
    assert len(sizing_figure(table, "attempts", "attempts").axes[0].lines) == 2
    record = sim.simulate(build(2, 2.0), 0, HOST)
    axes = handshakes_figure({"a run": record}, 1000.0, 50.0).axes[0]
    assert [line.get_label() for line in axes.lines] == ["what the nodes can do"]
    done = handshakes(record)
    assert done.sum() == 60
    assert axes.patches[0].get_data().values.max() == 50 * done.max()


def test_who_oversleeps_has_one_wait_that_is_most_of_its_return():
    scenario = outage(250, 4, 30.0, 150.0, inter=5.0, base=1.0, cap=60.0, jitter="full").vary(nodes={"backlog": 3})
    record = sim.simulate(scenario, 0, given_host(500.0, 20_000.0, 400.0))
    mechanism = overslept(scenario)
    shown, lost = who_shows(record, mechanism), who_lost(record)
    assert 0 < len(shown) <= len(lost) / 2
    right = explained(record, shown[0], mechanism)
    assert right.right
    other = next(client for client in lost if client not in shown)
    assert not explained(record, other, mechanism).right
    assert "s after the outage, and its last wait is " in right.why
    assert end_of_outage(scenario) == 35.0
