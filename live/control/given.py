"""What the lab tells one of its processes when it starts it: one line of JSON, the first of its standard input.

Not on the command line and not in the environment, where other users of the machine, or whoever may read the processes
of this one, would find passwords and secrets. Source: proc_pid_cmdline(5), which everybody may read by default.
"""

import json
import sys
from io import FileIO
from typing import TypeVar

from live.control.messages import MessageError, take

Settings = TypeVar("Settings")


def configuration(kind: type[Settings]) -> Settings:
    """Read the settings of this process from standard input, and not a byte of the messages that follow.

    Args:
        kind: their type, see `live.control.messages.take`.

    Raises:
        SystemExit: standard input ended before them, or they are not of that type; the sentence names the field.
    """
    with FileIO(0, closefd=False) as plain:
        line = plain.readline()
    try:
        found: Settings = take(json.loads(line), kind, "the settings")
    except MessageError as error:
        sys.exit(f"{error}.")
    except ValueError:
        sys.exit("standard input ended before the settings of this process, or they are no JSON.")
    return found
