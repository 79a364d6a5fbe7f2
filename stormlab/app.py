"""The commands of ./lab. With `stormlab.steps` and `stormlab.commands` it is all that knows both worlds."""

import glob
import json
import os
import sys
from collections.abc import Callable
from contextlib import suppress
from errno import EDQUOT, ENOSPC
from functools import partial
from io import TextIOWrapper
from pathlib import Path
from typing import Annotated, NoReturn

import typer

from stormlab.command_line import finite, usage_error
from stormlab.commands.buses import buses
from stormlab.commands.campaign import campaign
from stormlab.commands.clean import clean
from stormlab.commands.compare import for_live, measured_and_compared
from stormlab.commands.config import CONFIGURING
from stormlab.commands.course import course, grade
from stormlab.commands.doctor import doctor
from stormlab.commands.glossary import glossary
from stormlab.commands.importing import import_
from stormlab.commands.lint import lint
from stormlab.commands.memory import memory
from stormlab.commands.migrate import migrate
from stormlab.commands.runtimes import runtimes
from stormlab.commands.serve import serve
from stormlab.commands.suite import mutants, run, test
from stormlab.commands.sweep import sweep
from stormlab.commands.validate import validate
from stormlab.commands.zoo import zoo
from stormlab.steps import (
    by_scenario,
    calibrate_machine,
    comparison_of,
    err,
    examined,
    judge,
    look_at_cores,
    out,
    prediction_of,
    profile_of,
    runs_of,
    say_json,
    server_of,
)
from twin.costs.profile import CALIBRATED
from twin.errors import LabError, ScenarioError, ScenarioWarning, check_output
from twin.files.places import OUTPUT, RECORDS, SCENARIOS
from twin.missing import Missing
from twin.scenario.scenario import Scenario

FLAGSHIP = "failover.toml"

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
    "\n\nExit status: 0 fine, 1 a comparison or a validation failed or is unknown, 2 bad input, a machine that cannot "
    "run it, or something missing of what was asked.",
)
Path_ = Annotated[str, typer.Argument(help="Scenario file (TOML); scenarios/ holds those that ship.")]
Set = Annotated[
    list[str] | None, typer.Option("--set", metavar="FIELD=VALUE", help="Override a setting, as in clients.count=500.")
]
AsJson = Annotated[bool, typer.Option("--json", help="Print one JSON object instead of a table.")]
Runs = Annotated[int, typer.Option(help="Measured runs.", min=1, max=1000)]
Replications = Annotated[int, typer.Option(help="Simulated runs; 200 or more for a 95 % band.", min=1, max=100_000)]
Redis = Annotated[
    str | None,
    typer.Option(help="Use this Redis or Valkey instead of the embedded Valkey: redis://, rediss:// (TLS), unix://."),
]
RedisPassword = Annotated[
    Path | None, typer.Option(help="File whose first line is its password; or set STORMLAB_REDIS_PASSWORD.")
]
Save = Annotated[Path | None, typer.Option(help="Folder to write the records to, as Parquet.")]


@app.command()
def demo(
    runs: Runs = 4,
    replications: Replications = 200,
    scenario: Annotated[str, typer.Option(help="Scenario file.")] = str(SCENARIOS / FLAGSHIP),
    as_json: AsJson = False,
) -> None:
    """Predict and measure a failover, compare the two, and draw output/failover.png."""
    spec = Scenario.load(scenario)
    check_output("the figure", OUTPUT / f"{spec.name}.png")
    from stormlab.tables import learnt, print_comparison
    from twin.figures.style import save  # bad input is told before what takes a while to load

    known = CALIBRATED.exists()
    profile_of(spec)
    if known:  # a calibration has just looked
        look_at_cores(spec)
    missing, figure = Missing(LabError), OUTPUT / f"{spec.name}.png"
    # the SimPy model needs no compiling, which takes long on a fresh clone; of the runs given the mark-downs only the
    # median is shown, so few will do
    comparison = comparison_of(spec, replications, lambda: runs_of(spec, runs, None, None, missing), "simpy", given=20)
    if as_json:
        say_json(comparison.as_dict())
    else:
        print_comparison(out, comparison)
        out.print(learnt(comparison), highlight=False)
    with missing.noted("the figure"):
        save(comparison.plot(), figure)
        if not as_json:
            out.print(f"Figure: {os.path.relpath(figure)}")
    missing.end()
    raise typer.Exit(0 if comparison.verdict == "pass" else 1)


@app.command()
def predict(
    scenario: Path_,
    replications: Replications = 200,
    overrides: Set = None,
    engine: Annotated[str, typer.Option(help="auto, simpy (to read and change) or compiled (for scale).")] = "auto",
    as_json: AsJson = False,
) -> None:
    """Simulate a scenario many times and print each measure with its 95 % prediction interval.

    It measures nothing: on a machine without a profile of its own the reference machine's is used, and it says so.
    """
    from stormlab.tables import prediction_dict, print_prediction

    prediction = prediction_of(Scenario.load(scenario, overrides), replications, engine)
    if as_json:
        say_json(prediction_dict(prediction))
    else:
        print_prediction(out, prediction)


