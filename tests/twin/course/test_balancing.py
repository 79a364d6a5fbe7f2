from functools import partial

import numpy as np
import pytest

import sim
from tests.answers import keeps
from tests.strategies import small, small_profile
from twin.analysis.bands import Band
from twin.course import balancing
from twin.course.balancing import (
    IMBALANCE_LIMIT,
    RULES,
    RUSH_LIMIT,
    band_at,
    held,
    held_steps,
    imbalance_at,
    rules_table,
    rush,
    variants_table,
    with_rule,
)
from twin.course.pictures.balancing import held_figure, rules_figure
from twin.errors import ScenarioError
from twin.record.record import Record, row

check_balancing = partial(balancing.check_balancing, expected=1.0)
FAULTS = [{"at": 2.0, "kind": "restart", "node": 1}, {"at": 5.0, "kind": "kill", "node": 2}]


def returns(**changes):
    """Node 1 is restarted, and comes back empty; then node 2 dies. The check is quick enough to see both."""
    more = {
        "duration": 8.0,
        "clients": {"count": 240, "reconnect": {"base": 0.2, "cap": 2.0, "jitter": "full"}},
        "balancer": {
            "algorithm": "leastconn",
            "retries": 3,
            "redispatch": 1,
            "check": {"inter": 0.1, "fall": 1, "rise": 1},
        },
        "faults": FAULTS,
    }
    return small(**{**more, **changes})


def simulate(scenario, k):
    return sim.simulate(scenario, k, small_profile())


@pytest.fixture(scope="module")
def leastconn():
    return simulate(returns(), 0)


def test_clients_that_spread_are_right_also_with_a_short_slowstart():
    for balancer, reconnect in (({"slowstart": 2}, {"base": 1.0}), ({}, {"base": 1.5})):
        answer = check_balancing(returns(), simulate, 3, balancer, reconnect)
        assert keeps(answer), answer
        assert "below 1.3 and 40" in answer.why


def test_a_rule_that_goes_round_leaves_the_node_half_empty():
    answer = check_balancing(returns(), simulate, 3, {"algorithm": "roundrobin"}, {"base": 1.5})
    assert not answer.right
    assert f"the first must be below {IMBALANCE_LIMIT:g}" in answer.why


def test_a_long_slowstart_keeps_the_node_that_came_back_too_empty():
    answer = check_balancing(returns(), simulate, 3, {"slowstart": 30}, {"base": 1.5})
    assert not answer.right
    assert f"the first must be below {IMBALANCE_LIMIT:g}" in answer.why


def test_leastconn_alone_sends_everybody_at_once():
    answer = check_balancing(returns(), simulate, 3, {})
    assert not answer.right
    assert f"the second must be below {RUSH_LIMIT:g}" in answer.why


@pytest.mark.parametrize("balancer", [{"algorithm": "best"}, {"slowstart": -1}, {"speed": 3}])
def test_settings_that_do_not_exist_are_not_simulated(balancer):
    def never(scenario, k):
        raise AssertionError("there is nothing to simulate")

    answer = check_balancing(returns(), never, 3, balancer)
    assert not answer.right
    assert "these settings are not possible" in answer.why


def test_every_rule_of_the_scenario_format_is_named_once():
    assert len(set(RULES.values())) == len(RULES) == 9
    for kind, algorithm in RULES.values():
        balancer = with_rule(returns(), kind, algorithm).balancer
        assert (balancer.kind, balancer.algorithm) == (kind, algorithm)
    assert with_rule(returns(), "haproxy", "source").balancer.retries == 3  # the rest stays
    with pytest.raises(ScenarioError):
        with_rule(returns(), "nginx", "leastconn")


def test_what_each_node_holds_follows_the_events():
    rows = [row(-0.5 + i / 10, "connected", i, 1 + i % 2, 1) for i in range(4)]
    rows += [row(1.0, "disconnected", 0, 1), row(1.2, "connected", 0, 2, 2), row(1.5, "node_stopped", node=1)]
    data = {"scenario": small(nodes={"count": 2}, duration=3.0).model_dump(exclude_none=True), "replication": 0}
    record = Record.of([*rows, row(0.9, "fault", node=1, detail="kill")], data)
    table = held(record, [0.0, 1.1, 2.0])
    assert table.to_numpy().tolist() == [[2, 2], [1, 2], [1, 3]]
    assert table.columns.tolist() == ["node 1", "node 2"]
    assert imbalance_at(record, 0.0) == 1.0
    assert imbalance_at(record, 1.3) == 1.5
    assert imbalance_at(record, 2.0) == 1.0  # node 1 does not run any more
    assert rush(record) == 1.0


