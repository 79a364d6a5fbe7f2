"""Files are there whole, whatever happens while they are written, and whoever else writes them."""

import errno
import json
import os
import signal
import stat
import subprocess
import sys

import pytest
from matplotlib.figure import Figure

import twin.files.writing
from tests.commands import ROOT
from tests.messages import good_end, good_rows, record
from tests.strategies import small_profile
from twin.analysis.sweeps import write
from twin.costs.measured import MOST_LOOKS
from twin.costs.profile import HostProfile
from twin.errors import ScenarioError
from twin.figures.style import save
from twin.files.writing import alone, is_replaced, replacing, write_text


def python(code, *words, **options):
    """Start a process of Python that runs some code."""
    return subprocess.Popen(
        [sys.executable, "-c", code, *map(str, words)], cwd=ROOT, text=True, stdout=subprocess.PIPE, **options
    )


def everything(folder):
    """Return what is in a folder: the name and the bytes of each file, but for those of locks."""
    return {path.name: path.read_bytes() for path in folder.iterdir() if not path.name.endswith(".lock")}


WRITERS = {
    "host.json": lambda path: small_profile(made="now").save(path),
    "run.parquet": lambda path: record(good_rows() + good_end()).save(path),
    "part.parquet": lambda path: write(record(good_rows()).events, path),
    "figure.png": lambda path: save(Figure(), path),
    "figure.svg": lambda path: save(Figure(), path),
    "site.conf": lambda path: write_text(path, "global\n"),
}


@pytest.mark.parametrize("name", WRITERS)
@pytest.mark.parametrize("call", ["fsync", "replace"])
def test_a_full_disk_leaves_the_old_file_whole_and_nothing_beside_it(name, call, tmp_path, monkeypatch):
    path = tmp_path / name
    path.write_text("the old one")

    def full(*_, **__):
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(os, call, full)
    with pytest.raises(ScenarioError, match=rf"{name}: cannot be written \(No space left on device\)\.$"):
        WRITERS[name](path)
    assert everything(tmp_path) == {name: b"the old one"}
    monkeypatch.undo()
    WRITERS[name](path)
    assert set(everything(tmp_path)) == {name}
    assert path.read_bytes() != b"the old one"


LIMITED = """
import resource, sys
from pathlib import Path
from tests.twin.files.test_writing import WRITERS
from twin.errors import ScenarioError
path = Path(sys.argv[1])
resource.setrlimit(resource.RLIMIT_FSIZE, (20, 20))
try:
    WRITERS[path.name](path)
except ScenarioError as error:
    print(error)
"""


@pytest.mark.parametrize("name", ["host.json", "run.parquet", "figure.png"])
def test_a_file_that_the_system_cuts_off_leaves_the_old_one_whole(name, tmp_path):
    """After 20 bytes, where a file may have no more."""
    path = tmp_path / name
    path.write_text("the old one")
    said, _ = python(LIMITED, path, env={**os.environ, "PYTHONDONTWRITEBYTECODE": "1"}).communicate(timeout=120)
    assert said == f"{path}: cannot be written (File too large).\n"
    assert everything(tmp_path) == {name: b"the old one"}


WRITES_ON = """
import sys, time
from twin.files.writing import alone, replacing
with alone(sys.argv[1]), replacing(sys.argv[1]) as file:
    file.write(b"half of it")
    file.flush()
    print("half", flush=True)
    time.sleep(600)
"""


def test_a_killed_writer_leaves_the_old_file_and_what_it_began_is_removed_later(tmp_path, monkeypatch):
    path = tmp_path / "host.json"
    path.write_text("the old one")
    writer = python(WRITES_ON, path)
    assert writer.stdout.readline() == "half\n"
    (begun,) = everything(tmp_path).keys() - {path.name}
    assert begun.startswith(".stormlab-")
    monkeypatch.setattr(twin.files.writing, "_cleared", set())
    write_text(tmp_path / "another", "while it is being written")
    assert (tmp_path / begun).read_text() == "half of it"
    writer.send_signal(signal.SIGKILL)
    writer.communicate(timeout=60)
    assert path.read_text() == "the old one"
    monkeypatch.setattr(twin.files.writing, "_cleared", set())
    with alone(path):
        write_text(path, "the new one")
    assert everything(tmp_path) == {"host.json": b"the new one", "another": b"while it is being written"}


