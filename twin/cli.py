"""The commands of ./lab. The only module of the hall that knows both worlds."""

import glob
import json
import os
import shlex
import sys
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from functools import partial
from pathlib import Path
from typing import Annotated, Any, Literal

import typer
from rich.console import Console
from rich.progress import BarColumn, Progress, TextColumn, TimeElapsedColumn

from twin.campaign_command import campaign
from twin.config_command import haproxy, nginx
from twin.errors import LabError, ScenarioError
from twin.profile import CALIBRATED, HostProfile
from twin.record import Record
from twin.report import (
    learnt,
    print_audit,
    print_comparison,
    print_fleet,
    print_measures,
    print_prediction,
    print_profile,
)
from twin.scenario import Scenario
from twin.serve_command import serve
from twin.sweep_command import sweep
from twin.zoo_command import zoo

ROOT = Path(__file__).parent.parent
FLAGSHIP = "scenarios/failover.toml"
BUNDLED = ROOT / "records"

app = typer.Typer(
    name="lab",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    rich_markup_mode="rich",
    help="Stormlab predicts what a WebSocket cluster does, measures what a real one does, and lays the two side "
    "by side."
    "\n\nA scenario file describes clients, balancer, nodes and faults. [b]predict[/b] simulates it, "
    "[b]measure[/b] runs it with real processes on loopback, [b]compare[/b] does both and judges. Start with "
    "[b]./lab demo[/b]."
    "\n\nExit status: 0 fine, 1 a comparison failed or is unknown, 2 bad input or a machine that cannot run it.",
)
err = Console(stderr=True)
out = Console()

Path_ = Annotated[str, typer.Argument(help="Scenario file (TOML); scenarios/ holds those that ship.")]
Set = Annotated[
    list[str] | None, typer.Option("--set", metavar="FIELD=VALUE", help="Override a setting, as in clients.count=500.")
]
AsJson = Annotated[bool, typer.Option("--json", help="Print one JSON object instead of a table.")]
Runs = Annotated[int, typer.Option(help="Measured runs.", min=1, max=1000)]
Replications = Annotated[int, typer.Option(help="Simulated runs; 200 or more for a 95 % band.", min=1, max=100_000)]
Redis = Annotated[str | None, typer.Option(help="Use this Redis or Valkey instead of the embedded Valkey.")]
Save = Annotated[Path | None, typer.Option(help="Folder to write the records to, as Parquet.")]


@contextmanager
def _progress() -> Iterator[Callable[[str, float], None]]:
    """Show one bar; the function it gives takes a text and the share that is done."""
    columns = (TextColumn("{task.description:<34}"), BarColumn(), TextColumn("{task.percentage:>3.0f} %"))
    with Progress(*columns, TimeElapsedColumn(), console=err, transient=True) as bar:
        task = bar.add_task("", total=1.0)

        def show(text: str, share: float) -> None:
            bar.update(task, description=text, completed=share)

        yield show


def _profile(scenario: Scenario) -> HostProfile:
    """Return the scenario's host profile; calibrate first what it is to be asked for and does not know yet."""
    kind, broadcast = scenario.balancer.kind, scenario.publisher is not None
    if scenario.host.profile == "calibrated":
        known = HostProfile.load() if CALIBRATED.exists() else None
        if known is None or not known.knows(kind) or (broadcast and not known.knows_broadcast(kind)):
            err.print(f"There is no profile of this machine with {kind}{' and a bus' * broadcast} yet: calibrating.")
            _calibrate([kind] if known is not None or kind == "haproxy" else ["haproxy", kind], broadcast)
    return HostProfile.load(scenario.host.profile)


def _calibrate(kinds: Sequence[str] = ("haproxy", "nginx"), broadcast: bool = True) -> HostProfile:
    import live

    with _progress() as show:
        profile = live.calibrate(
            lambda share, what: show(f"calibrating {what}", share), kinds=kinds, broadcast=broadcast
        )
    if CALIBRATED.exists():
        with suppress(ScenarioError):  # a profile of an older lab is replaced
            profile = profile.with_earlier(HostProfile.load())
    profile.save()
    return profile


