"""A sweep: a scenario with some settings varied, every combination simulated with the same random numbers.

This module knows what is to be simulated, where results are kept and what they say; it knows no world. `sim.sweep` does
the work.
"""

import hashlib
import json
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import product
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq

from twin.analysis.bands import Band
from twin.analysis.pictures import draw
from twin.errors import ScenarioError
from twin.files import parquet, reading
from twin.files.writing import replacing
from twin.measures import MEASURES, NOT_WITHIN
from twin.scenario.fields import cut
from twin.scenario.overrides import merge, nested, toml_value, usable
from twin.scenario.presets import spelled_out
from twin.scenario.renamed import with_new_names
from twin.scenario.scenario import Scenario

if TYPE_CHECKING:
    from matplotlib.figure import Figure

MOST_VARIANTS = 10_000
MOST_REPLICATIONS = 100_000
BAND = ("median", "low", "high", "bound", "not_reached", "runs")
"""Columns of `Sweep.bands`; see `twin.analysis.bands.Band`."""
PART = 5
"""Replications of one part of the work, and of one file: a killed sweep loses at most so many for each process."""

_RANGE = re.compile(r"(-?[0-9]{1,18}):(-?[0-9]{1,18})(?::([0-9]{1,18}))?")


def parse_vary(text: str) -> tuple[str, list[Any]]:
    """Return the setting and the values of `PATH=VALUES`.

    VALUES are `5,10,30`, or the whole numbers `3:10` (both ends, `3:10:2` is every second), or a TOML list.

    Raises:
        ScenarioError: it is not of that form, or holds a value twice.
    """
    path, sep, rest = (part.strip() for part in text.partition("="))
    if not sep or not usable(path) or not rest or len(rest.splitlines()) > 1:
        raise ScenarioError(
            f"--vary {cut(text)}: give a path, '=' and values, as in clients.reconnect.cap=5,10,30 or nodes.count=3:10."
        )
    whole = _RANGE.fullmatch(rest)
    if whole:
        first, last, step = int(whole[1]), int(whole[2]), int(whole[3] or 1)
        if last < first or step == 0 or (last - first) // step >= MOST_VARIANTS:
            raise ScenarioError(f"--vary {cut(text)}: a range goes from low to high in at most {MOST_VARIANTS} steps.")
        return path, list(range(first, last + 1, step))
    where = f"--vary {cut(text)}"
    listed = toml_value(rest, where) if rest.startswith("[") else None
    values = listed if isinstance(listed, list) else [toml_value(part.strip(), where) for part in rest.split(",")]
    return path, values


def label(value: Any) -> Any:
    """Return a value as a table shows it: numbers and texts as they are, anything else as JSON."""
    return (
        value
        if isinstance(value, int | float | str) and not isinstance(value, bool)
        else json.dumps(value, default=str)
    )


@dataclass(frozen=True)
class Variant:
    """One combination of values: `labels` for the table, and the scenario it makes."""

    labels: dict[str, Any]
    scenario: Scenario


def variants(scenario: Scenario, vary: Mapping[str, Sequence[Any]]) -> list[Variant]:
    """Return every combination of the values, the last setting changing fastest; all are checked before any is run.

    Args:
        scenario: what is varied.
        vary: for each setting (`clients.reconnect.cap`) its values; a later setting is laid over an earlier one.

    Raises:
        ScenarioError: nothing or too much is varied, a value is there twice, or a combination is not allowed.
    """
    count = 1
    for path, values in vary.items():
        if not values:
            raise ScenarioError(f"sweep: {path} has no values; give at least one.")
        shown = [json.dumps(label(value)) for value in values]
        if len(set(shown)) < len(shown):
            twice = next(one for one in shown if shown.count(one) > 1)
            raise ScenarioError(f"sweep: {path} has the value {twice} twice; give each once.")
        count *= len(values)
    if not vary or count > MOST_VARIANTS:
        raise ScenarioError(f"sweep: {len(vary) and count} variants; allowed is 1 to {MOST_VARIANTS}, by --vary.")
    found = []
    for values in product(*vary.values()):
        data = scenario.model_dump()
        changes = dict(zip(vary, values, strict=True))
        for path, value in changes.items():
            data = merge(spelled_out(data), with_new_names(nested(path, value), "sweep"))
        labels = {path: label(value) for path, value in changes.items()}
        where = "sweep, " + ", ".join(f"{path}={value}" for path, value in labels.items())
        found.append(Variant(labels, Scenario.parse(data, where)))
    return found


def check_replications(replications: int) -> int:
    """Return the number of replications.

    Raises:
        ScenarioError: it is not from 1 to `MOST_REPLICATIONS`.
    """
    if not 1 <= replications <= MOST_REPLICATIONS:
        raise ScenarioError(f"replications is {replications}; allowed is 1 to {MOST_REPLICATIONS}.")
    return replications


def parts_of(replications: int) -> Iterator[tuple[int, int]]:
    """Yield (first, count) of the parts into which the replications of a variant are cut."""
    for first in range(0, replications, PART):
        yield first, min(PART, replications - first)


def key(*things: str) -> str:
    """Return a short name for everything a result depends on: the same for the same things, whatever the sweep."""
    return hashlib.sha256("\0".join(things).encode()).hexdigest()[:20]