def test_a_file_taken_for_a_leftover_before_it_is_locked_is_begun_anew(tmp_path, monkeypatch):
    lock, taken = twin.files.writing.fcntl.flock, []

    def late(file, how):
        if not taken:
            taken.extend(tmp_path.iterdir())
            taken[0].unlink()
        return lock(file, how)

    monkeypatch.setattr(twin.files.writing.fcntl, "flock", late)
    write_text(tmp_path / "one", "text")
    assert len(taken) == 1
    assert everything(tmp_path) == {"one": b"text"}


LOOKS = """
import sys
import twin.costs.profile, stormlab.steps, live
from pathlib import Path
from tests.strategies import small
twin.costs.profile.CALIBRATED = stormlab.steps.CALIBRATED = Path(sys.argv[1])
looks = iter(range(4))
live.trace = lambda scenario, progress: [[float(sys.argv[2]) + next(looks) / 100]]
for _ in range(4):
    stormlab.steps.look_at_cores(small(host={"profile": "calibrated"}))
"""


@pytest.mark.timeout(240)
def test_labs_that_change_one_profile_at_once_lose_nothing_of_each_other(tmp_path):
    path = small_profile().save(tmp_path / "host.json")
    labs = [python(LOOKS, path, number) for number in (1, 2, 3)]
    while any(one.poll() is None for one in labs):
        HostProfile.load(str(path))  # at no time half of one
    assert [one.communicate()[0] for one in labs] == [""] * 3
    assert [one.returncode for one in labs] == [0] * 3
    found = {look[0][0] for look in HostProfile.load(str(path)).speed}
    assert found >= {lab + look / 100 for lab in (1, 2, 3) for look in range(4)}
    assert MOST_LOOKS > 12


def test_who_waits_too_long_for_others_is_told_in_one_sentence(tmp_path, monkeypatch):
    monkeypatch.setattr(twin.files.writing, "LOCK_WITHIN", 0.05)
    path = tmp_path / "host.json"
    with (
        alone(path),
        pytest.raises(ScenarioError, match=r"host\.json: another process has been changing it for 0\.05 s\.$"),
        alone(path),
    ):
        pytest.fail("two change it at once")
    with alone(path):
        write_text(path, "free again")


def test_the_rights_of_a_file_and_the_link_to_it_stay(tmp_path):
    (tmp_path / "deep").mkdir()
    target, link = tmp_path / "deep" / "host.json", tmp_path / "link.json"
    target.write_text("old")
    target.chmod(0o640)
    link.symlink_to(target)
    write_text(link, "new")
    assert link.is_symlink()
    assert target.read_text() == "new"
    assert stat.S_IMODE(target.stat().st_mode) == 0o640
    assert set(everything(target.parent)) == {"host.json"}
    before = os.umask(0o027)
    try:
        write_text(tmp_path / "fresh", "")
    finally:
        os.umask(before)
    assert stat.S_IMODE((tmp_path / "fresh").stat().st_mode) == 0o640


def test_a_device_or_pipe_is_written_to_and_not_replaced(tmp_path):
    fifo = tmp_path / "fifo"
    os.mkfifo(fifo)
    reader = python("import sys; print(open(sys.argv[1]).read())", fifo)
    write_text(fifo, "into the pipe")
    assert reader.communicate(timeout=60)[0] == "into the pipe\n"
    write_text("/dev/null", "nowhere")
    assert stat.S_ISCHR(os.stat("/dev/null").st_mode)
    assert stat.S_ISFIFO(fifo.stat().st_mode)
    assert not is_replaced("/dev/stdout")
    assert is_replaced(tmp_path / "none")


def test_a_block_that_fails_changes_nothing(tmp_path):
    path = tmp_path / "one"
    write_text(path, "before")

    def interrupted():
        with replacing(path) as file:
            file.write(b"half")
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        interrupted()
    assert everything(tmp_path) == {"one": b"before"}


def test_a_name_as_long_as_names_may_be_can_be_written(tmp_path):
    path = tmp_path / ("n" * 250 + ".json")
    write_text(path, json.dumps({"long": True}))
    assert json.loads(path.read_text()) == {"long": True}
