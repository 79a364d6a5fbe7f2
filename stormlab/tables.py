"""Tables for the terminal."""

from collections.abc import Collection, Sequence
from typing import Any

import numpy as np
from rich.box import SIMPLE_HEAD
from rich.console import Console
from rich.table import Table

from twin.advice import findings
from twin.analysis.bands import Band, interval_name, number, quantiles, words
from twin.analysis.comparison import Comparison, Predicted, finite, in_words, times
from twin.costs.broadcast import PAYLOAD_PARTS
from twin.costs.codec import CODEC_PARTS, DEFLATE_PARTS, OF_CODECS
from twin.costs.parts import OPTIONAL_PARTS, PARTS
from twin.costs.profile import HostProfile
from twin.figures.comparison import table_rows
from twin.invariants import Audit
from twin.measures import MEASURES, NOT_WITHIN, measure_with_bounds, split
from twin.record.record import Record
from twin.scenario.balancer.kinds import DEFAULT
from twin.scenario.scenario import Scenario


def percent(value: float | None) -> str:
    """Return a share as a percentage with one decimal, or a dash."""
    return "-" if value is None or value != value else f"{100 * value:.1f} %"


LONGEST_LINE = 12
"""Characters of a column's name that stand in one line."""


def broken(name: str) -> str:
    """Return a measure's name in lines of at most `LONGEST_LINE` characters, broken behind underscores where it can."""
    lines = [""]
    for part in name.replace("_", "_ ").split():
        if lines[-1] and len(lines[-1]) + len(part) > LONGEST_LINE:
            lines.append("")
        lines[-1] += part
    return "\n".join(lines)


def print_comparison(console: Console, comparison: Comparison) -> None:
    """Print one scenario's comparison and its verdict; the table fits 80 columns, where a long unit has its own line.

    `given` is the error of the prediction given the observed mark-downs.
    """
    title = f"{comparison.scenario.name}: predicted, and measured in {in_words(comparison.records)}; medians"
    table = Table(title=title, title_justify="left", box=SIMPLE_HEAD, padding=0)
    table.add_column("measure", min_width=max(map(len, MEASURES)))
    interval = interval_name(len(comparison.prediction.measures))
    for name in ("predicted", interval, "measured", "inside", "error", "given"):
        table.add_column(name, justify="right", no_wrap=True)
    for row in table_rows(comparison):
        unit = "" if row["unit"] == "1" else f" ({row['unit']})"
        table.add_row(
            row["measure"] + unit,
            number(row["predicted"], row["bound"]),
            f"{number(row['low'], row['bound'])}..{number(row['high'], row['bound'])}",
            number(row["measured"], row["measured_bound"]),
            row["inside"],
            percent(row["error"]),
            percent(row["given"]),
        )
    console.print(table)
    for one in comparison.rows:
        _say_not_reached(
            console,
            one.name,
            (one.predicted.bound, one.predicted.not_reached, one.predicted.runs, "replications"),
            (one.bound, one.not_reached, len(one.measured), "measured runs"),
        )
    text = f"Verdict: {comparison.verdict}; {percent(comparison.coverage)} inside, median error "
    console.print(text + percent(comparison.median_error) + ".", highlight=False)
    for reason in [*comparison.broken, *comparison.reasons]:
        console.print(f"  {reason}", highlight=False, markup=False, soft_wrap=True)
    print_void(console, comparison.records)
    print_notes(console, comparison.scenario)


def print_void(console: Console, records: Sequence[Record]) -> None:
    """Say which runs do not count, and why."""
    for i, record in enumerate(records, 1):
        if record.void:
            console.print(f"Run {i} does not count: {record.void}.", highlight=False, markup=False, soft_wrap=True)


def _say_not_reached(console: Console, name: str, *found: tuple[float, int, int, str]) -> None:
    """Say what was not reached: for each kind of run the bound, how many did not, of how many, and what these are."""
    parts = [
        f"{words(float('inf'), bound)} in {missed} of {runs} {what}" for bound, missed, runs, what in found if missed
    ]
    if parts:
        console.print(f"  {name}: {', '.join(parts)}", highlight=False, markup=False, soft_wrap=True)


