"""The first attempts of the clients of a run, as a table in which a reader finds a client."""

import pandas as pd

from twin.course.explanations import journeys
from twin.record.record import Record


def first_attempts(record: Record) -> pd.DataFrame:
    """Return the first attempt after the loss of each client, one row each, by client.

    Returns:
        `lost` (s of the run), `wait` before the attempt, when it `began` and `ended` (s of the run), and its `outcome`.
    """
    rows = {}
    for journey in journeys(record):
        for first in journey.passages[:1]:
            times = {"lost": journey.lost, "wait": first.wait, "began": first.began, "ended": first.ended}
            rows[journey.client] = {**times, "outcome": first.outcome}
    return pd.DataFrame.from_dict(rows, orient="index").rename_axis("client")
