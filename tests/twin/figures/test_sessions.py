"""The picture of the offline queue, and the series that it draws."""

import numpy as np
import pytest

from tests.strategies import small
from tests.twin.measures.test_sending import record, rows
from twin.figures.sessions import queue_figure
from twin.measures.sending import held_bytes, read_times
from twin.record.record import Record, row


def test_what_the_clients_keep_goes_up_and_down_by_hand():
    times, held = held_bytes(record(rows()))
    assert times.tolist() == [1.5, 1.6, 2.0, 2.5, 2.5, 3.0, 3.0]
    assert held.tolist() == [10.0, 20.0, 30.0, 20.0, 30.0, 20.0, 10.0]


def test_only_what_nodes_read_that_never_stopped_counts():
    assert read_times(record(rows())).tolist() == [3.2, 3.25, 3.29, 3.305]


def test_the_picture_has_one_line_a_record_and_ends_where_the_series_do():
    full = record(rows())
    nothing = Record.of(
        [row(1.0, "fault", node=1, detail="kill")],
        {"scenario": small(faults=full.scenario.faults).model_dump(exclude_none=True), "replication": 0},
    )
    kept, read = queue_figure({"full": full, "nothing": nothing}, full=40.0).axes
    of_full, fault, of_nothing, _, limit = kept.lines
    assert limit.get_ydata() == [0.04, 0.04]  # kB
    assert of_full.get_linewidth() > of_nothing.get_linewidth()  # where they agree both show
    assert of_full.get_ydata()[[0, 3, -1]].tolist() == pytest.approx([0.0, 0.03, 0.01])  # kB
    assert of_full.get_xdata()[-1] == full.scenario.duration
    assert fault.get_xdata() == [1.0, 1.0]
    assert not np.any(of_nothing.get_ydata())
    assert sum(read.lines[0].get_ydata()) == 4
    assert [text.get_text() for text in read.get_legend().get_texts()] == ["full", "nothing"]
    assert (
        len({line.get_color() for line in read.lines[::2]})
        == len({line.get_linestyle() for line in read.lines[::2]})
        == 2
    )
