"""What is in a scenario file: TOML, or the configuration of another program whose reader is registered here.

Those readers are in `twin.config.reading`, which knows scenarios; `twin` registers them, so nothing here needs them.
"""

from collections.abc import Callable
from typing import Any

from twin.errors import ScenarioError
from twin.files.reading import toml

Reader = Callable[[str, str], dict[str, Any] | None]
"""Gets a file's path and its text; returns settings, or None if it is of no program that it knows."""

_readers: list[Reader] = []


def read_by(reader: Reader) -> None:
    """Ask a reader about files that are not TOML."""
    _readers.append(reader)


def tables(path: str, text: str) -> dict[str, Any]:
    """Return the settings in a file.

    Args:
        path: of the file, as the user named it.
        text: what is in it.

    Raises:
        ScenarioError: it is not TOML, and no reader knows it, or one refuses it.
    """
    try:
        return toml(text)
    except ValueError as error:
        for reader in () if path.endswith(".toml") else _readers:  # a slip in TOML is no configuration of nginx
            found = reader(path, text)
            if found is not None:
                return found
        raise ScenarioError(f"{path}: is not TOML ({error}).") from None
