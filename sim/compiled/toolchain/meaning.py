"""What a compiled function is made of, as a digest: the same for the same machine code, whatever the comments say."""

import hashlib
import sys
import types
from collections.abc import Callable, Iterator
from enum import Enum, EnumMeta
from functools import partial
from typing import Any

import llvmlite
import numba
import numpy as np

_meanings: dict[int, tuple[Any, str]] = {}


def note_meaning(thing: Any, meaning: str) -> None:
    """Note what something stands for that compiled functions use and that has no code of its own."""
    _meanings[id(thing)] = thing, meaning


def digest(function: Callable[..., Any]) -> str:
    """Return a short name of a function, of all that it calls and of every constant that these use.

    Raises:
        TypeError: it uses something of which nothing is known.
    """
    found = hashlib.sha256(f"{sys.version} {numba.__version__} {llvmlite.__version__} {np.__version__}".encode())
    seen: set[int] = set()
    todo: list[Any] = [function]
    while todo:
        one = todo.pop()
        if id(one) in seen:
            continue
        seen.add(id(one))
        for code in _codes(one.__code__):
            found.update(repr((code.co_name, code.co_varnames, code.co_names, _constants(code))).encode())
            found.update(code.co_code)
            for name, value in _used(code, one.__globals__):
                if hasattr(value, "py_func"):
                    todo.append(value.py_func)
                    found.update(name.encode())
                else:
                    found.update(f"{name}={_text(name, value)}".encode())
    return found.hexdigest()[:16]


def _codes(code: types.CodeType) -> Iterator[types.CodeType]:
    yield code
    for constant in code.co_consts:
        if isinstance(constant, types.CodeType):
            yield from _codes(constant)


def _constants(code: types.CodeType) -> list[Any]:
    """Return the constants of a function but its docstring, which the words of a rule are not: they became numbers."""
    return [constant for constant in code.co_consts if not isinstance(constant, str | types.CodeType)]


def _used(code: types.CodeType, scope: dict[str, Any]) -> Iterator[tuple[str, Any]]:
    """Yield what a function finds outside itself, by name."""
    for name in code.co_names:
        value = scope.get(name)
        if isinstance(value, types.ModuleType):
            for attribute in code.co_names:
                if hasattr(value, attribute):
                    yield f"{name}.{attribute}", getattr(value, attribute)
        elif value is not None:
            yield name, value


def _members(numbers: Any) -> Any:
    """Return the names and numbers of an enumeration."""
    return numbers.__members__.items()


def _text(name: str, value: Any) -> str:
    if id(value) in _meanings:
        return _meanings[id(value)][1]
    if isinstance(value, Enum):
        return repr(value.value)
    if isinstance(value, EnumMeta):
        return repr([(name, one.value) for name, one in _members(value)])
    if isinstance(value, int | float | str | tuple):
        return repr(value)
    if isinstance(value, type | types.BuiltinFunctionType | np.ufunc | partial):
        return name
    if value is Any or getattr(value, "__module__", "").split(".")[0] in ("typing", "numpy", "math", "numba"):
        return name
    raise TypeError(f"{name}: a compiled function uses it, and its meaning is not known.")
