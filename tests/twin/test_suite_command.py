"""What `./lab test` starts beside the live tests stays behind them. Its effect is seen by running it."""

import os
import subprocess
from pathlib import Path

from twin.suite_command import LAST, step_back


def test_who_steps_back_comes_after_all_others_with_its_session_and_with_what_it_starts():
    part = subprocess.Popen(
        ["sh", "-c", "read line; sleep 30 & echo $!; wait"], stdin=-1, stdout=-1, start_new_session=True
    )
    try:
        step_back(part.pid)
        part.stdin.write(b"\n")
        part.stdin.flush()
        child = int(part.stdout.readline())
        assert os.getpriority(os.PRIO_PROCESS, child) == LAST
        group = Path(f"/proc/{child}/autogroup")
        if group.exists() and "nice" in (text := group.read_text()):
            assert text.split()[-1] == str(LAST)
    finally:
        os.killpg(part.pid, 9)
        part.wait()
