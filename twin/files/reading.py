"""Files that a user names, and the texts in them: what would hang, fill the memory or break a parser is refused first.

A path may be a device, a pipe on which nobody writes, or gigabytes of something else; a text may have a byte order
mark, numbers of thousands of digits, or brackets in brackets that end a parser's stack.
"""

import json
import os
import re
import tomllib
from pathlib import Path
from stat import S_ISDIR, S_ISREG
from typing import Any, NamedTuple

from twin.errors import ScenarioError


class Kind(NamedTuple):
    """What a file should be, as errors call it, and how many bytes it may have."""

    name: str
    most_bytes: int


SCENARIO = Kind("scenario file", 2**16)
"""Those that ship have 1 kB; the parser of TOML, written in Python, reads half a megabyte a second of some texts."""
PROFILE = Kind("host profile", 2**22)
"""Those of two cores have 0.2 MB, and one of more cores more looks at them."""
CONFIGURATION = Kind("configuration", 2**20)
LOG = Kind("log", 2**26)
DOCUMENT = Kind("document", 2**20)
RECORD = Kind("record", 2**30)
PART = Kind("part of a sweep", 2**30)

MOST_DEPTH = 32
"""Tables in tables, or lists in lists, of a TOML or JSON text; scenarios have five."""
MOST_NAMES = 10_000
"""Names in all tables of a JSON text together; host profiles have some hundred. A validator makes an error of each one
that is wrong."""
MOST_VALUES = 300_000
"""Commas of a JSON text; a host profile of 128 cores has 100,000 looks at them."""
_LONG_KEY = re.compile(r"""(?<![\w-])(?:(?:[\w-]+|"[^"\n]*"|'[^'\n]*')[ \t]*\.[ \t]*){200}""", re.ASCII)
"""A dotted key of TOML for which the parser takes time and memory with the square of its parts."""


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
    """Return the text of a file in UTF-8, with or without a byte order mark: what all readers of texts begin with.

    Raises:
        ScenarioError: see `check_file`, or it is not such a text, or has a NUL, which is in no text that people write.
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
    if b"\0" in data:
        raise ScenarioError(f"{path}: is not text (byte {data.index(0) + 1} is NUL).")
    try:
        return data.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        raise ScenarioError(f"{path}: is not text in UTF-8 (byte {error.start + 1} is not).") from None


def toml(text: str) -> dict[str, Any]:
    """Return the tables of a TOML text.

    Raises:
        ValueError: it is not TOML, or holds what nobody means; the text says what.
    """
    if _LONG_KEY.search(text):
        raise ValueError("tables are nested too deeply, by a key of 200 parts or more")
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


def check_json(text: str) -> None:
    """Make sure that a text is JSON which a validator gets through in a short time.

    Raises:
        ValueError: it is not; the text says what.
    """
    if text.count(",") > MOST_VALUES:
        raise ValueError(f"there are more than {MOST_VALUES:,} values")
    names = 0

    def counted(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
        nonlocal names
        names += len(pairs)
        if names > MOST_NAMES:
            raise ValueError(f"there are more than {MOST_NAMES:,} names")
        return dict(pairs)

    try:
        found = json.loads(text, object_pairs_hook=counted)
    except RecursionError:
        raise ValueError("brackets are nested too deeply") from None
    except json.JSONDecodeError as error:
        where = f"line {error.lineno}, column {error.colno}"
        raise ValueError(f"it is not JSON ({error.msg[:1].lower()}{error.msg[1:]} at {where})") from None
    except ValueError as error:
        digits = "Exceeds the limit" in str(error)  # Python reads no integer of more than 4,300 digits
        raise ValueError("a number has too many digits" if digits else str(error)) from None
    if _deeper_than(found, MOST_DEPTH):
        raise ValueError(f"brackets are nested too deeply; allowed is {MOST_DEPTH} levels")


def _deeper_than(value: Any, depth: int) -> bool:
    """Tell whether there are more than `depth` tables or lists in each other."""
    level = [value] if isinstance(value, dict | list) else []
    for _ in range(depth + 1):
        inner = (one.values() if isinstance(one, dict) else one for one in level)
        level = [one for some in inner for one in some if isinstance(one, dict | list)]
    return bool(level)
