"""The memory of nodes added to a profile of this machine that does not know it."""

from collections.abc import Callable
from typing import cast

from live.calibration import memory
from live.calibration.starts import measure_starts
from live.calibration.workbench import MeasuredCosts
from live.control.supervisor import watched
from live.machine import placement
from live.node.kinds import RUNTIMES
from twin.costs.memory import USUAL_START
from twin.costs.profile import HostProfile
from twin.scenario.runtimes import RUNTIME, RuntimeKind
from twin.scenario.scenario import Scenario


def with_memory(
    profile: HostProfile, repeats: int = 3, progress: Callable[[float, str], None] | None = None
) -> HostProfile:
    """Return a profile of this machine with the memory of nodes, of each runtime that it knows and that is here.

    Args:
        profile: of this machine.
        repeats: measurements of each figure.
        progress: receives the part done (0 to 1) and what is being measured.
    """
    scenario = Scenario.parse({"name": "calibration", "clients": {"count": 2000}})
    placement.check_limits(scenario)
    tell = progress or (lambda share, what: None)
    known = [cast("RuntimeKind", kind) for kind in profile.parts.get("node", {})]
    runtimes = [kind for kind in known if kind in RUNTIMES and RUNTIMES[kind].is_here]
    found: memory.Footprints = {}
    places = list[float]()
    cpus = placement.placement(scenario).cluster[:1]
    with watched() as stage:
        placement.keep_awake(stage, cpus)
        for i in range(repeats):
            for k, runtime in enumerate(runtimes):
                share = (i * len(runtimes) + k) / (repeats * len(runtimes))
                tell(share, f"the memory of nodes of the runtime {runtime}, {i + 1} of {repeats}")
                measure_starts(scenario.vary(nodes={"runtime": runtime}), MeasuredCosts(), found)
            places.append(memory.place_bytes(cpus))
    plain = found[RUNTIME][USUAL_START].connection
    return profile.model_copy(update={"memory": found, "place_bytes": places, "connection_bytes": plain})
