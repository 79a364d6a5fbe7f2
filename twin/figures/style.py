"""What all pictures share: colours, an empty figure, a band, and how one is saved.

Colours are those of Okabe & Ito, which colour-blind readers can tell apart: blue for the prediction, vermilion for
measurements; markers and dashes say the same again.
"""

from pathlib import Path
from typing import TYPE_CHECKING, Any

from twin.analysis.bands import Band
from twin.errors import ScenarioError
from twin.files.writing import replacing
from twin.record.record import Record

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure


BLUE, VERMILION, GREY = "#0072B2", "#D55E00", "#767676"
COLOURS = ("#0072B2", "#D55E00", "#009E73", "#CC79A7", "#E69F00", "#56B4E9", "#000000")
MARKERS = "osD^vPX"
LONG_RUN = 7200.0
"""Seconds from which on the time of a run is shown in hours."""
HOUR = 3600.0
TICKS = 8
"""About how many hours are marked at an axis of a long run."""
DASHES = ("-", "--", "-.", ":", (0, (5, 1)), (0, (3, 1, 1, 1)), (0, (1, 1)))


def blank(**settings: Any) -> "Figure":
    """Return an empty figure. matplotlib is loaded only here: most commands draw nothing."""
    from matplotlib.figure import Figure

    return Figure(**{"layout": "constrained", **settings})


def is_void(axes: "Axes", record: Record) -> bool:
    """Tell whether a run does not count, and say so in its panel, where nothing is drawn then."""
    if record.void:
        axes.text(0.5, 0.5, "this run does not count", transform=axes.transAxes, ha="center", color=GREY, fontsize=9)
    return bool(record.void)


def run_time(axes: "Axes", end: float, label: bool = True) -> None:
    """Let the horizontal axis be the time of a run, from 0 to `end` seconds: in hours if that is long.

    Args:
        axes: what is drawn in; the figures in it are seconds.
        end: of the axis, in seconds.
        label: whether the axis is named.
    """
    from matplotlib.ticker import FuncFormatter, MultipleLocator

    unit, name = (HOUR, "h") if end > LONG_RUN else (1.0, "s")
    axes.set_xlim(0, end)
    if unit > 1.0:
        axes.xaxis.set_major_locator(MultipleLocator(unit * max(1, round(end / unit / TICKS))))
        axes.xaxis.set_major_formatter(FuncFormatter(lambda t, _: f"{t / unit:g}"))
    if label:
        axes.set_xlabel(f"time since the start of the run ({name})")


def draw_band(axes: "Axes", band: Band, place: float, factor: float = 1.0, size: float = 13) -> None:
    """Draw a band as a bar along the horizontal axis, with its median; a triangle ends what was not reached."""
    low, median, high = (factor * band.at_least(value) for value in (band.low, band.median, band.high))
    axes.plot([low, high], [place, place], color=BLUE, lw=7, alpha=0.3, solid_capstyle="butt")
    axes.plot([median], [place], ">" if band.censored else "|", color=BLUE, ms=7 if band.censored else size, mew=2,
              clip_on=False)  # fmt: skip
    if band.not_reached and not band.censored:
        axes.plot([high], [place], ">", color=BLUE, ms=7, mfc="white")


def check_kind(path: Path) -> str:
    """Return the kind of picture that a file's name asks for, before anything is computed for it.

    Raises:
        ScenarioError: pictures of this kind cannot be made.
    """
    from matplotlib.backend_bases import FigureCanvasBase

    kind, kinds = path.suffix[1:].lower() or "png", sorted(FigureCanvasBase.get_supported_filetypes())
    if kind not in kinds:
        raise ScenarioError(f"{path}: '.{kind}' is no kind of picture; allowed is one of {', '.join(kinds)}.")
    return kind


def save(figure: "Figure", path: str | Path) -> Path:
    """Write a figure at 150 dots an inch: as PNG, or as what the file's name ends in.

    Raises:
        ScenarioError: the file cannot be written, or pictures of this kind cannot be made.
    """
    path = Path(path)
    kind = check_kind(path)
    with replacing(path) as file:
        figure.savefig(file, dpi=150, format=kind)
    return path
