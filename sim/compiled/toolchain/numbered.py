"""Enumerations whose members are plain whole numbers in compiled code.

numba knows enumerations: a member of `IntEnum` has a type of its own there, and a function that is called with members
of two of them, or with a number, is compiled for each. Members of `Numbered` are numbers of 64 bits from the start.
"""

from enum import EnumMeta, IntEnum
from functools import cache
from typing import Any, Self

from numba.core import types as nb
from numba.extending import models, register_model, typeof_impl


class _NumberedMeta(EnumMeta):
    """Marks the enumerations that are numbers in compiled code."""


class Numbered(IntEnum, metaclass=_NumberedMeta):
    """Numbers by name: with `auto()` each is one more than the one before, the first is 0."""

    @staticmethod
    def _generate_next_value_(name: str, start: int, count: int, last_values: list[int]) -> int:
        return last_values[-1] + 1 if last_values else 0


class Text(Numbered):
    """Numbers that stand for texts, from 0 on: each is assigned its text."""

    text: str

    def __new__(cls, text: str) -> Self:
        """Number a text."""
        one = int.__new__(cls, len(cls.__members__))
        one._value_ = len(cls.__members__)
        one.text = text
        return one

    @classmethod
    def of(cls, text: str) -> Self:
        """Return the number of a text.

        Raises:
            KeyError: no number stands for it.
        """
        return _numbers(cls)[text]

    @classmethod
    def texts(cls) -> tuple[str, ...]:
        """Return the texts, in order of their numbers."""
        return tuple(_numbers(cls))


@cache
def _numbers(cls: type[Any]) -> dict[str, Any]:
    return {one.text: one for one in cls}


class _Numbers(nb.IntEnumClass):
    """numba's type of such an enumeration."""

    @property
    def member_type(self) -> Any:
        """A member is a number and nothing else."""
        return self.dtype


register_model(_Numbers)(models.OpaqueModel)


@typeof_impl.register(_NumberedMeta)  # type: ignore[untyped-decorator]
def _typeof(cls: Any, context: Any) -> Any:
    return _Numbers(cls, nb.int64)
