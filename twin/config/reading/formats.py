"""The formats that are read: one module each, listed here."""

import re
import warnings
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

from twin.config.reading import envoy, haproxy, istio, nginx
from twin.config.reading.haproxy_sections import SECTIONS
from twin.config.reading.report import Imported, SourceFile
from twin.errors import ScenarioError, ScenarioWarning
from twin.files.reading import CONFIGURATION, read_text
from twin.scenario.scenario import Scenario

READERS: Mapping[str, Callable[[Sequence[SourceFile], str], Imported]] = {
    "haproxy": haproxy.read,
    "nginx": nginx.read,
    "envoy": envoy.read,
    "istio": istio.read,
}
MOST_FILES = 100
_ENVOY = re.compile(r"""^[{\s]*["']?static_?[rR]esources["']?\s*:""", re.MULTILINE)
_ISTIO = re.compile(r"""(?:^|[{,])\s*["']?apiVersion["']?\s*:\s*["']?networking\.istio\.io/""", re.MULTILINE)
"""What each resource of Istio's begins with."""


def imported(paths: Sequence[str | Path], backend: str = "") -> Imported:
    """Read configurations of one program.

    Args:
        paths: of its files, in the order in which the program gets them.
        backend: name of the backend, upstream or host that the scenario is about, if there are several.

    Raises:
        ScenarioError: a file cannot be read, is of no format that is known, or what it means is ambiguous.
    """
    if len(paths) > MOST_FILES:
        raise ScenarioError(f"there are {len(paths)} files; allowed are at most {MOST_FILES}.")
    files = [SourceFile(str(path), read_text(path, CONFIGURATION)) for path in paths]
    formats = {format_of(file) for file in files}
    if len(formats) > 1:
        raise ScenarioError("the files are of several programs; give those of one.")
    found = READERS[formats.pop()](files, backend)
    scenario_of(found, "imported")  # what a scenario does not allow is said before anything is written
    return found


def settings_of(path: str, text: str) -> dict[str, Any] | None:
    """Return the settings of a scenario that one file makes, or None if it is of no program that is known.

    A `ScenarioWarning` says how many lines are not modelled or assumed.

    Raises:
        ScenarioError: it is of such a program, and cannot be used.
    """
    file = SourceFile(path, text)
    try:
        reader = READERS[format_of(file)]
    except ScenarioError:
        return None
    try:
        found = reader([file], "")
    except ScenarioError as error:
        raise ScenarioError(str(error) if str(error).startswith(path) else f"{path}: {error}") from None
    counts = Counter(one.verdict for one in found.lines)
    told = f"{path}: {counts['not modelled']} of its settings are not modelled, and {counts['assumed']} are assumed"
    warnings.warn(f"{told}; ./lab import says which.", ScenarioWarning, stacklevel=5)
    return {"name": name_of(path), **found.data}


def format_of(file: SourceFile) -> str:
    """Return which program a file is for.

    Raises:
        ScenarioError: none that is known.
    """
    if _ISTIO.search(file.text):
        return "istio"
    if _ENVOY.search(file.text):
        return "envoy"
    lines = [stripped for line in file.text.split("\n") if (stripped := line.partition("#")[0].strip())]
    if lines and lines[0].split()[0] in SECTIONS and not lines[0].endswith((";", "{")):
        return "haproxy"
    if any(line.endswith((";", "{", "}")) for line in lines):
        return "nginx"
    *others, last = READERS
    raise ScenarioError(f"{file.name}: is no configuration of {', '.join(others)} or {last}.")


def scenario_of(found: Imported, name: str) -> Scenario:
    """Return the scenario that some files make.

    Raises:
        ScenarioError: a setting is not allowed in one.
    """
    return Scenario.parse({"name": name, **found.data}, "the configuration")


def name_of(path: str | Path) -> str:
    """Return the name of a scenario that is made of a file."""
    name = re.sub("[^a-z0-9-]+", "-", Path(path).stem.lower()).strip("-")[:80]
    return name or "imported"
