import json

import pyarrow.parquet as pq
import pytest

from tests.commands import ROOT
from tests.files import files
from tests.messages import good_rows, record
from tests.old_records import saved_as
from twin.errors import ScenarioError
from twin.record import schema
from twin.record.record import Record


def written(path, **changes):
    """Save a record whose provenance in the file is changed."""
    record(good_rows()).save(path)
    table = pq.read_table(path)
    said = json.loads(table.schema.metadata[b"stormlab"]) | changes
    pq.write_table(table.replace_schema_metadata({b"stormlab": json.dumps(said).encode()}), path)
    return path


def test_a_file_names_its_version_and_the_record_does_not(tmp_path):
    path = record(good_rows()).save(tmp_path / "a.parquet")
    assert json.loads(pq.read_schema(path).metadata[b"stormlab"])["schema"] == schema.VERSION
    assert Record.load(path).provenance == record(good_rows()).provenance


def test_a_file_of_before_there_were_versions_is_read_with_what_it_said(tmp_path):
    path = saved_as(record(good_rows()), tmp_path / "old.parquet", 1, starved_before=["others took 0.4 cores"])
    found = Record.load(path)
    assert found.void_before == ["others took 0.4 cores"]
    assert "starved_before" not in found.provenance


def test_each_version_is_read_and_every_migration_is_done_once(tmp_path, monkeypatch):
    done = []
    monkeypatch.setattr(schema, "MIGRATIONS", [lambda it, n=n: done.append(n) or it for n in (1, 2, 3)])
    monkeypatch.setattr(schema, "VERSION", 4)
    for version in range(1, 5):
        done.clear()
        schema.migrated({"schema": version})
        assert done == list(range(version, 4))


@pytest.mark.parametrize("version", [0, schema.VERSION + 1, "2", 1.5, True, [1]])
def test_a_version_that_is_not_known_is_refused_in_one_sentence(version, tmp_path):
    path = written(tmp_path / "new.parquet", schema=version)
    with pytest.raises(ScenarioError, match=rf"schema is .*; this lab reads the versions 1 to {schema.VERSION}\.$"):
        Record.load(path)


@pytest.mark.parametrize("path", files(ROOT / "records", "*.parquet")[:3], ids=lambda path: path.stem)
def test_records_that_ship_are_read(path):
    assert len(Record.load(path).events)
