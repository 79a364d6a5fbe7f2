"""Make another function of the same functions: the same code, with others in the place of some that it calls."""

import types
from collections.abc import Iterator, Mapping
from itertools import count
from typing import Any

from sim.compiled.toolchain.jit import jit

_numbers = count()
"""The compiler tells modules apart by their names."""


def linked(function: Any, replaced: Mapping[Any, Any]) -> Any:
    """Return a copy of a plain function whose compiled parts call others in place of some.

    Args:
        function: what Python would call, not compiled yet.
        replaced: what stands in the place of each compiled function, whoever calls it.
    """
    copies: dict[int, Any] = {}

    def scope_of(code: types.CodeType, before: dict[str, Any]) -> dict[str, Any]:
        """Return what a function sees outside itself."""
        scope = dict(before)
        for name in set(_names(code)):
            value = before.get(name)
            if isinstance(value, types.ModuleType):
                scope[name] = module(value)
            elif hasattr(value, "py_func"):
                scope[name] = part(value)
        return scope

    def module(one: types.ModuleType) -> types.ModuleType:
        """Return a module with copies of its compiled functions."""
        if not any(hasattr(value, "py_func") for value in vars(one).values()):
            return one
        if id(one) not in copies:
            copies[id(one)] = copy = types.ModuleType(f"{one.__name__} {next(_numbers)}")
            for name, value in list(vars(one).items()):
                setattr(copy, name, part(value) if hasattr(value, "py_func") else value)
        found: types.ModuleType = copies[id(one)]
        return found

    def part(one: Any) -> Any:
        """Return a copy of a compiled function, or what stands in its place."""
        one = replaced.get(one, one)
        if id(one) not in copies:
            plain = one.py_func
            scope: dict[str, Any] = {"__name__": plain.__module__}
            copies[id(one)] = jit(_like(plain, scope))
            scope.update(scope_of(plain.__code__, plain.__globals__))
        return copies[id(one)]

    return _like(function, scope_of(function.__code__, function.__globals__))


def _like(function: Any, scope: dict[str, Any]) -> Any:
    """Return a function of the same code that sees something else outside itself."""
    return types.FunctionType(function.__code__, scope, function.__name__, function.__defaults__, function.__closure__)


def _names(code: types.CodeType) -> Iterator[str]:
    yield from code.co_names
    for constant in code.co_consts:
        if isinstance(constant, types.CodeType):
            yield from _names(constant)
