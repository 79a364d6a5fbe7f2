"""A small process that outlives the lab for a moment and ends what the lab left running.

It reads process-group numbers from a pipe that the lab holds open. When the lab ends by whatever means, the kernel
closes the pipe: the guard then kills every group it knows and removes the run's folders. It imports nothing heavy.
"""

import contextlib
import os
import shutil
import signal
import sys


def main(folder: str) -> None:
    """Watch the pipe on standard input until it closes."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    signal.signal(signal.SIGTERM, signal.SIG_IGN)
    groups: set[int] = set()
    folders = [folder]
    for line in sys.stdin:
        word, _, number = line.rstrip("\n").partition(" ")
        if word == "watch":
            groups.add(int(number))
        elif word == "forget":
            groups.discard(int(number))
        elif word == "folder":
            folders.append(number)
    for group in groups:
        with contextlib.suppress(ProcessLookupError, PermissionError):
            os.killpg(group, signal.SIGKILL)
    for one in folders:
        shutil.rmtree(one, ignore_errors=True)


if __name__ == "__main__":
    main(sys.argv[1])