def _trace(scenario: Scenario) -> None:
    """Add a look at the speed of this machine's cores to its profile: a shared machine changes from hour to hour."""
    if scenario.host.profile != "calibrated":
        return
    import live

    with _progress() as show:
        show("looking at the speed of the cores", 0.0)
        speed = live.trace(scenario)
    _profile(scenario).with_speed(speed).save()


def _predict(scenario: Scenario, replications: int, engine: str = "auto") -> Any:
    import sim
    from sim.engines import pick

    picked: Any = engine
    picked, why = pick(scenario, picked)
    if why:
        err.print(why, highlight=False, soft_wrap=True)
    profile = _profile(scenario)
    with _progress() as show:
        text = f"predicting {scenario.name}"
        return sim.predict(
            scenario, replications, profile, progress=lambda done, total: show(text, done / total), engine=picked
        )


def _measure(scenario: Scenario, runs: int, redis_url: str | None, folder: Path | None) -> list[Record]:
    import live

    total = runs * scenario.duration
    with _progress() as show:
        text = f"measuring {scenario.name}"
        records = live.measure(scenario, runs, 0, redis_url, lambda t, what: show(text, t / total))
    for i, record in enumerate(records):
        if record.starved:
            err.print(f"Run {i + 1} was on a starved host and does not count: {record.starved}.")
        if folder is not None:
            record.save(folder / f"{scenario.name}-{record.replication}.parquet")
    return records


def _compare(
    scenario: Scenario,
    replications: int,
    observe: Callable[[], list[Record]],
    engine: Literal["auto", "simpy"] = "auto",
) -> Any:
    """Predict first, then observe, then predict given what the balancer marked down."""
    import sim
    import twin

    prediction = _predict(scenario, replications, engine)
    records = observe()
    with _progress() as show:
        text = "predicting given the mark-downs"
        given = sim.predict_given(
            records, profile=_profile(scenario), progress=lambda i, n: show(text, i / n), engine=engine
        )
    return twin.compare(prediction, records, given)


def _say_json(data: Any) -> None:
    sys.stdout.write(json.dumps(data) + "\n")


@app.command()
def demo(
    runs: Runs = 4,
    replications: Replications = 200,
    scenario: Annotated[str, typer.Option(help="Scenario file.")] = str(ROOT / FLAGSHIP),
    as_json: AsJson = False,
) -> None:
    """Predict and measure a failover, compare the two, and draw figures/failover.png."""
    from twin.figures import save

    spec = Scenario.load(scenario)
    _profile(spec)
    _trace(spec)
    # the SimPy model needs no compiling, which takes longer on a fresh clone than the whole demo
    comparison = _compare(spec, replications, lambda: _measure(spec, runs, None, None), "simpy")
    path = save(comparison.plot(), ROOT / "figures" / f"{spec.name}.png")
    if as_json:
        _say_json(comparison.as_dict())
    else:
        print_comparison(out, comparison)
        out.print(f"Figure: {os.path.relpath(path)}")
        out.print(learnt(comparison), highlight=False)
    raise typer.Exit(0 if comparison.verdict == "pass" else 1)


@app.command()
def predict(
    scenario: Path_,
    replications: Replications = 200,
    overrides: Set = None,
    engine: Annotated[str, typer.Option(help="auto, simpy (to read and change) or compiled (for scale).")] = "auto",
    as_json: AsJson = False,
) -> None:
    """Simulate a scenario many times and print each measure with its 95 % prediction interval."""
    prediction = _predict(Scenario.load(scenario, overrides), replications, engine)
    if as_json:
        from twin.report import prediction_dict

        _say_json(prediction_dict(prediction))
    else:
        print_prediction(out, prediction)


@app.command()
def measure(
    scenario: Path_,
    runs: Runs = 5,
    overrides: Set = None,
    redis_url: Redis = None,
    save: Save = None,
    as_json: AsJson = False,
) -> None:
    """Run a scenario with real processes on loopback and print each run's measures."""
    from twin.measures import measure_record

    spec = Scenario.load(scenario, overrides)
    records = _measure(spec, runs, redis_url, save)
    if as_json:
        rows = [{**measure_record(r), "starved": r.starved, "start_up": r.provenance["start_up"]} for r in records]
        _say_json({"scenario": spec.name, "runs": rows})
    else:
        print_measures(out, records)


