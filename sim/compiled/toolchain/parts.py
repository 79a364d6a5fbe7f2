"""Compile a function that only other compiled functions call, without making machine code of it.

numba optimises every function by itself and makes machine code of it, together with all that it calls; what calls it
does the same again with the whole. For a kernel of hundreds of small functions nearly all of that is thrown away. Here
a function is only translated to the compiler's language; what Python calls is optimised and made machine code once,
with all of its parts in it.
"""

from itertools import count
from typing import Any

from llvmlite.binding import Linkage
from numba.core.codegen import JITCodeLibrary
from numba.core.compiler import Compiler

_numbers = count()


class _NoEnvironment:
    """Stands where machine code would be told of its environment: a part has none."""

    def set_env(self, name: str, environment: Any) -> None:
        """Do nothing."""


class _Library(JITCodeLibrary):  # type: ignore[misc]
    """Code that is only linked into other code."""

    def _optimize_final_module(self) -> None:
        """Leave that to the whole."""

    def _finalize_final_module(self) -> None:
        self._finalize_dynamic_globals()
        self._finalized = True

    def get_pointer_to_function(self, name: str) -> int:
        """Return 0: there is no machine code."""
        self._ensure_finalized()
        return 0

    @property
    def codegen(self) -> Any:
        """What numba tells of an environment."""
        return _NoEnvironment()


class _Whole(JITCodeLibrary):  # type: ignore[misc]
    """Code with all of its parts, which nobody else knows: what is called once may be put in its place."""

    def _optimize_final_module(self) -> None:
        for function in self._final_module.functions:
            if not function.is_declaration and function.linkage == Linkage.linkonce_odr:
                function.linkage = Linkage.internal
        super()._optimize_final_module()


class WholeCompiler(Compiler):  # type: ignore[misc]
    """numba's compiler for what Python calls; give it as `pipeline_class`."""

    def __init__(self, typing: Any, target: Any, library: Any, *rest: Any) -> None:
        if library is None:
            library = _Whole(target.codegen(), f"whole{next(_numbers)}")
            library.enable_object_caching()
        super().__init__(typing, target, library, *rest)


class PartCompiler(Compiler):  # type: ignore[misc]
    """numba's compiler for a part; give it as `pipeline_class`."""

    def __init__(self, typing: Any, target: Any, library: Any, *rest: Any) -> None:
        part = library or _Library(target.codegen(), f"part{next(_numbers)}")
        super().__init__(typing, target, part, *rest)
