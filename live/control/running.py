"""How a process of ours runs that has an event loop."""

import sys
from collections.abc import Coroutine
from typing import Any, NoReturn

import uvloop

from live.control.messages import MessageError


def run(work: Coroutine[Any, Any, int | None]) -> NoReturn:
    """Do the work of this process, and end it with the exit status that the work returns; a message that cannot be
    obeyed ends it with one sentence on standard error, which the lab repeats (`live.control.process`).
    """
    try:
        sys.exit(uvloop.run(work))
    except MessageError as error:
        sys.exit(f"{error}.")