def print_fleet(console: Console, comparisons: Sequence[Comparison], total: dict[str, Any]) -> None:
    """Print one line a scenario and the totals."""
    table = Table(title="predicted against measured", title_justify="left")
    table.add_column("scenario")
    for name in ("verdict", "inside", "median error", "given: inside", "given: error"):
        table.add_column(name, justify="right")
    for one in comparisons:
        given = one.as_dict()["given_mark_down"]
        table.add_row(
            one.scenario.name,
            one.verdict,
            percent(one.coverage),
            percent(one.median_error),
            percent(given["coverage"]),
            percent(given["median_error"]),
        )
    given = total["given_mark_down"]
    table.add_section()
    table.add_row(
        "all",
        total["verdict"],
        percent(total["coverage"]),
        percent(total["median_error"]),
        percent(given["coverage"]),
        percent(given["median_error"]),
    )
    console.print(table)
    widths = f"{percent(total['half_width'])}, given the mark-downs {percent(given['half_width'])}"
    console.print(f"Median half-width of the timer-driven bands: {widths}.", highlight=False)
    for one in comparisons:
        for reason in one.broken:
            console.print(f"  {one.scenario.name}, {reason}", highlight=False, markup=False, soft_wrap=True)
    worst = f"{percent(total['worst_scenario_error'])} ({total['worst_scenario']})" if total["worst_scenario"] else "-"
    text = f"{total['scenarios']} scenarios: {percent(total['coverage'])} inside, median error "
    console.print(f"{text}{percent(total['median_error'])}, worst {worst}.", highlight=False, soft_wrap=True)


def bands_of(prediction: Predicted) -> dict[str, Band]:
    """Return the band of each measure of a prediction."""
    return {str(name): Band.predicted(prediction, str(name)) for name in prediction.measures}


def prediction_dict(prediction: Predicted) -> dict[str, Any]:
    """Return a prediction as one JSON object; null is a time that was not reached within its `bound`."""
    runs = len(prediction.measures)
    return {
        "scenario": prediction.scenario.name,
        "replications": runs,
        "interval": interval_name(runs),
        "engine": prediction.engine,
        "findings": [one.as_dict() for one in findings(prediction.scenario)],
        "measures": {
            name: {"unit": MEASURES[name].unit, **band.as_dict()} for name, band in bands_of(prediction).items()
        },
    }


def print_prediction(console: Console, prediction: Predicted) -> None:
    """Print each measure's median and band, and what was not reached within the run."""
    runs = len(prediction.measures)
    title = f"{prediction.scenario.name}: predicted ({runs} replication{'s' * (runs != 1)})"
    table = Table(title=title, title_justify="left")
    for name in ("measure", "unit"):
        table.add_column(name)
    for name in ("median", interval_name(runs)):
        table.add_column(name, justify="right")
    bands = bands_of(prediction)
    for name, band in bands.items():
        if not (MEASURES[name].rare and _says_nothing([band.low, band.high])):
            interval = f"{number(band.low, band.bound)}..{number(band.high, band.bound)}"
            table.add_row(name, MEASURES[name].unit, words(band.median, band.bound), interval)
    console.print(table)
    for name, band in bands.items():
        if not MEASURES[name].rare:
            _say_not_reached(console, name, (band.bound, band.not_reached, band.runs, "replications"))
    print_notes(console, prediction.scenario)


def print_notes(console: Console, scenario: Scenario) -> None:
    """Say how many settings of a scenario are known to bite beside those that a warning has told of."""
    notes = sum(one.level == "note" for one in findings(scenario))
    if notes:
        text = f"./lab lint has {notes} note{'s' * (notes != 1)} on settings of {scenario.name}."
        console.print(text, highlight=False, markup=False, soft_wrap=True)


def _says_nothing(values: Sequence[float]) -> bool:
    """Tell whether nothing of a rare kind happened."""
    return all(value in (0.0, float("inf")) for value in values)


def run_dict(record: Record) -> dict[str, Any]:
    """Return a run's measures as one JSON object; null is a time that was not reached within the bound in `censored`,
    in seconds.
    """
    values, bounds = split(measure_with_bounds(record))
    return {**finite(values), "censored": bounds}


def print_measures(console: Console, records: Sequence[Record]) -> None:
    """Print each run's measures; one that is void does not enter the median."""
    found = [measure_with_bounds(record) for record in records]
    counted = [one for one, record in zip(found, records, strict=True) if record.counts]
    table = Table(title=f"{records[0].scenario.name}: measured", title_justify="left")
    for name in ("measure", "unit"):
        table.add_column(name)
    for i in range(len(records)):
        table.add_column(f"run {i + 1}" + ("" if records[i].counts else " (void)"), justify="right")
    table.add_column("median", justify="right")
    missed = []
    for name, measure in MEASURES.items():
        values = [one[name] for one in found if name in one]
        if not values or (measure.rare and _says_nothing(values)):
            continue
        values = [one[name] for one in counted if name in one]
        bounds = [one[name + NOT_WITHIN] for one in counted if name + NOT_WITHIN in one]
        bound = min(bounds, default=float("nan"))
        cells = [number(one.get(name), one.get(name + NOT_WITHIN, float("nan"))) for one in found]
        median = number(quantiles(np.array(values), [0.5])[0], bound) if values else "-"
        table.add_row(name, measure.unit, *cells, median)
        missed.append((name, (bound, len(bounds), len(values), "runs")))
    console.print(table)
    for name, row in missed:
        _say_not_reached(console, name, row)
    print_void(console, records)


