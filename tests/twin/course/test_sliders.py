import pytest
from matplotlib.figure import Figure

import sim
from twin.course.sliders import Logarithmic, explorer, slider_storm
from twin.errors import ScenarioError


def test_a_logarithmic_setting_goes_in_steps_of_one_two_and_five():
    assert Logarithmic(100, 10, 1_000).steps() == [10, 20, 50, 100, 200, 500, 1_000]
    assert Logarithmic(20, 10, 1_000_000).steps()[-1] == 1_000_000


def test_the_picture_says_when_the_clients_are_back():
    def title(rate):
        def few(scenario, runs, host):
            assert runs == 50
            return sim.predict(scenario, 2, host, jobs=1)

        return slider_storm(few, 400, 1, rate, 8.0, base=1.0, cap=4.0, jitter="full").axes[0].get_title()

    assert title(200.0).startswith("400 clients, 99 % back after ")
    assert title(5.0) == "400 clients, 99 % not back within 60 s"


def test_sliders_redraw_and_show_what_is_wrong_with_a_value():
    widgets = pytest.importorskip("ipywidgets")
    seen = []

    def draw(**values):
        seen.append(values)
        if values["cap"] < 1:
            raise ScenarioError("cap is too small.")
        return Figure()

    box = explorer(
        draw,
        {
            "cap": (5.0, 0.5, 30.0, 0.5),
            "clients": Logarithmic(10, 1, 100),
            "nodes": (3, 1, 8, 1),
            "jitter": ["full", "none"],
        },
    )
    assert seen == [{"cap": 5.0, "clients": 10, "nodes": 3, "jitter": "full"}]
    controls, picture = box.children
    assert [type(control) for control in controls.children] == [
        widgets.FloatSlider,
        widgets.SelectionSlider,
        widgets.IntSlider,
        widgets.Dropdown,
    ]
    controls.children[0].value = 0.5
    assert seen[-1]["cap"] == 0.5
    assert "cap is too small." in str(picture.outputs)


def test_without_widgets_the_first_picture_is_there(monkeypatch):
    import sys

    monkeypatch.setitem(sys.modules, "ipywidgets", None)
    figure = Figure()
    seen = []
    settings = {"cap": (5.0, 0.5, 30.0, 0.5), "clients": Logarithmic(10, 1, 100)}
    assert explorer(lambda **values: seen.append(values) or figure, settings) is figure
    assert seen == [{"cap": 5.0, "clients": 10}]
