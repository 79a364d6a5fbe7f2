import numpy as np
import pytest

import sim
import twin
from tests.messages import good_rows, record, without
from tests.strategies import small
from twin.figures.broadcast import acknowledgements_figure, latency_figure, pictures, staleness_figure
from twin.figures.style import save
from twin.measures import latency_quantiles
from twin.measures.broadcast import SHARES

CUT = {"at": 1.5, "kind": "partition", "node": 3, "duration": 1.0}


def line(axes, word):
    return next(one for one in axes.lines if word in str(one.get_label()))


def test_the_latency_figure_shows_each_run_over_the_predicted_band(tmp_path):
    made = record(good_rows())
    predicted = np.outer([0.9, 1.0, 1.1], latency_quantiles(made))
    figure = latency_figure([made, made], predicted)
    axes = figure.axes[0]
    assert line(axes, "median").get_xdata() == pytest.approx(1000 * latency_quantiles(made))
    measured = [one for one in axes.lines if one is not line(axes, "median")]
    assert len(measured) == 2
    assert list(measured[0].get_ydata()) == list(SHARES)
    assert len(axes.collections) == 1  # the band
    assert save(figure, tmp_path / "latency.png").stat().st_size > 5_000


def test_the_latency_figure_needs_neither_a_prediction_nor_a_delivery(tmp_path):
    assert len(latency_figure([record(good_rows())]).axes[0].collections) == 0
    empty = record(good_rows()[:8])
    save(latency_figure([empty], np.full((2, len(SHARES)), np.nan)), tmp_path / "empty.png")


def test_the_staleness_figure_has_a_line_a_node_and_marks_the_faults(tmp_path):
    made = record(without(good_rows(), "delivered", client=3, version=3), faults=[CUT])
    axes = staleness_figure(made).axes[0]
    lines = [line(axes, f"node {node}") for node in (1, 2, 3)]
    assert {one.get_drawstyle() for one in lines} == {"steps-post"}  # it steps where a client applies a message
    at = [np.searchsorted(one.get_xdata(), 5.0, side="right") - 1 for one in lines]
    assert [one.get_ydata()[i] for one, i in zip(lines, at, strict=True)] == [0.0, 0.0, 1.0]
    assert [text.get_text() for text in axes.texts] == ["partition node 3"]
    save(staleness_figure(made), tmp_path / "staleness.png")


def test_the_acknowledgements_figure_counts_what_came_and_what_was_expected(tmp_path):
    made = record(without(good_rows(), "acked", node=3, version=2))
    figure = acknowledgements_figure(made)
    axes = figure.axes[0]
    assert [line(axes, word).get_ydata()[-1] for word in ("expected", "acknowledged", "consistent", "again")] == [
        9,
        8,
        9,
        0,
    ]
    save(figure, tmp_path / "acks.png")


def test_a_comparison_of_a_broadcast_shows_latencies_lag_and_acknowledgements(profile, tmp_path):
    scenario = small(clients={"count": 6}, bus={"kind": "stream"}, publisher={"rate": 10.0}, faults=[CUT], duration=4.0)
    run = sim.simulate(scenario, 0, profile)
    found = pictures(twin.compare(sim.predict(scenario, 3, profile, jobs=1), run))
    assert list(found) == ["", "-staleness", "-acknowledgements"]
    left = found[""].axes[0]
    assert left.get_xlabel() == "time from publication to application (ms, logarithmic)"
    assert line(left, "measured").get_xdata() == pytest.approx(1000 * latency_quantiles(run))
    for ending, figure in found.items():
        assert save(figure, tmp_path / f"x{ending}.png").stat().st_size > 10_000


def test_a_comparison_without_a_publisher_shows_connections_and_reconnects(profile):
    scenario = small(faults=[{"at": 1.0, "kind": "kill", "node": 1}], duration=4.0)
    found = pictures(twin.compare(sim.predict(scenario, 3, profile, jobs=1), sim.simulate(scenario, 0, profile)))
    assert list(found) == ["", "-clients"]
    assert found[""].axes[0].get_ylabel() == "connected clients"