def print_profile(console: Console, profile: HostProfile) -> None:
    """Print the median cost of each part in microseconds."""
    _print_parts(console, profile, "CPU time an item (us, median), by number of items at once", PAYLOAD_PARTS, False)
    title = "CPU time that a message costs more (us, median), by bytes of its payload"
    _print_parts(console, profile, title, PAYLOAD_PARTS, True)
    for title, these in (
        ("CPU time of codecs (us, median), by bytes of a message's text", CODEC_PARTS),
        ("CPU time of compression (us, median), by connections in turn or bytes of a frame", DEFLATE_PARTS),
    ):
        shown = {
            f"{kind} {what}": dict(zip(part.levels, part.values, strict=True))
            for room in ("codec", "deflate")
            for kind, parts in profile.parts.get(room, {}).items()
            for name, what in these.items()
            if (part := parts.get(name)) is not None
        }
        _print_costs(console, title, shown)


def _print_parts(console: Console, profile: HostProfile, title: str, names: Collection[str], these: bool) -> None:
    """Print a table of those parts that are among `names` (`these`), or of all others but those of codecs."""
    every = PARTS | OPTIONAL_PARTS
    shown = {
        (every[name] if kind == DEFAULT else f"{kind} {every[name]}"): dict(zip(part.levels, part.values, strict=True))
        for kind in dict.fromkeys([DEFAULT, *profile.balancers])
        for name, part in (profile.by_name() if kind == DEFAULT else profile.of("balancer", kind)).items()
        if (name in names) == these and name not in OF_CODECS
    }
    _print_costs(console, title, shown)


def _print_costs(console: Console, title: str, shown: dict[str, dict[int, list[float]]]) -> None:
    """Print a table of costs, one row each, with a column for each level; nothing if there are none."""
    levels = sorted({level for cost in shown.values() for level in cost})
    if not levels:
        return
    table = Table(title=title, title_justify="left")
    table.add_column("part")
    for level in levels:
        table.add_column("alone" if level == 1 else str(level), justify="right")
    for what, cost in shown.items():
        cells = [number(1e6 * float(np.median(cost[level]))) if level in cost else "-" for level in levels]
        table.add_row(what, *cells)
    console.print(table)


def learnt(comparison: Comparison) -> str:
    """Return in one sentence what a comparison showed, with its own numbers."""
    rows = {row.name: row for row in comparison.rows}
    if "reconnect_p50" not in rows:
        return "Learnt: no client was affected, so there was nothing to learn about reconnecting."
    row = rows["reconnect_p50"]
    back = f"not back within {row.bound:g} s" if np.isinf(row.median) else f"back after {number(row.median)} s"
    inside = f"the prediction's band held {percent(comparison.coverage)} of all measured values"
    if "mark_down_delay" in rows and "notice_p50" in rows:
        notice, down = rows["notice_p50"], rows["mark_down_delay"]
        if np.isfinite(notice.median) and np.isfinite(down.median):
            return (
                f"Learnt: clients noticed the fault after {notice.median * 1000:.0f} ms, the balancer only after "
                f"{down.median:.1f} s; half of the clients were {back}; {inside}."
            )
    return f"Learnt: half of the affected clients were {back}; {inside}."


def print_audit(console: Console, path: str, audit: Audit) -> None:
    """Print what the invariants say about one record: a line, and each violation with its witness."""
    checked = sum(not finding.skipped for finding in audit.findings.values())
    console.print(f"{path}: {audit.verdict}; {checked} invariants checked", highlight=False, soft_wrap=True)
    for reason in audit.reasons:
        console.print(f"  {reason}", highlight=False)
    for name, finding in audit.findings.items():
        if finding.skipped:
            console.print(f"  {name}: not checked, {finding.skipped}", highlight=False, style="dim", soft_wrap=True)
    print_violations(console, audit)


def print_violations(console: Console, audit: Audit) -> None:
    """Print each broken invariant, and the violations of it with their witness."""
    for name, finding in audit.findings.items():
        if finding.count:
            console.print(f"  {name}: broken {times(finding.count)}", highlight=False, style="red")
        for violation in finding.violations:
            console.print(f"    {violation.text}", highlight=False, markup=False, soft_wrap=True)
            for event in violation.witness:
                words = [f"{key} {value}" for key, value in event.items() if key not in ("t", "event")]
                line = f"      {event['t']:.6f} {event['event']}: {', '.join(words)}"
                console.print(line, highlight=False, markup=False, soft_wrap=True)
