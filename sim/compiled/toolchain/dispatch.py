"""Functions that are made of a table: what is to be done for each kind of thing."""

import inspect
from collections.abc import Callable, Mapping
from typing import Any

from sim.compiled.toolchain.jit import jit

Handler = Callable[..., None]


def dispatch(table: Mapping[int, Handler], otherwise: Handler | None = None) -> Callable[[Any, int, int, int], None]:
    """Return a compiled function of (w, kind, a, b) that calls what a table has for a kind.

    numba knows no table of functions that the compiler can look through; of comparisons with constants it makes a table
    of places to jump to.

    Args:
        table: a compiled function for each kind, the most frequent first. It is given as many of w, a and b, in this
            order, as it takes; if its second parameter is `kind`, that, too.
        otherwise: is called with all four for every other kind.
    """
    scope: dict[str, Any] = {"__name__": __name__}
    kinds: dict[str, list[int]] = {}
    names: dict[int, str] = {}
    for kind, handler in table.items():
        name = names.setdefault(id(handler), f"{_plain(handler).__name__}_{len(names)}")
        scope[name] = handler
        kinds.setdefault(name, []).append(int(kind))
    lines = ["def dispatched(w, kind, a, b):"]
    for place, (name, some) in enumerate(kinds.items()):
        tested = " or ".join(f"kind == {kind}" for kind in some)
        lines += [f"    {'elif' if place else 'if'} {tested}:", f"        {name}({_arguments(scope[name])})"]
    if otherwise is not None:
        scope["otherwise"] = otherwise
        lines += ["    else:", "        otherwise(w, kind, a, b)"]
    exec(compile("\n".join(lines), f"<dispatch of {len(kinds)}>", "exec"), scope)
    function: Callable[[Any, int, int, int], None] = scope.pop("dispatched")
    return jit(function)


def _plain(handler: Any) -> Any:
    return handler.py_func


def _arguments(handler: Any) -> str:
    """Return with what a function is called."""
    names = list(inspect.signature(_plain(handler)).parameters)
    given = ["w", "kind", "a", "b"] if "kind" in names else ["w", "a", "b"]
    return ", ".join(given[: len(names)])