def test_what_a_node_holds_changes_at_events_and_has_a_gap_while_it_does_not_run(leastconn):
    steps = held_steps(leastconn)
    assert (steps.index[0], steps.index[-1]) == (0.0, 8.0)
    assert np.nansum(steps.iloc[0]) == 240
    started = leastconn.select("node_started")["t"].iloc[0]
    gap = steps[(steps.index > 2.2) & (steps.index < started)]["node 1"]
    assert gap.isna().all()
    assert steps.loc[started, "node 1"] == 0.0
    assert steps[steps.index > 5.5]["node 2"].isna().all()
    when = 0.5 * (steps.index[3] + steps.index[4])
    assert held(leastconn, [when]).iloc[0].tolist() == steps.fillna(0).iloc[3].tolist()


def test_progress_of_variants_is_told(leastconn):
    told = []
    variants_table({"one": returns(), "two": returns()}, lambda *_: leastconn, 2, lambda *counts: told.append(counts))
    assert told == [(1, 4), (2, 4), (3, 4), (4, 4)]


def test_leastconn_fills_the_node_that_came_back(leastconn):
    assert held(leastconn, [4.0]).iloc[0].tolist() == pytest.approx([0, 120, 120], abs=3)
    assert imbalance_at(leastconn, 4.0) == pytest.approx(1.5, abs=0.05)
    assert held(leastconn, [7.9]).iloc[0].tolist() == [120, 0, 120]
    assert imbalance_at(leastconn, 7.9) == 1.0
    assert 40 <= rush(leastconn) <= 120


def test_tables_have_a_row_for_each_rule(leastconn):
    table = rules_table({"one": leastconn, "other": leastconn}, {"back": 4.0, "dead": 7.9})
    assert table.loc["one", ("back", "node 2")] == pytest.approx(120, abs=3)
    assert table.loc["other", ("dead", "imbalance")] == 1.0
    variants = {"as it is": returns(), "round": returns(balancer={"algorithm": "roundrobin", "redispatch": 0})}
    found = variants_table(variants, simulate, 2)
    assert found.index.tolist() == ["as it is", "round"]
    assert found.loc["as it is", "lost per client"] == pytest.approx(200 / 240)
    assert found.loc["as it is", "connected at the end (%)"] == 100
    void = Record(leastconn.columns, leastconn.provenance | {"disturbed": "it was stopped"})
    assert rules_table({"one": leastconn, "void": void}, {"back": 4.0}).index.tolist() == ["one"]
    band = band_at([leastconn, leastconn], 7.9)
    assert (band.low, band.median, band.high) == (1.0, 1.0, 1.0)


def test_pictures_name_every_rule_and_every_node(leastconn):
    axes = held_figure({str(i): leastconn for i in range(4)}).axes
    assert [one.get_title() for one in axes[:4]] == ["0", "1", "2", "3"]
    assert [line.get_label() for line in axes[0].lines[:3]] == ["node 1", "node 2", "node 3"]
    assert len({line.get_linewidth() for line in axes[0].lines[:3]}) == 3  # so that none hides another
    assert not axes[4].get_visible()
    bands = {"one": Band(1.1, 1.0, 1.2), "other": Band(1.5, 1.0, 2.0)}
    axis = rules_figure(bands, {"one": [1.1]}, "imbalance").axes[0]
    assert [label.get_text() for label in axis.get_yticklabels()] == ["one", "other"]
    assert axis.get_xlabel() == "imbalance"
    points = [line for line in axis.lines if line.get_marker() == "o"]
    assert [np.size(line.get_xdata()) for line in points] == [1, 0]
    assert [text.get_text() for text in axis.texts] == ["no run counts"]
