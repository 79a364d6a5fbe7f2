"""What `./lab test` starts beside the live tests stays behind them. Its effect is seen by running it."""

import os
import subprocess
import sys

from stormlab.commands.suite import LAST, behind


def test_what_computes_comes_last_with_what_it_starts_and_its_words_are_kept(tmp_path):
    asks = "import os, subprocess, sys; subprocess.run([sys.executable, '-c', 'import os; print(os.nice(0))'])"
    said = tmp_path / "it's said"
    subprocess.run(behind([sys.executable, "-c", asks], said), check=True)
    assert said.read_text() == f"{min(19, os.nice(0) + LAST)}\n"


def test_its_exit_status_is_that_of_the_command(tmp_path):
    assert subprocess.run(behind([sys.executable, "-c", "exit(3)"], tmp_path / "said"), check=False).returncode == 3