@app.command()
def measure(
    scenario: Path_,
    runs: Runs = 5,
    overrides: Set = None,
    redis_url: Redis = None,
    redis_password_file: RedisPassword = None,
    save: Save = None,
    as_json: AsJson = False,
) -> None:
    """Run a scenario with real processes on loopback and print each run's measures."""
    from stormlab.tables import print_measures, run_dict
    from twin.invariants import audit as examine

    spec = Scenario.load(scenario, overrides)
    check_output("--save", save, folder=True)
    missing = Missing(LabError, KeyboardInterrupt)
    records = runs_of(spec, runs, server_of(redis_url, redis_password_file), save, missing)
    if as_json:
        rows = [
            {
                **run_dict(record),
                "void": record.void,
                "void_before": record.void_before,
                "start_up": record.provenance.get("start_up"),
                "violations": [violation.as_dict() for violation in examine(record).violations],
            }
            for record in records
        ]
        say_json({"scenario": spec.name, "runs": rows, "missing": missing.said})
    else:
        print_measures(out, records)
    missing.end()


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
    redis_password_file: RedisPassword = None,
    save: Save = None,
    resume: Annotated[
        Path | None, typer.Option(help="Folder where each run is kept as it ends; the same command goes on from there.")
    ] = None,
    as_json: AsJson = False,
) -> None:
    """Predict and measure, and judge: which measures lie in the predicted band, and how far off the medians are.

    With several scenarios the last table has the totals: 90 % inside, a median error of at most 8 %, none above 20 %.
    With --resume what is complete in the folder is not measured again: same scenario, host profile and replication.
    """
    again = records is not None or bool(scenarios and all(name.endswith(".parquet") for name in scenarios))
    if resume is not None and (save is not None or again):
        raise ScenarioError("--resume keeps the records in its own folder; leave --save and --records out.")
    failed, missing = dict[str, str](), Missing(LabError)
    if again:
        groups = by_scenario([*(records or []), *(scenarios or [])])
        comparisons = [
            comparison_of(group[0].scenario, replications, partial(examined, group), here=False) for group in groups
        ]
    else:
        names = sorted(glob.glob(str(SCENARIOS / "*.toml"))) if all_ else list(scenarios or [])
        if not names:
            raise ScenarioError("compare: give scenario files, --records files, or --all.")
        specs = [Scenario.load(name, overrides) for name in names]
        check_output("--save", save, folder=True)
        check_output("--resume", resume, folder=True)
        server = server_of(redis_url, redis_password_file)
        if all_:  # what is for predictions only has nothing to be compared with
            specs = for_live(specs, server)
        comparisons = measured_and_compared(specs, runs, replications, server, save, failed, missing, resume)
    status = judge(comparisons, as_json, failed, missing.said)
    missing.end()
    raise typer.Exit(status)


@app.command()
def calibrate(
    as_json: AsJson = False,
    output: Annotated[Path, typer.Option(help="File to write the profile to.")] = CALIBRATED,
) -> None:
    """Measure what the parts cost on this machine and write its host profile. Takes some minutes.

    The repeats of earlier calibrations of the same machine are kept, up to a bound: their spread widens the bands.
    """
    from stormlab.tables import print_profile

    check_output("--output", output)
    missing = Missing(LabError)
    profile = missing.made("the profile", lambda: calibrate_machine(output=output))
    if as_json:
        say_json(profile.model_dump())
    else:
        print_profile(out, profile)
    missing.end()
    if not as_json:
        out.print(f"Profile: {os.path.relpath(output)}")


@app.command()
def figures(
    records: Annotated[list[str] | None, typer.Option(help="Records to draw; those in records/ by default.")] = None,
    replications: Replications = 200,
    folder: Annotated[Path, typer.Option(help="Where to write the pictures.")] = OUTPUT,
    as_json: AsJson = False,
) -> None:
    """Draw the bands of recorded runs, and client by client the reconnects; of a broadcast lag and acknowledgements."""
    paths = records or sorted(glob.glob(str(RECORDS / "*.parquet")))
    if not paths:
        raise ScenarioError("figures: there are no records; give --records or run ./lab measure --save records.")
    check_output("--folder", folder, folder=True)
    groups = by_scenario(paths)
    from twin.figures.broadcast import pictures  # bad input is told before what takes a while to load
    from twin.figures.style import save

    made, missing = list[Path](), Missing(LabError)
    for group in groups:
        comparison = comparison_of(group[0].scenario, replications, partial(list, group), here=False)
        for end, figure in pictures(comparison).items():
            path = folder / f"{comparison.scenario.name}{end}.png"
            with missing.noted("a figure"):
                made.append(save(figure, path))
    if as_json:
        say_json({"figures": [str(path) for path in made]} | ({"missing": missing.said} if missing.said else {}))
    else:
        for path in made:
            out.print(os.path.relpath(path))
    missing.end()