@app.command()
def compare(
    scenarios: Annotated[list[str] | None, typer.Argument(help="Scenario files.")] = None,
    all_: Annotated[bool, typer.Option("--all", help="Every scenario in scenarios/ that can be run live.")] = False,
    runs: Runs = 5,
    replications: Replications = 200,
    records: Annotated[
        list[str] | None, typer.Option(help="Measured records (Parquet) to compare again instead of running.")
    ] = None,
    overrides: Set = None,
    redis_url: Redis = None,
    save: Save = None,
    as_json: AsJson = False,
) -> None:
    """Predict and measure, and judge: which measures lie in the predicted band, and how far off the medians are.

    With several scenarios the last table has the totals: 90 % inside, a median error of at most 8 %, none above 20 %.
    """
    comparisons = []
    if records is not None or (scenarios and all(name.endswith(".parquet") for name in scenarios)):
        for group in _by_scenario([*(records or []), *(scenarios or [])]):
            comparisons.append(_compare(group[0].scenario, replications, partial(list, group)))
    else:
        names = sorted(glob.glob(str(ROOT / "scenarios" / "*.toml"))) if all_ else list(scenarios or [])
        if not names:
            raise ScenarioError("compare: give scenario files, --records files, or --all.")
        specs = [Scenario.load(name, overrides) for name in names]
        if all_:  # what is for predictions only has nothing to be compared with
            specs = [spec for spec in specs if spec.host.placement != "separate"]
        import live.world

        for spec in specs:
            live.world.check(spec, redis_url)
        for spec in specs:
            _profile(spec)
        for spec in specs:
            _trace(spec)
            comparisons.append(_compare(spec, replications, partial(_measure, spec, runs, redis_url, save)))
            if len(specs) > 1:
                one = comparisons[-1]
                err.print(f"{spec.name}: {one.verdict}, {one.coverage:.0%} inside, error {one.median_error:.1%}")
    raise typer.Exit(_judge(comparisons, as_json))


def _by_scenario(paths: list[str]) -> list[list[Record]]:
    groups: dict[str, list[Record]] = {}
    for path in paths:
        record = Record.load(path)
        groups.setdefault(record.scenario.to_toml(), []).append(record)
    return list(groups.values())


def _judge(comparisons: list[Any], as_json: bool) -> int:
    from twin.comparison import fleet

    if len(comparisons) == 1:
        one = comparisons[0]
        if as_json:
            _say_json(one.as_dict())
        else:
            print_comparison(out, one)
        return 0 if one.verdict == "pass" else 1
    total = fleet(comparisons)
    if as_json:
        _say_json({"total": total, "scenarios": [one.as_dict() for one in comparisons]})
    else:
        print_fleet(out, comparisons, total)
    return 0 if total["verdict"] == "pass" else 1


@app.command()
def calibrate(
    as_json: AsJson = False,
    output: Annotated[Path, typer.Option(help="File to write the profile to.")] = CALIBRATED,
) -> None:
    """Measure what the parts cost on this machine and write its host profile. Takes some minutes.

    The repeats of earlier calibrations of the same machine are kept, up to a bound: their spread widens the bands.
    """
    profile = _calibrate()
    profile.save(output)
    if as_json:
        _say_json(profile.model_dump())
    else:
        print_profile(out, profile)
        out.print(f"Profile: {os.path.relpath(output)}")


