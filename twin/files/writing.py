"""Files that the lab writes: each is there whole, as it was before or as it is now, whatever happens meanwhile.

What is written goes into a new file beside the one that it is for, and takes its place at once when it is on the disk.
So a full disk, or the end of the process, leaves the old file as it was, and who reads meanwhile reads one of the two.
Source: rename(2), fsync(2); Pillai et al., "All File Systems Are Not Created Equal", OSDI 2014.
"""

import fcntl
import os
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from secrets import token_hex
from stat import S_IMODE, S_ISREG
from typing import BinaryIO

from twin.errors import ScenarioError, writing

HEAD, TAIL = ".stormlab-", ".partial"
"""How the name of a file begins and ends that is being written; between them are 16 random digits."""

LOCK_WITHIN = 30.0
"""Seconds to wait for others that change a file. A change takes milliseconds: what takes long is done before it."""

_cleared = set[str]()
"""Folders in which this process has removed what killed ones left behind."""


@contextmanager
def replacing(path: str | Path) -> Iterator[BinaryIO]:
    """Give a file to write to; after the block it is on the disk and stands in the place of `path`, with its rights.

    If the block fails nothing has changed. Folders on the way are made; of a link, what it points to is replaced. What
    is no regular file, a device or a pipe, is written to as it stands.

    Raises:
        ScenarioError: it cannot be written.
    """
    with writing(path):
        Path(path).parent.mkdir(parents=True, exist_ok=True)
        if not is_replaced(path):
            with open(path, "wb") as device:
                yield device
            return
        path = Path(os.path.realpath(path))
        mode = rights(path)
        clear(path.parent)
        partial, file = _new(path.parent)
        try:
            with file:
                if mode is not None:
                    os.fchmod(file.fileno(), mode)
                yield file
                file.flush()
                os.fsync(file.fileno())
                partial.replace(path)
        except BaseException:
            partial.unlink(missing_ok=True)
            raise
        _sync_folder(path.parent)


def write_text(path: str | Path, text: str) -> None:
    """Write a text in UTF-8, all of it or nothing.

    Raises:
        ScenarioError: it cannot be written.
    """
    with replacing(path) as file:
        file.write(text.encode())


def is_replaced(path: str | Path) -> bool:
    """Tell whether a path is that of a regular file, or of none yet; one of an open file (/dev/stdout) is not."""
    if os.path.abspath(path).startswith(("/dev/std", "/dev/fd/", "/proc/")):
        return False
    try:
        return S_ISREG(os.stat(path).st_mode)
    except FileNotFoundError:
        return True


def rights(path: Path) -> int | None:
    """Return the rights of a file that there is, None of one that there is not.

    Raises:
        PermissionError: this user may not write to it.
    """
    try:
        mode = S_IMODE(os.stat(path).st_mode)
    except FileNotFoundError:
        return None
    with open(path, "r+b"):  # a rename asks for the rights of the folder only
        return mode


def clear(folder: Path) -> None:
    """Remove what processes left behind that were killed while they wrote; who still writes holds a lock.

    This is done once a process and folder: a folder may have very many files.
    """
    if str(folder) in _cleared:
        return
    _cleared.add(str(folder))
    for one in folder.glob(f"{HEAD}*{TAIL}"):
        with suppress(OSError), open(os.open(one, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK), "rb") as file:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
            one.unlink()


def _new(folder: Path) -> tuple[Path, BinaryIO]:
    """Make a file with a name that nobody guesses, and lock it for as long as it is open."""
    while True:
        partial = folder / f"{HEAD}{token_hex(8)}{TAIL}"
        file = os.fdopen(os.open(partial, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o666), "wb")
        try:
            with suppress(OSError):  # there are file systems without locks; nobody removes anything there
                fcntl.flock(file, fcntl.LOCK_EX)
            if os.fstat(file.fileno()).st_nlink:
                return partial, file
        except BaseException:
            partial.unlink(missing_ok=True)
            file.close()
            raise
        file.close()  # another process took it, before it was locked, for one that was left behind


def _sync_folder(folder: Path) -> None:
    """Bring a new name in a folder to the disk, where the system can."""
    with suppress(OSError):
        number = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
        try:
            os.fsync(number)
        finally:
            os.close(number)


@contextmanager
def alone(path: str | Path) -> Iterator[None]:
    """Keep others that change the same file out of this block, in which it is read, changed and written.

    They lock a file beside it, which stays: one that is removed might be locked by somebody else meanwhile. The end of
    a process, whatever way, gives its lock back.

    Raises:
        ScenarioError: others have held it for `LOCK_WITHIN` seconds, or there can be no such file.
    """
    if not is_replaced(path):
        yield
        return
    path = Path(os.path.realpath(path))
    with writing(path):
        path.parent.mkdir(parents=True, exist_ok=True)
        lock = os.open(path.with_name(f".{path.name}.lock"), os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o666)
    try:
        deadline = time.monotonic() + LOCK_WITHIN
        while not _locks(lock):
            if time.monotonic() > deadline:
                raise ScenarioError(f"{path}: another process has been changing it for {LOCK_WITHIN:g} s.")
            time.sleep(0.01)
        yield
    finally:
        os.close(lock)


def _locks(lock: int) -> bool:
    """Lock it unless somebody else has, and tell whether it may be changed now."""
    try:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    except OSError:  # a file system without locks: nobody can be kept out
        return True
    return True
