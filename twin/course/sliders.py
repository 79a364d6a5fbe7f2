"""Sliders that redraw a storm: what moves in the notebook on storms.

Nothing here knows a world: what has to be simulated is done by a function that the notebook passes.
"""

import io
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from twin.analysis.comparison import Predicted
from twin.costs.profile import HostProfile
from twin.course.pictures.storms import storm_figure
from twin.course.storms import Storm, back_within, given_host, outage, runs_to_redraw
from twin.errors import ScenarioError
from twin.measures import PEAK_WINDOW
from twin.scenario.scenario import Scenario

if TYPE_CHECKING:
    from matplotlib.figure import Figure

AFTER = 60.0
"""Seconds that are simulated after the end of the outage."""
LEAST_BALANCER_RATE, RATE_A_CLIENT = 20_000.0, 20.0
"""Handshakes a second that the balancer can do: at least, and for each client. To accept a connection or to close a
tunnel takes it `twin.course.storms.SMALL_COST` all the same: 20 s for a million."""

PER_SECOND = round(1 / PEAK_WINDOW)
"""Windows in which attempts are counted in a second."""


@dataclass(frozen=True)
class Logarithmic:
    """A setting that goes in steps of 1, 2, 5, 10, 20, 50, ... between two of them."""

    first: int
    low: int
    high: int

    def steps(self) -> list[int]:
        """Return all values, from the lowest."""
        every = (digit * 10**power for power in range(len(str(self.high))) for digit in (1, 2, 5))
        return [value for value in every if self.low <= value <= self.high]


def slider_prediction(
    predict: Callable[[Scenario, int, HostProfile], Predicted],
    clients: int,
    nodes: int,
    handshake_rate: float,
    outage_s: float,
    **reconnect: Any,
) -> Predicted:
    """Return the prediction of one storm, from as many runs as `runs_to_redraw` says.

    Args:
        predict: predicts a scenario with so many runs on a host, as `sim.predict` does.
        clients: how many.
        nodes: how many.
        handshake_rate: handshakes a second that one node can do.
        outage_s: length of the outage.
        reconnect: settings of the reconnect policy.

    Raises:
        ScenarioError: a value is not allowed.
    """
    one = outage(clients, nodes, outage_s, AFTER, **reconnect)
    balancer_rate = max(LEAST_BALANCER_RATE, RATE_A_CLIENT * clients)
    return predict(one, runs_to_redraw(clients), given_host(handshake_rate, balancer_rate))


def picture_of(prediction: Predicted) -> "Figure":
    """Return the picture of one storm; its title says when 99 % of the clients are back."""
    back = float(back_within(prediction).median())
    when = f"99 % back after {back:.1f} s" if back < AFTER else f"99 % not back within {AFTER:g} s"
    return storm_figure({f"{prediction.scenario.clients.count:,} clients, {when}": Storm.of(prediction)})


def slider_storm(
    predict: Callable[[Scenario, int, HostProfile], Predicted],
    clients: int,
    nodes: int,
    handshake_rate: float,
    outage_s: float,
    **reconnect: Any,
) -> "Figure":
    """Return the picture of one storm; arguments and errors are those of `slider_prediction`."""
    return picture_of(slider_prediction(predict, clients, nodes, handshake_rate, outage_s, **reconnect))


def told(prediction: Predicted, since: float) -> str:
    """Return in words what the first run of a storm is like from a second of the run on: attempts, and how they end."""
    windows = prediction.attempts[0][round(since / PEAK_WINDOW) :]
    rate = windows[: len(windows) // PER_SECOND * PER_SECOND].reshape(-1, PER_SECOND).sum(axis=1)
    measures = prediction.measures.iloc[0]
    failed = {name.removeprefix("failed_"): measures[name] for name in measures.index if name.startswith("failed_")}
    ends = ", ".join(f"{count:,.0f} with {how}" for how, count in failed.items() if count > 0)
    return (
        f"From second {since:g} on {rate.min():,.0f} to {rate.max():,.0f} attempts a second; at the end of the run "
        f"{prediction.curves[0][-1]:,.0f} clients are connected. Attempts that failed: {ends or 'none'}."
    )


def png(figure: "Figure") -> bytes:
    """Return a figure as it stands: a notebook draws it once more before, to find out what it could cut off."""
    data = io.BytesIO()
    figure.savefig(data, format="png")
    return data.getvalue()


def explorer(draw: Callable[..., "Figure"], settings: Mapping[str, Any]) -> Any:
    """Return sliders that redraw a storm, or where widgets do not run the picture of the first settings.

    Args:
        draw: makes the picture from one value of each setting.
        settings: for each argument (first value, lowest, highest, step), a `Logarithmic`, or a list of words of which
            the first counts.
    """
    try:
        import ipywidgets
        from IPython.display import Image
    except ImportError:
        return draw(**{name: one.first if isinstance(one, Logarithmic) else one[0] for name, one in settings.items()})
    controls = {}
    for name, one in settings.items():
        if isinstance(one, list):
            controls[name] = ipywidgets.Dropdown(options=one, value=one[0], description=name)
            continue
        if isinstance(one, Logarithmic):
            controls[name] = ipywidgets.SelectionSlider(
                options=[(f"{value:,}", value) for value in one.steps()],
                value=one.first,
                description=name,
                continuous_update=False,
            )
            continue
        value, low, high, step = one
        kind = ipywidgets.IntSlider if isinstance(step, int) else ipywidgets.FloatSlider
        controls[name] = kind(value=value, min=low, max=high, step=step, description=name, continuous_update=False)
    for control in controls.values():
        control.style.description_width = "initial"
    picture = ipywidgets.Output()

    def redraw(_: Any = None) -> None:
        values = {name: control.value for name, control in controls.items()}
        picture.clear_output(wait=True)
        try:
            picture.append_display_data(Image(png(draw(**values))))  # type: ignore[no-untyped-call]
        except ScenarioError as error:
            picture.append_stdout(f"{error}\n")

    for control in controls.values():
        control.observe(redraw, "value")
    redraw()
    return ipywidgets.VBox([ipywidgets.HBox(list(controls.values()), layout={"flex_flow": "row wrap"}), picture])
