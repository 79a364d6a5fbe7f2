"""How a type of event is declared, and how its own columns stand in the one text of a compact row.

A row of every event has the same seven columns. What an event has besides stands in the last of them, `detail`: the
values in their order, with what separates them, those at the end that do not apply left out. It is written and read
here and nowhere else: `Scaled(3, 4, "...").detail`, `Scaled.of(row)`, `record.select("scaled")["before"]`.
"""

from collections.abc import Callable
from dataclasses import MISSING, dataclass, field, fields
from functools import lru_cache
from typing import Any, ClassVar, Literal, Self, TypeVar, cast, dataclass_transform

Row = tuple[float, str, int, int, int, int, str]
Value = int | str | bool
Sort = Literal["number", "text", "flag"]

SORTS: dict[type, Sort] = {int: "number", str: "text", bool: "flag"}
EMPTY: dict[Sort, Value] = {"number": -1, "text": "", "flag": False}
"""What stands for "does not apply" in a column of each sort."""
COMMON = ("client", "node", "attempt", "version")
"""Columns of every row, of which an event has some."""
MOST_DIGITS = 18
"""Digits of a number that fits in a column of 64 bits, whatever they are."""
REMEMBERED = 1 << 16
"""Details whose values are remembered: replications of one scenario mostly have the same ones."""


@dataclass(frozen=True, slots=True)
class Column:
    """An own column of a type of event.

    Attributes:
        name: what it is called; columns of several events that mean the same have one name.
        sort: what its values are: whole numbers from 0, texts, or true and false.
        meaning: what it says.
        unit: of its numbers, empty for those that have none.
        after: what separates it from the value before it.
    """

    name: str
    sort: Sort
    meaning: str
    unit: str
    after: str

    @property
    def empty(self) -> Value:
        """What stands for "does not apply"."""
        return EMPTY[self.sort]

    def word(self, value: Value) -> str:
        """Return a value as it stands in a detail."""
        if self.sort == "flag":
            return self.name if value else ""
        return str(value)

    def value(self, word: str) -> Value:
        """Return what a word of a detail says, `empty` if it is none of this column."""
        if self.sort == "text":
            return word
        if self.sort == "flag":
            return word == self.name
        return int(word) if word.isascii() and word.isdigit() and len(word) <= MOST_DIGITS else -1


def own(meaning: str, unit: str = "", after: str = " ", default: Value | None = None) -> Any:
    """Declare an own column of an event, one without a default if `default` is None; see `Column`."""
    said = {"meaning": meaning, "unit": unit, "after": after}
    return field(default=MISSING if default is None else default, metadata=said)


class Event:
    """What happened, without when and to whom: the own columns of one type of event. Its docstring says what it means.

    Attributes:
        name: as the column `event` has it.
        required: the common columns that every such event has.
        optional: those that it may have.
        columns: its own ones, in the order of its fields.
        pack: returns the detail of an event with given values of its own columns; those left out at the end do not
            apply. A text that is not the last value must not have in it what separates it from the next one.
    """

    __slots__ = ()
    name: ClassVar[str]
    required: ClassVar[frozenset[str]]
    optional: ClassVar[frozenset[str]]
    columns: ClassVar[tuple[Column, ...]]
    pack: ClassVar[Callable[..., str]]

    @classmethod
    def unpack(cls, detail: str) -> tuple[Value, ...]:
        """Return the values of the own columns out of a detail; what is not there or makes no sense does not apply."""
        return _unpacked(cls, detail)  # type: ignore[arg-type]  # a class hashes as such, whatever its instances do

    @classmethod
    def says(cls, detail: str) -> bool:
        """Tell whether a text is the detail of such an event: nothing is lost when it is unpacked."""
        values = cls.unpack(detail)
        return cls.pack(*values) == detail and not (cls.is_count() and values[0] == -1)

    @classmethod
    def is_count(cls) -> bool:
        """Tell whether the event's only own column is a number: there is no such event without it."""
        return len(cls.columns) == 1 and cls.columns[0].sort == "number"

    @classmethod
    def of(cls, row: Row) -> Self:
        """Return the event of a row.

        Raises:
            ValueError: the row has another event, or a detail that is none of it.
        """
        if row[1] != cls.name or not cls.says(row[6]):
            raise ValueError(f"{row[1]} {row[6]!r} is no {cls.name} with {cls.form()}")
        return cls(*cls.unpack(row[6]))

    @property
    def detail(self) -> str:
        """The own columns as a row has them."""
        return self.pack(*[getattr(self, column.name) for column in self.columns])

    @classmethod
    def form(cls) -> str:
        """Return in words what a detail of the event consists of."""
        if not cls.columns:
            return "no detail"
        said = [f"{column.name} ({_ALLOWED[column.sort]})" for column in cls.columns]
        return ", ".join(said)


_ALLOWED = {"number": f"a whole number of at most {MOST_DIGITS} digits", "text": "a text", "flag": "or not"}


def _packer(columns: tuple[Column, ...]) -> Callable[..., str]:
    """Return `Event.pack` of a type with these columns; models call it often."""
    words = [f"{column.after if i else ''}%s" for i, column in enumerate(columns)]
    forms = ["".join(words[:count]) for count in range(len(words) + 1)]
    empty = ["" if column.sort == "flag" else column.empty for column in columns]

    def pack(*values: Any) -> str:
        last = len(values)
        while last and values[last - 1] == empty[last - 1]:
            last -= 1
        return forms[last] % (values if last == len(values) else values[:last])

    def pack_flags(*values: Any) -> str:
        return pack(*[column.word(value) for column, value in zip(columns, values, strict=False)])

    return pack_flags if any(column.sort == "flag" for column in columns) else pack


@lru_cache(REMEMBERED)
def _unpacked(of: type[Event], detail: str) -> tuple[Value, ...]:
    values, rest, columns = [], detail, of.columns
    for i, column in enumerate(columns):
        word, rest = (rest, "") if i == len(columns) - 1 else _parted(rest, columns[i + 1].after)
        values.append(column.value(word))
    return tuple(values)


def _parted(text: str, at: str) -> tuple[str, str]:
    word, _, rest = text.partition(at)
    return word, rest


Type = TypeVar("Type", bound=type[Event])


@dataclass_transform(frozen_default=True, field_specifiers=(own,))
def event(common: str = "") -> Callable[[Type], Type]:
    """Make a class a type of event, a frozen dataclass with slots.

    Args:
        common: the common columns that it has, with a `?` behind those that it may have.
    """

    def declared(cls: Type) -> Type:
        made: Any = dataclass(frozen=True, slots=True)(cls)
        made.name = "".join(f"_{letter.lower()}" if letter.isupper() else letter for letter in cls.__name__)[1:]
        made.required = frozenset(name for name in common.split() if not name.endswith("?"))
        made.optional = frozenset(name.removesuffix("?") for name in common.split() if name.endswith("?"))
        assert made.required | made.optional <= set(COMMON), cls
        made.columns = tuple(Column(one.name, SORTS[cast(type, one.type)], **one.metadata) for one in fields(made))
        made.pack = staticmethod(_packer(made.columns))
        return made  # type: ignore[no-any-return]

    return declared
