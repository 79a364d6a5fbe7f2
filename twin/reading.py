"""Files that a user names, and the texts in them: what would hang, fill the memory or break a parser is refused first.

A path may be a device, a pipe on which nobody writes, or gigabytes of something else; a text may have a byte order
mark, numbers of thousands of digits, or brackets in brackets that end a parser's stack.
"""

import os
import tomllib
from pathlib import Path
from stat import S_ISDIR, S_ISREG
from typing import Any, NamedTuple

from twin.errors import ScenarioError


class Kind(NamedTuple):
    """What a file should be, as errors call it, and how many bytes it may have."""

    name: str
    most_bytes: int


SCENARIO = Kind("scenario file", 2**20)
PROFILE = Kind("host profile", 2**26)
RECORD = Kind("record", 2**30)
PART = Kind("part of a sweep", 2**30)

MOST_DEPTH = 32
"""Tables in tables, or lists in lists, of a TOML text; scenarios have five."""


def check_file(path: str | Path, kind: Kind) -> None:
    """Make sure that there is a regular file of a bounded size; a link to one is one.

    Raises:
        ScenarioError: there is none, it is something else, or it is too large.
    """
    try:
        found = os.stat(path)
    except (FileNotFoundError, NotADirectoryError):
        raise ScenarioError(f"{path}: there is no such {kind.name}.") from None
    except (OSError, ValueError) as error:
        raise ScenarioError(f"{path}: cannot be read ({getattr(error, 'strerror', None) or error}).") from None
    if not S_ISREG(found.st_mode):
        what = "a folder" if S_ISDIR(found.st_mode) else "no regular file"
        raise ScenarioError(f"{path}: is {what}; a {kind.name} is a file.")
    if found.st_size > kind.most_bytes:
        raise ScenarioError(
            f"{path}: has {found.st_size:,} bytes; a {kind.name} may have at most {kind.most_bytes:,} bytes."
        )


def read_text(path: str | Path, kind: Kind) -> str:
    """Return the text of a file in UTF-8, with or without a byte order mark.

    Raises:
        ScenarioError: see `check_file`, or it is not such a text.
    """
    check_file(path, kind)
    try:
        # some files of /proc are regular ones, say that they have no bytes, and let who reads them wait
        with open(os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC), "rb") as file:
            data = file.read(kind.most_bytes + 1) or b""
    except OSError as error:
        raise ScenarioError(f"{path}: cannot be read ({error.strerror or error}).") from None
    if len(data) > kind.most_bytes:
        raise ScenarioError(f"{path}: is too large; a {kind.name} may have at most {kind.most_bytes:,} bytes.")
    try:
        return data.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        raise ScenarioError(f"{path}: is not text in UTF-8 (byte {error.start + 1} is not).") from None


def toml(text: str) -> dict[str, Any]:
    """Return the tables of a TOML text.

    Raises:
        ValueError: it is not TOML, or holds what nobody means; the text says what.
    """
    try:
        found = tomllib.loads(text)
    except RecursionError:
        raise ValueError("brackets are nested too deeply") from None
    except tomllib.TOMLDecodeError:
        raise
    except ValueError:  # Python reads no integer of more than 4,300 digits
        raise ValueError("a number has too many digits") from None
    if _deeper_than(found, MOST_DEPTH):
        raise ValueError(f"tables are nested too deeply; allowed is {MOST_DEPTH} levels")
    return found


def _deeper_than(value: Any, most: int) -> bool:
    """Tell whether there are more than `most` tables or lists in each other."""
    inner = value.values() if isinstance(value, dict) else value if isinstance(value, list) else ()
    return any(most == 0 or _deeper_than(one, most - 1) for one in inner)
