"""How a process gets its mechanisms: by the tables of its settings, and by modules that the settings name."""

from collections.abc import Callable, Iterable, Mapping
from importlib import import_module
from typing import Any, TypeVar

Whom = TypeVar("Whom")
Attach = Callable[[Whom, dict[str, Any]], None]
"""Adds a mechanism to somebody, by his settings."""

MODULES = "attach"
"""Table of the settings: who adds mechanisms of no listed room, `module` (its `attach`) or `module:name`."""


def attach_all(rooms: Mapping[str, str], whom: Whom, config: dict[str, Any], more: Iterable[Attach[Whom]] = ()) -> None:
    """Let each mechanism attach that the settings ask for; only its module is loaded.

    Args:
        rooms: table of the settings -> module whose `attach` adds the mechanism, in order.
        whom: who gets it.
        config: the settings; `attach` names further ones.
        more: adds further ones.
    """
    modules = [module for table, module in rooms.items() if config.get(table)]
    for word in (*modules, *config.get(MODULES, ())):
        module, _, name = word.partition(":")
        getattr(import_module(module), name or "attach")(whom, config)
    for attach in more:
        attach(whom, config)
