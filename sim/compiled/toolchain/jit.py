"""Compile functions with numba, and keep what was compiled for other processes."""

import contextlib
import fcntl
import functools
import gc
import types
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from typing import Any, TypeVar, cast

import numba
import numpy as np
from llvmlite import ir
from numba.core import cgutils, config
from numba.core import types as nb
from numba.core.types.misc import unliteral
from numba.extending import intrinsic

from sim.compiled.toolchain.meaning import digest, note_meaning
from sim.compiled.toolchain.parts import PartCompiler, WholeCompiler
from twin.files.places import cache

F = TypeVar("F", bound=Callable[..., Any])

whole: Any = np.int64
"""Make a number a whole one of 64 bits. In compiled code `int` leaves one of 32 bits as it is, and every function that
is called with both is compiled twice.
"""


def cache_folder(name: str) -> Path:
    """Return where compiled code of this name is kept."""
    return cache() / "compiled" / name


def jit(function: F, within: bool = False) -> F:
    """Compile a function that only other compiled functions call; see `for_python`.

    It is compiled once for all numbers that it is called with. numba would compile it again for each constant, half of
    the whole time; the compiler of the whole puts constants in where that is worth it. With `within` it becomes a part
    of whatever calls it: a loop can be one over several numbers at once only if it calls nothing.
    """
    compiled = numba.njit(
        function,
        error_model="numpy",
        pipeline_class=PartCompiler,
        no_cpython_wrapper=True,
        no_cfunc_wrapper=True,
        forceinline=within,
    )
    template = compiled.get_call_template
    compiled.get_call_template = lambda args, named: template(
        tuple(unliteral(one) for one in args), {name: unliteral(one) for name, one in named.items()}
    )
    return cast(F, compiled)


def kernel(function: F) -> F:
    """Compile a function that Python calls, at its first call, and keep the result for other processes.

    Of processes that call it at the same time one compiles, and the others wait for the result. numba forgets a
    compiled function when the file of that function changes, but not when a function that it calls does; so it is kept
    in a folder that is named by a digest of all that goes into it. While it runs, other threads of Python may run.
    """
    kept: list[tuple[Any, Path]] = []

    @functools.wraps(function)
    def call(*args: Any) -> Any:
        if not kept:  # by now all is defined that it calls
            kept.append(_kept(function))
        compiled, folder = kept[0]
        if not compiled.signatures:
            with _alone(folder), _without_collection():
                compiled.compile(tuple(numba.typeof(arg) for arg in args))
        return compiled(*args)

    return cast(F, call)


def _kept(function: Callable[..., Any]) -> tuple[Any, Path]:
    """Return a function that is compiled at its first call, and where its code is kept."""
    folder = cache_folder(digest(function))
    before, config.CACHE_DIR = config.CACHE_DIR, str(folder)
    try:
        compiled = numba.njit(function, cache=True, nogil=True, error_model="numpy", pipeline_class=WholeCompiler)
        return compiled, folder
    finally:
        config.CACHE_DIR = before


@contextlib.contextmanager
def _alone(folder: Path) -> Iterator[None]:
    """Keep other processes out of this block."""
    folder.mkdir(parents=True, exist_ok=True)
    with open(folder / "lock", "w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield


@contextlib.contextmanager
def _without_collection() -> Iterator[None]:
    """Collect no garbage in this block: of a compilation's millions of objects nearly all live as long as it does."""
    was_on = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if was_on:
            gc.enable()


def for_python(function: Any) -> Callable[..., Any]:
    """Return a compiled function as one that Python can call, too; this is for tests."""
    compiled: Callable[..., Any] = numba.njit(function.py_func, error_model="numpy", pipeline_class=WholeCompiler)
    return compiled


def compiled_rule(function: F, words: Iterable[str] = (), within: bool = False, **replaced: Any) -> F:
    """Compile a rule from its own source.

    Args:
        function: the rule; of a method, `self` may be a record.
        words: what words stand for in the kernel: their places here. Each word in the code becomes that number.
        within: whether it becomes a part of whatever calls it.
        replaced: compiled functions in place of those that the rule calls by these names.
    """
    numbers = {word: i for i, word in enumerate(words)}
    code = function.__code__
    constants = tuple(numbers.get(c, c) if isinstance(c, str) else c for c in code.co_consts)
    copy = types.FunctionType(code.replace(co_consts=constants), {**function.__globals__, **replaced}, code.co_name)
    return jit(copy, within)  # type: ignore[return-value]


def accessor(dtype: np.dtype[Any], stride: int = 0, start: int = 0) -> Callable[[int, int], Any]:
    """Return a compiled function of (address, index) that gives the record there, without a check of bounds.

    Args:
        dtype: what the record is.
        stride: bytes from one record to the next, its own size by default.
        start: bytes from the address to the first one.
    """
    record = numba.from_dtype(dtype)
    size = stride or dtype.itemsize

    @intrinsic  # type: ignore[untyped-decorator]
    def at(_: Any, address: Any, index: Any) -> Any:
        def generate(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
            offset = builder.mul(arguments[1], context.get_constant(nb.int64, size))
            if start:
                offset = builder.add(offset, context.get_constant(nb.int64, start))
            return builder.inttoptr(builder.add(arguments[0], offset), context.get_value_type(record))

        return record(nb.int64, nb.int64), generate

    note_meaning(at, f"{dtype.fields} {size} {start}")
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


for one in (pointer, fetch):
    note_meaning(one, Path(__file__).read_text())
