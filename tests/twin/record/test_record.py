import json
import time

import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from tests.strategies import small
from twin.errors import ScenarioError
from twin.record.record import COLUMNS, EVENTS, Record, row


def record():
    rows = [
        row(2.0, "disconnected", 1, 2, detail="1006"),
        row(-0.125, "attempt_connect", 1, attempt=1),
        row(0.1 + 0.2, "fault", node=2, detail='kill, "hard"\n'),
        row(-0.125, "connected", 1, 2, 1),
    ]
    return Record.of(rows, {"scenario": small().model_dump(exclude_none=True), "replication": 3, "world": "sim"})


def test_rows_are_sorted_by_time_and_equal_times_keep_their_order():
    events = record().events
    assert list(events.columns) == COLUMNS
    assert events["t"].tolist() == [-0.125, -0.125, 0.1 + 0.2, 2.0]
    assert events["event"].tolist() == ["attempt_connect", "connected", "fault", "disconnected"]


def test_what_does_not_apply_is_minus_one_or_empty():
    assert row(1.0, "healed") == (1.0, "healed", -1, -1, -1, -1, "")


def test_an_unknown_event_is_refused_by_name():
    with pytest.raises(ValueError, match="exploded"):
        Record.of([row(0.0, "fault"), row(1.0, "exploded")], {})


def test_the_vocabulary_has_no_doubles_and_is_words():
    assert all(name.replace("_", "").islower() for name in EVENTS)


def test_a_record_survives_saving_to_the_last_bit(tmp_path):
    before = record()
    path = before.save(tmp_path / "deep" / "run.parquet")
    after = Record.load(path)
    assert after.digest() == before.digest()
    pd.testing.assert_frame_equal(after.events, before.events, check_dtype=False)
    assert after.provenance == json.loads(json.dumps(before.provenance))
    assert after.scenario == small()
    assert after.replication == 3
    assert [file.name for file in path.parent.iterdir()] == ["run.parquet"]


def test_an_empty_record_can_be_saved_too(tmp_path):
    empty = Record.of([], record().provenance)
    assert len(Record.load(empty.save(tmp_path / "empty.parquet")).events) == 0


def test_the_digest_sees_the_last_bit_of_a_time():
    one, other = (Record.of([row(t, "fault")], {}) for t in (0.3, 0.1 + 0.2))
    assert one.digest() != other.digest()
    assert one.digest() == Record.of([row(0.3, "fault")], {"world": "live"}).digest()


def test_a_missing_file_gives_one_sentence(tmp_path):
    with pytest.raises(ScenarioError, match=r"none\.parquet: there is no such record\.$"):
        Record.load(tmp_path / "none.parquet")


def test_what_is_not_a_record_gives_one_sentence(tmp_path):
    noise, foreign, spoilt = (tmp_path / name for name in ("noise", "foreign", "spoilt"))
    noise.write_bytes(b"PAR1 no")
    table = pa.table({"x": [1]})
    pq.write_table(table, foreign)
    pq.write_table(table.replace_schema_metadata({b"stormlab": b"{"}), spoilt)
    for path in (noise, foreign, spoilt):
        with pytest.raises(ScenarioError, match=f"{path.name}: is not a Parquet record of this lab"):
            Record.load(path)


def test_select_keeps_the_named_events():
    assert record().select("fault", "connected")["event"].tolist() == ["connected", "fault"]


def test_a_record_says_why_its_host_was_too_busy():
    assert record().starved == ""
    assert Record.of([], {"host": {"starved": "another program ran"}}).starved == "another program ran"


def test_very_many_different_details_are_looked_at_in_a_moment(tmp_path):
    """A column of a table for each of them took minutes."""
    rows = [row(0.001 * i, "published", version=i, detail=str(i)) for i in range(40_000)]
    before = record()
    path = Record.of(rows, before.provenance).save(tmp_path / "many.parquet")
    began = time.process_time()
    assert len(Record.load(path).events) == len(rows)
    assert time.process_time() - began < 20
