"""What cannot be written is told in one sentence before any work is done, or else when it turns out."""

import io
import os
import sys

import pytest
from matplotlib.figure import Figure

import sim
from stormlab import app, steps
from tests.commands import FAILOVER, REFERENCE, lab
from tests.messages import good_end, good_rows, record
from twin.analysis.sweeps import variants
from twin.costs.profile import HostProfile
from twin.errors import ScenarioError, check_output
from twin.figures.style import save
from twin.record.record import Record


@pytest.fixture
def file(tmp_path):
    """A file, in which no other file can be."""
    path = tmp_path / "file"
    path.write_text("")
    return path


@pytest.mark.parametrize(
    ("words", "option"),
    [
        (["measure", FAILOVER, *REFERENCE], "--save"),
        (["compare", FAILOVER, *REFERENCE], "--save"),
        (["calibrate"], "--output"),
        (["figures"], "--folder"),
        (["zoo"], "--figure"),
        (["sweep", FAILOVER, *REFERENCE, "--vary", "nodes.count=2"], "--figure"),
        (["sweep", FAILOVER, *REFERENCE, "--vary", "nodes.count=2"], "--folder"),
        (["haproxy", FAILOVER], "--output"),
    ],
)
def test_an_option_naming_what_cannot_be_written_gets_one_sentence_and_status_2(words, option, file):
    path = file / "below"
    done = lab(*words, option, str(path))
    assert done.returncode == 2
    said = [line for line in done.stderr.strip().splitlines() if not line.startswith(("Checked", "Not checked"))]
    assert said == [f"{option} {path}: cannot be written (a file is where a folder should be)."]
    assert done.stdout == ""


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["--where", "nodes.count=9"], "sweep: nodes.count is 9; allowed is one of [2, 3]."),
        (["--figure", "one.odd"], "one.odd: '.odd' is no kind of picture; allowed is one of "),
        (["--figure", "/proc/one.png"], "--figure /proc/one.png: cannot be written ("),
        (["--folder", "/proc/sweep"], "--folder /proc/sweep: cannot be written ("),
        (["--vary", "duration=[2020-01-01]"], 'sweep, nodes.count=2, duration="2020-01-01": duration is datetime.date'),
    ],
)
def test_what_a_sweep_cannot_show_or_write_is_told_before_anything_is_simulated(words, said, monkeypatch):
    monkeypatch.setattr(sim, "sweep", lambda spec, axes, *_, **__: variants(spec, axes) and pytest.fail("simulated"))
    monkeypatch.setattr(sys, "argv", ["./lab", "sweep", FAILOVER, *REFERENCE, "--vary", "nodes.count=2,3", *words])
    shown = io.StringIO()
    monkeypatch.setattr(steps.err, "_file", shown)  # `file` would not be undone, but set to what it is now
    with pytest.raises(SystemExit) as ended:
        app.main()
    assert ended.value.code == 2
    assert shown.getvalue().startswith(said)
    assert len(shown.getvalue().splitlines()) == 1


def test_a_name_that_is_no_text_is_refused_for_an_output_and_read_for_a_record(tmp_path):
    name = tmp_path / os.fsdecode(b"\xff.parquet")
    with pytest.raises(ScenarioError, match=r"udcff.parquet: cannot be written \(its name is not text in UTF-8\)\.$"):
        check_output("--save", name)
    path = record(good_rows() + good_end()).save(tmp_path / "good.parquet")
    path.rename(name)
    assert len(Record.load(name).events)


def test_a_name_in_brackets_is_shown_as_it_is_and_not_taken_for_markup(tmp_path):
    done = lab(
        "predict", FAILOVER, *REFERENCE, "--replications", "1", "--set", "clients.count=5", "--set", 'teaches="[/]"'
    )
    assert done.returncode == 0, done.stderr
    (tmp_path / "[").write_text("")
    done = lab("haproxy", FAILOVER, "--output", str(tmp_path / "[/]" / "x"))
    assert done.returncode == 2
    assert "[/]/x: cannot be written" in done.stderr


def test_a_folder_cannot_be_the_file_of_a_figure(tmp_path):
    with pytest.raises(ScenarioError, match=r"--figure .*: cannot be written \(it is a folder\)"):
        check_output("--figure", tmp_path)
    check_output("--folder", tmp_path, folder=True)
    check_output("--figure", tmp_path / "deep" / "one.png")
    check_output("--figure", None)


def test_records_profiles_and_figures_name_the_file_that_cannot_be_written(file, profile):
    path = file / "below.png"
    for write in (record([*good_rows(), *good_end()]).save, HostProfile.save.__get__(profile)):
        with pytest.raises(ScenarioError, match=r"below\.png: cannot be written \(a file is where"):
            write(path)
    with pytest.raises(ScenarioError, match=r"below\.png: cannot be written \(a file is where"):
        save(Figure(), path)


def test_a_figure_is_what_its_name_ends_in_or_png(tmp_path):
    with pytest.raises(ScenarioError, match=r"'\.exe' is no kind of picture; allowed is one of .*png"):
        save(Figure(), tmp_path / "one.exe")
    assert save(Figure(), tmp_path / "bare").read_bytes()[1:4] == b"PNG"
    assert save(Figure(), tmp_path / "one.svg").read_bytes()[:5] == b"<?xml"
