"""Run a short command to see whether it works here."""

import os
import signal
import subprocess
from collections.abc import Sequence
from typing import NamedTuple

from live.balancer.base import search_path
from live.control.process import surroundings

WITHIN = 3.0
"""Seconds that a command may take."""


class Tried(NamedTuple):
    """What came of a command.

    Attributes:
        works: whether it ended with 0 in time.
        said: what it printed, or why it did not work, in one line.
    """

    works: bool
    said: str


def tried(words: Sequence[str], within: float = WITHIN) -> Tried:
    """Run a command without input and end all that it has started; nothing is raised.

    Args:
        words: the command.
        within: seconds that it may take.
    """
    try:
        process = subprocess.Popen(
            list(words),
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            errors="replace",
            start_new_session=True,
            env=surroundings() | {"PATH": search_path("/usr/sbin:/sbin")},
        )
    except OSError as error:
        return Tried(False, f"{words[0]}: {error.strerror or error}")
    with process:
        try:
            said, _ = process.communicate(timeout=within)
        except subprocess.TimeoutExpired:
            said = f"{words[0]} did not end within {within:g} s"
            os.killpg(process.pid, signal.SIGKILL)
            process.wait()
            return Tried(False, said)
    lines = [line.strip() for line in said.splitlines() if line.strip()]
    if process.returncode == 0:
        return Tried(True, lines[0] if lines else "")
    return Tried(False, lines[-1] if lines else f"{words[0]} ended with {process.returncode}")
