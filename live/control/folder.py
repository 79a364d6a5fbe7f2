"""Where the folder of a run is: in the system's temporary folder (TMPDIR), if that is fit for it."""

import re
import shutil
import tempfile

from twin.errors import HostError

LONGEST = 60
"""Characters of the temporary folder: a path of a Unix socket below it has at most 97 for HAProxy, 107 for the kernel.
Sources: `UNIX_MAX_PATH` in HAProxy's src/proto_uxst.c; unix(7)."""
LEAST_FREE = 2**24
"""Bytes that logs, configurations and events of a run need there."""


def temporary() -> str:
    """Return the folder in which one for a run is made.

    Raises:
        HostError: there is none, or sockets or configurations below it could not be written or named.
    """
    try:
        found = tempfile.gettempdir()
    except FileNotFoundError as error:
        raise HostError(f"TMPDIR: there is no folder for temporary files that can be written ({error}).") from None
    if len(found) > LONGEST:
        raise HostError(
            f"TMPDIR is '{found}', {len(found)} characters; allowed is at most {LONGEST}, for the sockets below it."
        )
    if not re.fullmatch(r"[\w./+@:,=~-]+", found):
        raise HostError(
            f"TMPDIR is '{found}'; allowed is one of letters, digits and ./+@:,=~_- only, as configurations name it."
        )
    room = shutil.disk_usage(found)
    if room.total and room.free < LEAST_FREE:
        raise HostError(
            f"TMPDIR is '{found}', where {room.free:,} bytes are free; a run needs at least {LEAST_FREE:,} bytes."
        )
    return found
