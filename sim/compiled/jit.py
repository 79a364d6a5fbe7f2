"""Compile functions with numba, and keep what was compiled for other processes.

numba forgets a compiled function when the file of that function changes, but not when a function that it calls does. So
everything is kept in a folder that is named by a digest of all sources that go into the kernel.
"""

import contextlib
import fcntl
import functools
import hashlib
import os
import types
from collections.abc import Callable, Iterable, Iterator
from functools import cache
from pathlib import Path
from typing import Any, TypeVar, cast

import numba
import numpy as np
from llvmlite import ir
from numba.core import cgutils, config
from numba.core import types as nb
from numba.extending import intrinsic

F = TypeVar("F", bound=Callable[..., Any])

ROOT = Path(__file__).parents[2]
SOURCES = (
    "sim/compiled/*.py",
    "twin/rules/*.py",
    "twin/draws.py",
    "twin/cost.py",
    "twin/profile.py",
    "twin/measures/connection.py",
    "sim/host.py",
    "sim/cores.py",
    "sim/node.py",
)
"""Files whose functions and constants go into the kernel."""


@cache
def cache_folder() -> Path:
    """Return where compiled code is kept: in the project's `.lab`, or in the user's cache if that cannot be written."""
    digest = hashlib.sha256(f"{numba.__version__} {np.__version__}".encode())
    for pattern in SOURCES:
        for path in sorted(ROOT.glob(pattern)):
            digest.update(path.read_bytes())
    home = ROOT if os.access(ROOT, os.W_OK) else Path(os.environ.get("XDG_CACHE_HOME", Path.home() / ".cache"))
    return home / (".lab" if home == ROOT else "stormlab") / "compiled" / digest.hexdigest()[:16]


def jit(function: F) -> F:
    """Compile a function that other compiled functions call."""
    compiled: F = numba.njit(function, error_model="numpy")
    return compiled


def kernel(function: F) -> F:
    """Compile a function that Python calls, at its first call, and keep the result for other processes.

    Of processes that call it at the same time one compiles, and the others wait for the result.
    """
    before, config.CACHE_DIR = config.CACHE_DIR, str(cache_folder())
    try:
        compiled = numba.njit(function, cache=True, error_model="numpy")
    finally:
        config.CACHE_DIR = before

    @functools.wraps(function)
    def call(*args: Any) -> Any:
        if not compiled.signatures:
            with _alone():
                compiled.compile(tuple(numba.typeof(arg) for arg in args))
        return compiled(*args)

    return cast(F, call)


@contextlib.contextmanager
def _alone() -> Iterator[None]:
    """Keep other processes out of this block."""
    cache_folder().mkdir(parents=True, exist_ok=True)
    with open(cache_folder() / "lock", "w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield


def compiled_rule(function: F, words: Iterable[str] = (), **replaced: Any) -> F:
    """Compile a rule from its own source.

    Args:
        function: the rule; of a method, `self` may be a record.
        words: what words stand for in the kernel: their places here. Each word in the code becomes that number.
        replaced: compiled functions in place of those that the rule calls by these names.
    """
    numbers = {word: i for i, word in enumerate(words)}
    code = function.__code__
    constants = tuple(numbers.get(c, c) if isinstance(c, str) else c for c in code.co_consts)
    copy = types.FunctionType(code.replace(co_consts=constants), {**function.__globals__, **replaced}, code.co_name)
    return jit(copy)  # type: ignore[return-value]


def accessor(dtype: np.dtype[Any]) -> Callable[[int, int], Any]:
    """Return a compiled function of (address, index) that gives the record there, without a check of bounds."""
    record = numba.from_dtype(dtype)
    size = dtype.itemsize

    @intrinsic  # type: ignore[untyped-decorator]
    def at(_: Any, address: Any, index: Any) -> Any:
        def generate(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
            offset = builder.mul(arguments[1], context.get_constant(nb.int64, size))
            return builder.inttoptr(builder.add(arguments[0], offset), context.get_value_type(record))

        return record(nb.int64, nb.int64), generate

    found: Callable[[int, int], Any] = at
    return found


@intrinsic  # type: ignore[untyped-decorator]
def pointer(_: Any, address: Any) -> Any:
    """Return an address as a pointer that `numba.carray` takes."""

    def generate(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        return builder.inttoptr(arguments[0], context.get_value_type(nb.voidptr))

    return nb.voidptr(nb.int64), generate


@intrinsic  # type: ignore[untyped-decorator]
def fetch(_: Any, address: Any) -> Any:
    """Ask for the memory at an address, which will be needed soon."""

    def generate(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        place = builder.inttoptr(arguments[0], context.get_value_type(nb.voidptr))
        number = ir.IntType(32)
        kind = ir.FunctionType(ir.VoidType(), [place.type, number, number, number])
        function = cgutils.get_or_insert_function(builder.module, kind, "llvm.prefetch.p0")
        builder.call(function, [place, number(1), number(3), number(1)])
        return context.get_dummy_value()

    return nb.none(nb.int64), generate
