"""The folder in which `./lab compare --resume` keeps what has ended, so that the same command goes on from there."""

import json
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from pydantic import ValidationError

from twin.costs.profile import HostProfile
from twin.errors import ScenarioError
from twin.files.reading import PROFILE, check_json, read_text
from twin.files.writing import write_text
from twin.scenario.scenario import Scenario

if TYPE_CHECKING:
    from live.control.address import Address
    from twin.record.record import Record

GOES_ON = "the same command goes on from there"


@dataclass
class Kept:
    """A folder with one Parquet record for each run that has ended, NAME-REPLICATION.parquet, as `--save` writes them.

    Beside them NAME.json has the host profile by which the scenario was to be predicted when its runs were begun: a
    machine's own one gets a look at the speed of the cores with each scenario, so it is another one later. A file is
    there entirely or not at all. What a record depends on is in its provenance, and is looked at before it is used.

    Attributes:
        folder: where the files are.
        server: the Redis or Valkey that runs use instead of the embedded one.
        say: told in a sentence why a file of the folder is not used.
    """

    folder: Path
    server: "str | Address | None"
    say: Callable[[str], None]

    def records(self, scenario: Scenario, runs: int, profile: HostProfile) -> "dict[int, Record]":
        """Return by replication the records of a scenario that need not be measured again, and say why others are.

        Args:
            scenario: what is measured.
            runs: how many runs are wanted, replications 0 to `runs` - 1.
            profile: the host profile as it is now. Looks at the speed of the cores may have been added to it.
        """
        from twin.record.record import Record

        found: dict[int, Record] = {}
        for replication in range(runs):
            path = self.folder / f"{scenario.name}-{replication}.parquet"
            if not path.exists():
                continue
            try:
                record = Record.load(path)
                why = self._unfit(record, scenario, replication, profile)
            except ScenarioError as error:
                why = str(error).removeprefix(f"{path}: ").removesuffix(".")
            if why:
                self.say(f"{path}: {why}; the run is measured anew.")
            else:
                found[replication] = record
        return found

    def _unfit(self, record: "Record", scenario: Scenario, replication: int, profile: HostProfile) -> str:
        """Return why a record is not the one of this run, or an empty text."""
        if record.provenance.get("world") != "live":
            return "is no record of a live run"
        if record.scenario != scenario:
            return f"is of other settings than {scenario.name} has now"
        if record.replication != replication:
            return f"is of replication {record.replication}, not of {replication}"
        if record.void:
            return f"does not count, for {record.void}"
        if not same_calibration(record.provenance.get("profile"), profile.named, scenario.host.profile):
            return f"was measured with another host profile than {scenario.host.profile} is now ({profile.made})"
        bus = record.provenance.get("bus")
        if isinstance(bus, dict) and bus and bool(bus.get("command")) != (self.server is None):
            return "was measured with another Redis than this command names"
        return ""

    def keep(self, scenario: Scenario, profile: HostProfile) -> None:
        """Keep by what a scenario is predicted whose runs begin now.

        Raises:
            ScenarioError: it cannot be written.
        """
        settings = {"scenario": scenario.model_dump(exclude_none=True), "profile": profile.model_dump()}
        write_text(self._settings(scenario), json.dumps(settings) + "\n")

    def profile(self, scenario: Scenario, now: HostProfile) -> HostProfile:
        """Return the host profile that was kept when the runs of a scenario were begun; without it, as it is `now`."""
        path, why = self._settings(scenario), ""
        if not path.exists():
            return now
        try:
            text = read_text(path, PROFILE)
            check_json(text)
            settings = json.loads(text)
            kept = HostProfile.model_validate(settings["profile"])
            if Scenario.parse(settings["scenario"], "scenario") != scenario:
                why = f"is of other settings than {scenario.name} has now"
            elif not same_calibration(kept.named, now.named, scenario.host.profile):
                why = f"has another host profile than {scenario.host.profile} is now ({now.made})"
        except (KeyError, TypeError, ValueError, RecursionError, ValidationError, ScenarioError):
            why = "is no file of this lab"
        if why:
            self.say(f"{path}: {why}; {scenario.name} is predicted by the profile of now.")
            return now
        return kept

    def _settings(self, scenario: Scenario) -> Path:
        return self.folder / f"{scenario.name}.json"


def same_calibration(one: Any, other: dict[str, Any], name: str) -> bool:
    """Tell whether what names two host profiles (`HostProfile.named`) is of one calibration.

    A machine's own profile (`calibrated`) gets looks at the speed of the cores and stays the same calibration: when and
    where it was made. Any other one has to be the same to the bit.
    """
    keys = ("made", "machine") if name == "calibrated" else ("digest",)
    return isinstance(one, dict) and all(one.get(key) == other[key] for key in keys)


def check_names(scenarios: Sequence[Scenario]) -> None:
    """See that each scenario has a name of its own: its files in the folder are called after it.

    Raises:
        ScenarioError: two have the same.
    """
    names = [scenario.name for scenario in scenarios]
    for name in names:
        if names.count(name) > 1:
            raise ScenarioError(f"compare: name is '{name}' of two scenarios; with --resume each has its own.")
