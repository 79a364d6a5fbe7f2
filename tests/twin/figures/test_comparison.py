import itertools
from dataclasses import replace

import numpy as np
import pytest

import sim
import twin
from tests.strategies import small
from twin.figures.comparison import table_rows, variants_figure
from twin.figures.style import save


@pytest.fixture(scope="module")
def comparison(profile):
    scenario = small(faults=[{"at": 1.0, "kind": "kill", "node": 1}])
    record = sim.simulate(scenario, 0, profile)
    return twin.compare(
        sim.predict(scenario, 20, profile, jobs=1), record, sim.predict_given([record], 4, profile, jobs=1)
    )


def test_the_band_figure_shows_every_measure_and_every_run(comparison, tmp_path):
    figure = comparison.plot()
    curve, measures = figure.axes
    assert curve.get_xlabel() == "time since the start of the run (s)"
    assert len(curve.lines) >= 2  # the median and the run
    shown = [label.get_text().split()[0] for label in measures.get_yticklabels()]
    assert shown == [row.name for row in comparison.rows if row.predicted.median > 0]
    assert save(figure, tmp_path / "deep" / "figure.png").stat().st_size > 10_000


def test_the_names_of_many_measures_do_not_overlap(comparison):
    many = replace(comparison, rows=[row for row in comparison.rows if row.predicted.median > 0] * 4)
    figure = many.plot()
    figure.canvas.draw()
    boxes = [label.get_window_extent() for label in figure.axes[1].get_yticklabels()]
    assert len(boxes) > 40
    assert not any(one.overlaps(two) for one, two in itertools.pairwise(boxes))


def test_the_scatter_has_one_point_for_each_client_affected_in_both_worlds(comparison):
    axes = comparison.scatter().axes[0]
    points = max(len(line.get_xdata()) for line in axes.lines)
    assert points == len(comparison.pairs()) > 5


def test_the_table_has_a_row_for_each_measure(comparison):
    assert [row["measure"] for row in table_rows(comparison)] == [row.name for row in comparison.rows]


def test_a_picture_of_few_replications_says_that_it_shows_a_range(comparison):
    labels = comparison.plot().axes[0].get_legend_handles_labels()[1]
    assert "predicted, range of 20 runs" in labels
    assert "range of 20 runs" in variants_figure({"one": comparison.prediction}, "notice_p50").axes[0].get_xlabel()


def test_what_was_not_reached_is_a_triangle_at_its_bound_and_the_axis_says_so(profile):
    short = small(faults=[{"at": 1.0, "kind": "kill", "node": 1}], duration=1.5)
    prediction = sim.predict(short, 40, profile, jobs=1)
    for axes in (
        twin.compare(prediction, sim.simulate(short, 0, profile)).plot().axes[1],
        variants_figure({"short": prediction}, "time_to_99").axes[0],
    ):
        assert "triangle: not reached within the run" in axes.get_xlabel()
        assert any(line.get_marker() == ">" for line in axes.lines)
        assert all(np.isfinite(line.get_xdata()).all() for line in axes.lines)
