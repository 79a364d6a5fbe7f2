"""What `./lab compare` does with scenarios; `stormlab.app` has its options."""

from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

from stormlab.steps import comparison_of, err, look_at_cores, profile_of, runs_of
from twin.errors import LabError
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
) -> list[Any]:
    """Predict and measure each scenario, and return the comparisons (`twin.analysis.comparison.Comparison`).

    Of several scenarios one that breaks gets its sentence in `failed`, and the others go on; Ctrl-C after the first
    comparison ends with those that are made, which `missing` knows.

    Raises:
        LabError: a scenario cannot be run, or the only one broke.
    """
    import live.limits
    from stormlab.tables import percent

    comparisons: list[Any] = []
    for spec in specs:
        live.limits.check(spec, server)
    for spec in specs:
        profile_of(spec)
    for spec in specs:
        look_at_cores(spec)
        try:
            observe = partial(runs_of, spec, runs, server, save, missing)
            comparisons.append(comparison_of(spec, replications, observe))
        except KeyboardInterrupt:
            if not comparisons:
                raise
            missing.interrupted = True
            break
        except LabError as broken:
            if len(specs) == 1:
                raise
            failed[spec.name] = str(broken)
            err.print(f"{spec.name}: {broken}", highlight=False, soft_wrap=True)
            continue
        if len(specs) > 1:
            one = comparisons[-1]
            inside, error = percent(one.coverage), percent(one.median_error)
            err.print(f"{spec.name}: {one.verdict}, {inside} inside, error {error}", highlight=False)
    return comparisons
