"""Records of earlier versions are written anew by `./lab migrate`."""

import json
import os

import pytest

from tests.commands import lab
from tests.messages import good_end, good_rows, record
from tests.old_records import saved_as
from twin.record.record import Record
from twin.record.schema import VERSION

GOOD = record(good_rows() + good_end())


@pytest.mark.parametrize("version", [1, 2])
def test_an_old_record_is_replaced_by_one_of_today_with_the_same_events(version, tmp_path):
    path = saved_as(GOOD, tmp_path / "old.parquet", version)
    before = os.path.getsize(path)
    done = lab("migrate", str(path))
    assert done.returncode == 0
    assert done.stdout == (
        f"{path}: {len(GOOD.columns)} events, version {version} -> {VERSION}, {before:,} -> "
        f"{os.path.getsize(path):,} bytes.\n"
    )
    found, form = Record.load_with_version(path)
    assert (found.digest(), found.provenance, form) == (GOOD.digest(), GOOD.provenance, VERSION)
    assert [file.name for file in tmp_path.iterdir()] == ["old.parquet"]


def test_what_has_the_form_of_today_is_left_alone(tmp_path):
    path = GOOD.save(tmp_path / "new.parquet")
    as_it_was = path.read_bytes(), os.stat(path).st_ino
    done = lab("migrate", str(path), "--json")
    assert (path.read_bytes(), os.stat(path).st_ino) == as_it_was
    (one,) = json.loads(done.stdout)["records"]
    assert (one["version_before"], one["version"]) == (VERSION, VERSION)
    assert one["bytes_before"] == one["bytes"] == len(as_it_was[0])


def test_the_first_bad_file_ends_it_with_one_sentence_and_stays_as_it_is(tmp_path):
    good, bad, last = (saved_as(GOOD, tmp_path / name) for name in ("a.parquet", "b.parquet", "c.parquet"))
    bad.write_bytes(bad.read_bytes()[:-9])
    cut = bad.read_bytes()
    done = lab("migrate", *map(str, (good, bad, last)))
    assert done.returncode == 2
    assert done.stderr == f"{bad}: is not a Parquet record of this lab.\n"
    assert bad.read_bytes() == cut
    assert [Record.load_with_version(path)[1] for path in (good, last)] == [VERSION, 2]
