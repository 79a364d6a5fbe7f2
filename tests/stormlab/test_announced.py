"""The command line that says when its runs begin."""

import json
import subprocess
import sys
import time
from pathlib import Path

import pytest

from live.disturbances.disturbance import Disturbance, scenario_of

WORDS = [sys.executable, "-P", "-m", "stormlab.announced", "measure"]


@pytest.mark.live
@pytest.mark.patient
def test_times_are_said_in_their_order_and_before_the_command_s_own_words(tmp_path: Path) -> None:
    path = tmp_path / "one.toml"
    path.write_text(scenario_of(Disturbance(0, "plain", "", "none", "run", 0.0, None), 1).to_toml())
    before = time.monotonic()
    done = subprocess.run([*WORDS, str(path), "--runs", "1", "--json"], capture_output=True, text=True, check=False)
    said = [json.loads(line) for line in done.stdout.splitlines()]
    assert done.returncode == 0, done.stderr
    assert [next(iter(one)) for one in said[-4:]] == ["cluster", "start", "finish", "scenario"]
    cluster, start, finish = (float(next(iter(one.values()))) for one in said[-4:-1])
    assert before < cluster < start < start + 3.0 <= finish < time.monotonic()
    assert len(said[-1]["runs"]) == 1


def test_bad_input_is_refused_as_it_is_by_the_lab(tmp_path: Path) -> None:
    done = subprocess.run([*WORDS, str(tmp_path / "none.toml")], capture_output=True, text=True, check=False)
    assert (done.returncode, done.stdout) == (2, "")
    assert "none.toml" in done.stderr
