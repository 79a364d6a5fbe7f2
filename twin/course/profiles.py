"""The host profile that a lab predicts with."""

import warnings

from twin.costs.profile import HostProfile, Need
from twin.errors import ProfileWarning
from twin.files.places import RECORDS

OF_THE_RUNS = "second-host"
"""The machine that made the recorded runs of polls and of handlers: `records/second-host.json` is its profile."""


def profile_for(live: bool, *needs: Need, host: str = "reference") -> HostProfile:
    """Return this machine's profile for a measurement on it, else that of the machine that made the recorded runs.

    The latter was made before some parts were calibrated. They are taken as free, and no cell says so again.

    Args:
        live: whether the lab measures on this machine.
        needs: what the profile has to know, as for `HostProfile.for_this_machine`.
        host: whose runs the recorded ones are: `reference`, or the name of a profile that ships with the records.

    Raises:
        ScenarioError: the file that should be this machine's profile is not one.
    """
    if live:
        return HostProfile.for_this_machine(*needs)
    warnings.filterwarnings("ignore", "This host profile does not know", ProfileWarning)
    return HostProfile.load(host if host == "reference" else str(RECORDS / f"{host}.json"))
