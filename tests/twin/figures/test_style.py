import pytest
from matplotlib.figure import Figure

from twin.figures.style import run_time


@pytest.mark.parametrize(
    ("end", "name", "marked"),
    [(10.0, "s", None), (7200.0, "s", None), (4 * 3600.0, "h", ["0", "1", "2", "3", "4"]), (86_400.0, "h", None)],
)
def test_a_long_run_is_shown_in_hours_and_a_short_one_in_seconds(end, name, marked):
    axes = Figure().subplots()
    run_time(axes, end)
    assert axes.get_xlabel() == f"time since the start of the run ({name})"
    assert axes.get_xlim() == (0.0, end)
    texts = [axes.xaxis.get_major_formatter()(t, i) for i, t in enumerate(axes.get_xticks()) if 0 <= t <= end]
    assert 3 <= len(texts) <= 12
    if marked:
        assert texts == marked
    if end == 86_400.0:
        assert texts == [f"{hour:g}" for hour in range(0, 25, 3)]


def test_an_axis_above_another_one_has_no_name():
    axes = Figure().subplots()
    run_time(axes, 5.0, label=False)
    assert axes.get_xlabel() == ""
