"""The measured world: real processes on loopback.

Names are loaded when they are first used, so that a node or swarm process starts fast.
"""

from typing import TYPE_CHECKING

from twin.lazy import loader

if TYPE_CHECKING:
    from live.calibration.calibration import calibrate, trace
    from live.calibration.footprints import with_memory
    from live.calibration.pings import ping_costs
    from live.calibration.polls import with_polls
    from live.calibration.sessions import with_sessions
    from live.runs import each, measure, run

_HOME = {
    "calibrate": "live.calibration.calibration",
    "each": "live.runs",
    "measure": "live.runs",
    "ping_costs": "live.calibration.pings",
    "run": "live.runs",
    "trace": "live.calibration.calibration",
    "with_memory": "live.calibration.footprints",
    "with_polls": "live.calibration.polls",
    "with_sessions": "live.calibration.sessions",
}

__all__ = ["calibrate", "each", "measure", "ping_costs", "run", "trace", "with_memory", "with_polls", "with_sessions"]


__getattr__ = loader(globals(), _HOME)
