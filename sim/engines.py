"""Which engine runs a scenario: the SimPy model, to read and to change, or the same model compiled, for scale."""

from typing import Literal

from sim.compiled.subset import NOT_COVERED
from twin.costs.profile import HostProfile
from twin.errors import ScenarioError
from twin.scenario.scenario import Scenario

Engine = Literal["auto", "simpy", "compiled"]


def uncovered(scenario: Scenario, profile: HostProfile | None = None) -> str:
    """Return why the compiled engine cannot run a scenario, as the end of a sentence, or an empty text.

    Whatever it leaves to the SimPy model stands in `sim.compiled.subset`.

    Args:
        scenario: what is to run.
        profile: costs of the host; without one, of a host on which the relay of a fault costs nothing.
    """
    return next((reason for reason, holds in NOT_COVERED.items() if holds(scenario, profile)), "")


def pick(scenario: Scenario, engine: Engine, profile: HostProfile | None = None) -> tuple[Engine, str]:
    """Return the engine to use for a scenario, and why, in one sentence, if `auto` does not get the compiled one.

    Args:
        scenario: what is to run.
        engine: `auto` takes the compiled engine where it covers the scenario.
        profile: costs of the host, see `uncovered`.

    Raises:
        ScenarioError: there is no such engine, or the compiled one is asked for and does not cover the scenario.
    """
    if engine not in ("auto", "simpy", "compiled"):
        raise ScenarioError(f"engine is '{engine}'; allowed is auto, simpy or compiled.")
    if engine == "simpy":
        return "simpy", ""
    why = uncovered(scenario, profile)
    if why and engine == "compiled":
        raise ScenarioError(f"engine is 'compiled'; it does not cover this: {why}; allowed is auto or simpy.")
    if why:
        return "simpy", f"The SimPy model is used, because {why}, which the compiled engine does not cover."
    return "compiled", ""
