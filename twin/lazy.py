"""Names of a package that are loaded when they are first used. Source: PEP 562."""

from collections.abc import Callable, Mapping
from importlib import import_module
from typing import Any


def loader(package: dict[str, Any], home: Mapping[str, str]) -> Callable[[str], Any]:
    """Return the `__getattr__` of a package.

    Args:
        package: its globals, where a name stays once it is loaded.
        home: name -> module that has it.
    """

    def load(name: str) -> Any:
        if name not in home:
            raise AttributeError(f"module {package['__name__']!r} has no attribute {name!r}")
        value = getattr(import_module(home[name]), name)
        package[name] = value
        return value

    return load
