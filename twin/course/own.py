"""A reader's own numbers beside the prediction and the measured runs, where a lab has several scenarios."""

from collections.abc import Mapping, Sequence

import pandas as pd

from twin.analysis.comparison import Predicted
from twin.course.failover import three_numbers
from twin.course.tables import value_of
from twin.record.record import Record


def own_numbers(
    mine: Mapping[str, Mapping[str, float]],
    predictions: Mapping[str, Predicted],
    records: Mapping[str, Sequence[Record]],
) -> pd.DataFrame:
    """Return what `three_numbers` says of each group, as texts: shares in per cent, a dash where a ratio is undefined.

    Args:
        mine: the reader's number for each measure, by group.
        predictions: by group; there may be others.
        records: measured runs by group; those that are void do not count.
    """
    rows = {}
    for group, numbers in mine.items():
        table = three_numbers(numbers, predictions[group], records[group])
        for name, row in table.iterrows():
            ratios = [one for one in table.columns if " / " in one]
            texts = {one: f"{row[one]:.2f}" if row[one] == row[one] else "-" for one in ratios}
            values = {one: value_of(str(name), float(row[one])) for one in table.columns if one not in ratios}
            rows[group, name] = values | texts
    return pd.DataFrame.from_dict(rows, orient="index")
