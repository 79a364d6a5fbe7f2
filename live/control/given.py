"""What the lab tells one of its processes when it starts it: one line of JSON, the first of its standard input.

Not on the command line and not in the environment, where other users of the machine, or whoever may read the processes
of this one, would find passwords and secrets. Source: proc_pid_cmdline(5), which everybody may read by default.
"""

import json
from io import FileIO
from typing import Any


def configuration() -> Any:
    """Read the settings of this process from standard input, and not a byte of the messages that follow.

    Raises:
        ValueError: standard input ended before them, or they are no JSON.
    """
    with FileIO(0, closefd=False) as plain:
        return json.loads(plain.readline())
