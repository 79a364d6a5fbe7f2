"""`./lab serve` on the command line; what it serves is tested in tests/live/page/test_serve.py."""

from pathlib import Path

import pytest

from tests.commands import lab

ROOT = Path(__file__).parents[3]


def test_the_command_explains_itself():
    done = lab("serve", "--help")
    assert done.returncode == 0
    assert "--port" in done.stdout


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["scenarios/failover.toml", "--port", "0"], "publisher is missing in failover; ./lab serve needs"),
        (["--set", "nodes.count=99"], "nodes.count is 99"),
        (["nowhere.toml"], "no such scenario file"),
    ],
)
def test_bad_input_gets_one_sentence_and_exit_status_2(words, said):
    done = lab("serve", *words)
    assert done.returncode == 2
    assert said in done.stderr
    assert len(done.stderr.strip().splitlines()) == 1
    assert done.stdout == ""