class Store:
    """A folder with one Parquet file for each finished part; a file is there entirely or not at all.

    A file's name says what its numbers depend on, so parts of different sweeps, or of a scenario that was changed, lie
    beside each other and never get mixed up.
    """

    def __init__(self, folder: str | Path) -> None:
        self.folder = Path(folder)

    def path(self, name: str, first: int, count: int) -> Path:
        """Return the file of a part."""
        return self.folder / "parts" / f"{name}-{first:06d}-{count}.parquet"

    def has(self, name: str, first: int, count: int) -> bool:
        """Tell whether a part is finished."""
        return self.path(name, first, count).exists()

    def load(self, name: str, first: int, count: int) -> pd.DataFrame:
        """Return a finished part: one row a replication.

        Raises:
            ScenarioError: the file is not what it should be.
        """
        path = self.path(name, first, count)
        try:
            table: pd.DataFrame = parquet.read(path, reading.PART).table.to_pandas()
        except (ScenarioError, ValueError):
            raise ScenarioError(f"{path}: is not a part of a sweep; remove it, and it is made again.") from None
        if len(table) != count:
            raise ScenarioError(f"{path}: has {len(table)} rows and not {count}; remove it, and it is made again.")
        return table

    def save(self, name: str, first: int, table: pd.DataFrame) -> None:
        """Write a finished part: one row a replication.

        Raises:
            ScenarioError: the folder cannot be written to.
        """
        write(table, self.path(name, first, len(table)))


def write(table: pd.DataFrame, path: Path) -> None:
    """Write a table as Parquet, all of it or nothing.

    Raises:
        ScenarioError: the folder cannot be written to.
    """
    with replacing(path) as file:
        pq.write_table(pa.Table.from_pandas(table, preserve_index=False), file, compression="zstd")


@dataclass(frozen=True)
class Sweep:
    """The results of a sweep.

    Attributes:
        scenario: what was varied.
        vary: for each setting its values, as the table shows them.
        table: tidy, one row for each variant and replication: a column for each varied setting, `replication`, and a
            column for each measure (NaN where a run does not define it, infinite where it was not reached within the
            run), and where that happens a column `time_to_99.not_within` with the bound in seconds.
        reused: parts that were found finished.
        made: parts that were simulated.
    """

    scenario: Scenario
    vary: dict[str, list[Any]]
    table: pd.DataFrame
    reused: int = 0
    made: int = 0

    @property
    def measures(self) -> list[str]:
        """The measures in the table."""
        return [name for name in MEASURES if name in self.table.columns]

    def bands(self, measure: str) -> pd.DataFrame:
        """Return one row a variant: its values, the median of a measure, and the interval that holds 95 % of the runs
        (their range, if there are too few). What was not reached within `bound` seconds is infinite; `not_reached` of
        the `runs` did not.

        Raises:
            ScenarioError: there is no such measure in the results.
        """
        self.check(measure)
        rows = []
        for values, group in self.table.groupby(list(self.vary), sort=False):
            band = Band.of_column(group, measure)
            rows.append((*values, *(getattr(band, name) for name in BAND)))
        return pd.DataFrame(rows, columns=[*self.vary, *BAND])

    def check(self, measure: str) -> None:
        """Make sure that there is such a measure.

        Raises:
            ScenarioError: there is not.
        """
        if measure not in self.measures:
            raise ScenarioError(f"measure is '{measure}'; allowed is one of {', '.join(self.measures)}.")

    def plot(
        self,
        measure: str,
        against: str | None = None,
        where: Mapping[str, Any] | None = None,
        target: float | None = None,
    ) -> "Figure":
        """Draw a measure against a varied setting, with its 95 % band; the other settings make one line each.

        Args:
            measure: what is drawn.
            against: the setting on the horizontal axis, the first varied one by default.
            where: values of other settings to which the picture is restricted.
            target: draws a line there.

        Raises:
            ScenarioError: no such measure, setting or value, or more lines than can be told apart.
        """
        return draw("sweep", self, measure, against, where or {}, target)

    def as_dict(self) -> dict[str, Any]:
        """Return the bands of all measures as one JSON object."""
        columns = list(self.vary)
        found = [dict(zip(columns, values, strict=True)) for values in product(*self.vary.values())]
        bands = {name: self.bands(name) for name in self.measures}
        return {
            "scenario": self.scenario.name,
            "replications": len(self.table) // len(found),
            "parts": {"reused": self.reused, "made": self.made},
            "variants": [
                {
                    "values": one,
                    "measures": {
                        name: {"unit": MEASURES[name].unit, **band_of(band.iloc[i]).as_dict()}
                        for name, band in bands.items()
                    },
                }
                for i, one in enumerate(found)
            ],
        }


def band_of(row: "pd.Series[Any]") -> Band:
    """Return the band in a row of `Sweep.bands`."""
    median, low, high, bound = (float(row[name]) for name in ("median", "low", "high", "bound"))
    return Band(median, low, high, bound, int(row["not_reached"]), int(row["runs"]))


def assemble(
    scenario: Scenario,
    vary: Mapping[str, Sequence[Any]],
    found: Sequence[tuple[Variant, list[pd.DataFrame]]],
    **counts: int,
) -> Sweep:
    """Put the parts of all variants into one table, in an order that does not depend on who was finished first."""
    blocks = []
    for variant, parts in found:
        block = pd.concat(parts, ignore_index=True)
        for i, (path, value) in enumerate(variant.labels.items()):
            block.insert(i, path, value)
        blocks.append(block)
    table = pd.concat(blocks, ignore_index=True)
    measures = [name for name in MEASURES if name in table.columns]
    shown = {path: [label(value) for value in values] for path, values in vary.items()}
    for path, values in shown.items():
        if any(isinstance(value, str) for value in values):
            table[path] = table[path].map(str).astype(object)
            shown[path] = [str(value) for value in values]
    bounds = [name + NOT_WITHIN for name in measures if name + NOT_WITHIN in table.columns]
    return Sweep(scenario, shown, table[[*vary, "replication", *measures, *bounds]], **counts)
