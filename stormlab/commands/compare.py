"""What `./lab compare` does with scenarios; `stormlab.app` has its options."""

from collections.abc import Sequence
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

from stormlab.kept import GOES_ON, Kept, check_names
from stormlab.steps import comparison_of, err, examined, look_at_cores, profile_of, runs_of
from twin.errors import LabError, ScenarioError
from twin.missing import Missing
from twin.scenario.scenario import Scenario

if TYPE_CHECKING:
    from live.control.address import Address


def measured_and_compared(
    specs: list[Scenario],
    runs: int,
    replications: int,
    server: "Address | None",
    save: Path | None,
    failed: dict[str, str],
    missing: Missing,
    resume: Path | None = None,
) -> list[Any]:
    """Predict and measure each scenario, and return the comparisons (`twin.analysis.comparison.Comparison`).

    Of several scenarios one that breaks gets its sentence in `failed`, and the others go on; Ctrl-C after the first
    comparison ends with those that are made, which `missing` knows. What has ended is kept in the folder `resume`, and
    what is complete there is not measured again; see `stormlab.kept`.

    Raises:
        LabError: a scenario cannot be run, or the only one broke.
    """
    import live.limits
    from stormlab.tables import percent

    comparisons: list[Any] = []
    kept = Kept(resume, server, _say) if resume is not None else None
    if kept is not None:
        check_names(specs)
    for spec in specs:
        live.limits.check(spec, server)
    for spec in specs:
        profile_of(spec)
    for spec in specs:
        try:
            if kept is not None:
                comparisons.append(_resumed(kept, spec, runs, replications, missing))
            else:
                look_at_cores(spec)
                observe = partial(runs_of, spec, runs, server, save, missing)
                comparisons.append(comparison_of(spec, replications, observe))
        except KeyboardInterrupt:
            if kept is not None:
                _say(f"The runs that have ended are kept in {kept.folder}; {GOES_ON}.")
            if not comparisons:
                raise
            missing.interrupted = True
            break
        except LabError as broken:
            if len(specs) == 1:
                raise
            failed[spec.name] = str(broken)
            _say(f"{spec.name}: {broken}")
            continue
        if len(specs) > 1:
            one = comparisons[-1]
            inside, error = percent(one.coverage), percent(one.median_error)
            err.print(f"{spec.name}: {one.verdict}, {inside} inside, error {error}", highlight=False)
    return comparisons


def _resumed(kept: Kept, spec: Scenario, runs: int, replications: int, missing: Missing) -> Any:
    """Return the comparison of a scenario of which only those runs are measured that are not kept yet.

    A scenario of which all runs are kept is predicted by the profile of when they were begun, so that what was
    interrupted ends with the numbers that it would have had. Before any run is measured the cores are looked at.
    """
    now = profile_of(spec)
    found = kept.records(spec, runs, now)
    if len(found) == runs:
        _say(f"{spec.name}: all {runs} runs are kept in {kept.folder}.")
        records = [found[k] for k in sorted(found)]
        return comparison_of(spec, replications, partial(examined, records), profile=kept.profile(spec, now))
    if found:
        _say(f"{spec.name}: {len(found)} of {runs} runs are kept in {kept.folder}; going on from there.")
    look_at_cores(spec)
    now = profile_of(spec)
    kept.keep(spec, now)
    observe = partial(runs_of, spec, runs, kept.server, kept.folder, missing, found)
    return comparison_of(spec, replications, observe, profile=now)


def for_live(specs: Sequence[Scenario], server: "Address | None") -> list[Scenario]:
    """Return the scenarios that a live run allows, and say of each other one why it is left out.

    Raises:
        HostError: this machine cannot run one of them, as where a program is missing.
    """
    import live.limits

    found = []
    for spec in specs:
        try:
            live.limits.check(spec, server)
            found.append(spec)
        except ScenarioError as error:
            _say(f"{spec.name} is left out: {error}")
    return found


def _say(text: str) -> None:
    err.print(text, highlight=False, markup=False, soft_wrap=True)
