"""The measured world: real processes on loopback.

Names are loaded when they are first used, so that a node or swarm process starts fast.
"""

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from live.calibration.calibration import calibrate, trace
    from live.calibration.pings import ping_costs
    from live.calibration.sessions import with_sessions
    from live.runs import each, measure, run

_HOME = {
    "calibrate": "live.calibration.calibration",
    "each": "live.runs",
    "measure": "live.runs",
    "ping_costs": "live.calibration.pings",
    "run": "live.runs",
    "trace": "live.calibration.calibration",
    "with_sessions": "live.calibration.sessions",
}

__all__ = ["calibrate", "each", "measure", "ping_costs", "run", "trace", "with_sessions"]


def __getattr__(name: str) -> Any:
    if name not in _HOME:
        raise AttributeError(f"module 'live' has no attribute {name!r}")
    value = getattr(import_module(_HOME[name]), name)
    globals()[name] = value
    return value
