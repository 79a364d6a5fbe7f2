"""The hall of Stormlab: what the predicted and the measured world share.

Names are loaded when they are first used, so that a node or client process that needs only a rule starts fast.
"""

from typing import TYPE_CHECKING, Any

from twin.analysis.pictures import drawn_by
from twin.lazy import loader
from twin.scenario.foreign import read_by

if TYPE_CHECKING:
    from matplotlib.figure import Figure

    from twin.advice import findings
    from twin.analysis.comparison import Comparison, compare
    from twin.analysis.verdicts import Validation
    from twin.costs.profile import HostProfile
    from twin.errors import ClusterError, HostError, LabError, ScenarioError
    from twin.record.record import Record
    from twin.scenario.scenario import Scenario

_HOME = {
    "Comparison": "twin.analysis.comparison",
    "compare": "twin.analysis.comparison",
    "findings": "twin.advice",
    "ClusterError": "twin.errors",
    "HostError": "twin.errors",
    "LabError": "twin.errors",
    "ScenarioError": "twin.errors",
    "HostProfile": "twin.costs.profile",
    "Record": "twin.record.record",
    "Scenario": "twin.scenario.scenario",
    "Validation": "twin.analysis.verdicts",
}

__all__ = [
    "ClusterError",
    "Comparison",
    "HostError",
    "HostProfile",
    "LabError",
    "Record",
    "Scenario",
    "ScenarioError",
    "Validation",
    "compare",
    "findings",
]


__getattr__ = loader(globals(), _HOME)


def _comparison(*what: Any) -> "Figure":
    from twin.figures.comparison import comparison_figure

    return comparison_figure(*what)


def _scatter(*what: Any) -> "Figure":
    from twin.figures.comparison import scatter_figure

    return scatter_figure(*what)


def _sweep(*what: Any) -> "Figure":
    from twin.figures.sweeps import sweep_figure

    return sweep_figure(*what)


drawn_by("comparison", _comparison)
drawn_by("scatter", _scatter)
drawn_by("sweep", _sweep)


def _configuration(path: str, text: str) -> dict[str, Any] | None:
    from twin.config.reading.formats import settings_of

    return settings_of(path, text)


read_by(_configuration)
