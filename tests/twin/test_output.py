"""What cannot be written is told in one sentence before any work is done, or else when it turns out."""

import pytest
from matplotlib.figure import Figure

from tests.commands import FAILOVER, REFERENCE, lab
from tests.messages import good_end, good_rows, record
from twin.errors import ScenarioError, check_output
from twin.figures import save
from twin.profile import HostProfile


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
def test_an_option_that_names_what_cannot_be_written_gets_one_sentence_and_exit_status_2(words, option, file):
    path = file / "below"
    done = lab(*words, option, str(path))
    assert done.returncode == 2
    said = [line for line in done.stderr.strip().splitlines() if not line.startswith(("Checked", "Not checked"))]
    assert said == [f"{option} {path}: cannot be written (a file is where a folder should be)."]
    assert done.stdout == ""


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
