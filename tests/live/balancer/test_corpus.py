"""The real programs accept the configurations that the reading is tested with."""

import subprocess

import pytest

from live.balancer.balancer import binary, check_config
from tests.commands import ROOT

CORPUS = sorted((ROOT / "tests" / "data" / "configs").glob("*/*.*"))


@pytest.mark.parametrize("path", CORPUS, ids=lambda path: f"{path.parent.name}-{path.stem}")
def test_a_program_accepts_the_files_of_the_corpus(path, tmp_path, balancer_installed):
    kind, text = path.parent.name, path.read_text()
    balancer_installed(kind)
    if "\nevents {" in text:  # a whole nginx.conf
        command = [binary(kind), "-t", "-q", "-c", str(path), "-p", str(tmp_path)]
        done = subprocess.run(command, capture_output=True, text=True, check=False, timeout=20)
        assert (done.returncode, done.stderr) == (0, "")
    else:
        assert check_config(kind, text) == ""