@app.command()
def audit(
    records: Annotated[list[str], typer.Argument(help="Records (Parquet) of either world.")],
    within: Annotated[
        float | None,
        typer.Option(
            help="Seconds after the last fault for all to be well; by default from the scenario.",
            min=0,
            max=86_400,
            callback=finite,
        ),
    ] = None,
    as_json: AsJson = False,
) -> None:
    """Check the invariants on records, and print each violation with the events that show it.

    Exit status 1 when one is broken, or when a scheduled fault had no witnessed effect: then the verdict is unknown.
    """
    from stormlab.tables import print_audit
    from twin.invariants import audit as examine
    from twin.record.record import Record

    audits = [examine(Record.load(path), within) for path in records]
    if as_json:
        say_json({"records": [{"record": path, **one.as_dict()} for path, one in zip(records, audits, strict=True)]})
    else:
        for path, one in zip(records, audits, strict=True):
            print_audit(out, path, one)
    raise typer.Exit(0 if all(one.verdict == "pass" for one in audits) else 1)


COMMANDS: tuple[Callable[..., None], ...] = (
    campaign, sweep, zoo, memory, runtimes, buses, *CONFIGURING, serve, clean, course, grade, glossary, lint, doctor,
    migrate, validate,
)  # fmt: skip
for command in COMMANDS:
    app.command()(command)
app.command("import")(import_)
PASS_ON = {"allow_extra_args": True, "ignore_unknown_options": True}
app.command(context_settings=PASS_ON)(test)
app.command(context_settings=PASS_ON, add_help_option=False)(mutants)


@app.command()
def schema() -> None:
    """Print the JSON schema of scenario files: every setting with its unit, meaning, default and limits."""
    sys.stdout.write(json.dumps(Scenario.model_json_schema(), indent=2) + "\n")


@app.command(context_settings=PASS_ON)
def notebook(context: typer.Context) -> None:
    """Open JupyterLab on notebooks/, on loopback; arguments go to JupyterLab."""
    root = os.geteuid() == 0
    if root and "--allow-root" not in context.args:
        err.print("You are root, as in a container: JupyterLab is started with --allow-root.", soft_wrap=True)
    raise typer.Exit(int(run([sys.executable, "-m", "jupyter", *jupyter_words(context.args, root)]) != 0))


def jupyter_words(words: list[str], root: bool) -> list[str]:
    """Return the arguments of JupyterLab, the user's own ones last; `root` is whether it would refuse to start."""
    return ["lab", "notebooks", "--ip=127.0.0.1", *(["--allow-root"] if root else []), *words]


INTERRUPTED = 130
"""Exit status after Ctrl-C, as shells have it."""


def main() -> None:
    """Run a command; an error of the user's becomes one sentence and exit status 2."""
    import warnings

    def refuse(sentence: str) -> NoReturn:
        err.print(sentence, style="red", highlight=False, markup=False, soft_wrap=True)
        raise SystemExit(2) from None

    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, TextIOWrapper):  # a file's name may not be text
            stream.reconfigure(errors="backslashreplace")
    told = set[str]()

    def show(message: Warning | str, category: type[Warning], *_: object, **__: object) -> None:
        """Print a warning; what a comparison would say of its prediction and of its runs is said once."""
        text = f"Warning: {message}"
        if text not in told or not issubclass(category, ScenarioWarning):
            err.print(text, highlight=False, soft_wrap=True, markup=False)
        told.add(text)

    warnings.showwarning = show
    try:
        status = app(prog_name="./lab", standalone_mode=False)
        with suppress(BrokenPipeError):
            sys.stdout.flush()
    except LabError as error:
        refuse(str(error))
    except typer.TyperException as error:
        if len(sys.argv) == 1:  # the help has been shown
            raise SystemExit(2) from None
        refuse(usage_error(error))
    except OSError as error:
        if error.errno not in (ENOSPC, EDQUOT):
            raise
        os.dup2(os.open(os.devnull, os.O_WRONLY), 1)  # what is buffered is lost: Python would fail over it at its end
        where = f"{error.filename}: cannot be written" if error.filename else "Something could not be written"
        refuse(f"{where} ({error.strerror}).")
    except KeyboardInterrupt:
        status = INTERRUPTED
    if status == INTERRUPTED:
        err.print("Interrupted; everything that was started has been stopped.")
    raise SystemExit(status or 0)


if __name__ == "__main__":
    main()