@app.command()
def figures(
    records: Annotated[list[str] | None, typer.Option(help="Records to draw; those in records/ by default.")] = None,
    replications: Replications = 200,
    folder: Annotated[Path, typer.Option(help="Where to write the pictures.")] = ROOT / "figures",
    as_json: AsJson = False,
) -> None:
    """Draw the bands of recorded runs, and client by client the reconnects; of a broadcast lag and acknowledgements."""
    from twin.broadcast_figures import pictures
    from twin.figures import save

    paths = records or sorted(glob.glob(str(BUNDLED / "*.parquet")))
    if not paths:
        raise ScenarioError("figures: there are no records; give --records or run ./lab measure --save records.")
    made = []
    for group in _by_scenario(paths):
        comparison = _compare(group[0].scenario, replications, partial(list, group))
        name = comparison.scenario.name
        made += [save(figure, folder / f"{name}{end}.png") for end, figure in pictures(comparison).items()]
    if as_json:
        _say_json({"figures": [str(path) for path in made]})
    else:
        for path in made:
            out.print(os.path.relpath(path))


@app.command()
def audit(
    records: Annotated[list[str], typer.Argument(help="Records (Parquet) of either world.")],
    within: Annotated[
        float | None,
        typer.Option(help="Seconds after the last fault for all to be well; by default from the scenario."),
    ] = None,
    as_json: AsJson = False,
) -> None:
    """Check the invariants on records, and print each violation with the events that show it.

    Exit status 1 when one is broken, or when a scheduled fault had no witnessed effect: then the verdict is unknown.
    """
    from twin.invariants import audit as examine

    audits = [examine(Record.load(path), within) for path in records]
    if as_json:
        _say_json({"records": [{"record": path, **one.as_dict()} for path, one in zip(records, audits, strict=True)]})
    else:
        for path, one in zip(records, audits, strict=True):
            print_audit(out, path, one)
    raise typer.Exit(0 if all(one.verdict == "pass" for one in audits) else 1)


app.command()(campaign)
app.command()(sweep)
app.command()(zoo)
app.command()(nginx)
app.command()(haproxy)
app.command()(serve)


@app.command()
def schema(as_json: Annotated[bool, typer.Option("--json", help="JSON schema (the default).")] = True) -> None:
    """Print the JSON schema of scenario files: every setting with its unit, meaning, default and limits."""
    sys.stdout.write(json.dumps(Scenario.model_json_schema(), indent=2) + "\n")


PASS_ON = {"allow_extra_args": True, "ignore_unknown_options": True}


@app.command(context_settings=PASS_ON)
def test(context: typer.Context) -> None:
    """Run lint, types, architecture rules and the whole test suite; arguments go to pytest, which then runs alone."""
    python, bin_ = sys.executable, Path(sys.executable).parent
    tests = [python, "-m", "pytest", *context.args]
    if context.args:
        _run_all([tests])
        return
    lint = [[str(bin_ / "ruff"), "check", "."], [str(bin_ / "ruff"), "format", "--check", "."]]
    workers = 2 * min(4, os.cpu_count() or 1)  # two a core: a live test waits most of its time
    _run_all(
        [*lint, [str(bin_ / "mypy")], [str(bin_ / "lint-imports")], [*tests, "-n", str(workers), "--dist=loadgroup"]]
    )


@app.command(context_settings=PASS_ON)
def notebook(context: typer.Context) -> None:
    """Open JupyterLab on notebooks/; arguments go to JupyterLab."""
    _run_all([[sys.executable, "-m", "jupyter", "lab", "notebooks", *context.args]])


def _run_all(steps: list[list[str]]) -> None:
    import subprocess

    for step in steps:
        err.print(f"$ {shlex.join([os.path.basename(step[0]), *step[1:]])}", highlight=False)
        status = subprocess.run(step, cwd=ROOT, check=False).returncode
        if status:
            raise typer.Exit(1)


def main() -> None:
    """Run a command; an error of the user's becomes one sentence and exit status 2."""
    import warnings

    warnings.showwarning = lambda message, *rest, **more: err.print(
        f"Warning: {message}", highlight=False, soft_wrap=True
    )
    try:
        app(prog_name="./lab")
    except LabError as error:
        err.print(str(error), style="red", highlight=False, markup=False, soft_wrap=True)
        raise SystemExit(2) from None
    except KeyboardInterrupt:
        err.print("Interrupted; everything that was started has been stopped.")
        raise SystemExit(130) from None


if __name__ == "__main__":
    main()
