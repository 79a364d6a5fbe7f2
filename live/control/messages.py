"""Messages between the lab and its processes, as types: a part's orders, and what parts say.

Each room defines its own in its `messages.py`, and each class is known by its name from then on. On the wire a message
is one line of JSON, an object whose `type` is that name. It is decoded strictly: an unknown type, a field that lacks,
is not known or has a value of another type is a `MessageError` of one sentence.

Neither dataclasses nor msgspec: a dataclass takes .3 to .8 ms to define and msgspec 6 ms to load, and the start of a
node is measured (`twin.costs.starts`). A class of these takes some 20 us.
"""

import contextlib
import json
from collections.abc import Awaitable, Callable, Mapping, Sequence
from inspect import get_annotations
from types import NoneType, UnionType
from typing import Any, ClassVar, Literal, TypeVar, Union, dataclass_transform, get_args, get_origin

TYPE = "type"
"""Field of the wire format that names the type of a message."""
SHOWN = 60
"""Characters that an error shows of a line or a name."""


class MessageError(ValueError):
    """What came is no message that is known; the text is one sentence."""


@dataclass_transform(frozen_default=True)
class Struct:
    """A value with typed fields, made as a dataclass is: fields are the annotations of a subclass, in order.

    Attributes:
        fields: the type of each field, by name.
    """

    fields: ClassVar[dict[str, Any]] = {}

    def __init_subclass__(cls) -> None:
        super().__init_subclass__()
        own = {
            name: kind
            for name, kind in get_annotations(cls).items()
            if getattr(kind, "__origin__", None) is not ClassVar
        }
        cls.fields = cls.fields | own

    def __init__(self, *places: Any, **named: Any) -> None:
        names = list(self.fields)
        given = dict(zip(names, places, strict=False))
        wrong = [name for name in named if name not in self.fields or name in given]
        lacks = [name for name in names if name not in given | named and not hasattr(type(self), name)]
        if wrong or lacks or len(places) > len(names):
            raise TypeError(f"{type(self).__name__} takes {', '.join(names) or 'nothing'}")
        defaults = {name: getattr(type(self), name) for name in names if hasattr(type(self), name)}
        vars(self).update(defaults | given | named)

    def __setattr__(self, name: str, value: object) -> None:
        raise AttributeError(f"{type(self).__name__} does not change")

    def __eq__(self, other: object) -> bool:
        return type(self) is type(other) and vars(self) == vars(other)

    def __hash__(self) -> int:
        return hash((type(self), *vars(self).values()))

    def __repr__(self) -> str:
        return f"{type(self).__name__}({', '.join(f'{name}={value!r}' for name, value in vars(self).items())})"


class ControlMessage(Struct):
    """A message; a subclass is known by its name as soon as it is defined.

    Attributes:
        known: all that this process has loaded.
    """

    known: ClassVar[dict[str, type["ControlMessage"]]] = {}

    def __init_subclass__(cls) -> None:
        super().__init_subclass__()
        other = ControlMessage.known.setdefault(cls.__name__, cls).__module__
        if other != cls.__module__:
            raise TypeError(f"{cls.__module__} names a message {cls.__name__}, as {other} does; a name is for one only")
        ControlMessage.known[cls.__name__] = cls


SomeMessage = TypeVar("SomeMessage", bound=ControlMessage)


def encode(message: ControlMessage) -> bytes:
    """Return the line of a message."""
    return json.dumps({TYPE: type(message).__name__} | vars(message), default=vars).encode() + b"\n"


def plain(value: Struct) -> dict[str, Any]:
    """Return the fields of a value as JSON has them, for a record."""
    found: dict[str, Any] = json.loads(json.dumps(vars(value), default=vars))
    return found


def decode(line: bytes, kinds: Mapping[str, type[SomeMessage]]) -> SomeMessage:
    """Return the message of a line, if it is one of some kinds, which are given by name.

    Raises:
        MessageError: it is none.
    """
    try:
        found = json.loads(line)
    except (ValueError, RecursionError):
        found = None
    if not isinstance(found, dict) or TYPE not in found:
        raise MessageError(f"{_shown(line.decode(errors='replace').rstrip())} is no message")
    name = found.pop(TYPE)
    kind = kinds.get(name) if isinstance(name, str) else None
    if kind is None:
        raise MessageError(f"the message {_shown(name)} is unknown; allowed is {', '.join(sorted(kinds)) or 'none'}")
    made: SomeMessage = take(found, kind, kind.__name__)
    return made


def take(value: Any, kind: Any, where: str) -> Any:
    """Return what was decoded from JSON as a value of a type.

    Args:
        value: as `json` returns it.
        kind: float, int, str, bool, None, a `Struct` or dataclass; a list, sequence or tuple of such, or a dict with
            texts as keys; a Literal or a union; `Any` allows anything.
        where: name of the value, for the error.

    Raises:
        MessageError: it is not of that type.
    """
    if kind is Any or (kind in (int, str, bool) and type(value) is kind):
        return value
    if kind is float and type(value) in (int, float):
        return float(value)
    fields = fields_of(kind)
    if fields is not None and type(value) is dict:
        return _made(value, kind, fields, where)
    origin, inner = get_origin(kind), get_args(kind)
    if origin is Literal and any(type(value) is type(one) and value == one for one in inner):
        return value
    if origin in (Union, UnionType):
        return _one_of(value, kind, [one for one in inner if one is not NoneType], where)
    if origin in (list, Sequence) and type(value) is list:
        return [take(one, inner[0], f"{where}[{i}]") for i, one in enumerate(value)]
    if origin is tuple and type(value) is list and (inner[-1] is Ellipsis or len(inner) == len(value)):
        each = [inner[0]] * len(value) if inner[-1] is Ellipsis else inner
        return tuple(take(one, own, f"{where}[{i}]") for i, (one, own) in enumerate(zip(value, each, strict=True)))
    if origin is dict and type(value) is dict:
        return {name: take(one, inner[1], f"{where}[{name!r}]") for name, one in value.items()}
    raise MessageError(f"{where} is {_told(value)}; allowed is {_named(kind)}")


def fields_of(kind: Any) -> dict[str, Any] | None:
    """Return the type of each field, by name; None if a type has no fields."""
    if isinstance(kind, type) and issubclass(kind, Struct):
        return kind.fields
    found = getattr(kind, "__dataclass_fields__", None)
    return None if found is None else {name: field.type for name, field in found.items()}


def _made(value: dict[str, Any], kind: Any, fields: dict[str, Any], where: str) -> Any:
    """Return a value with fields."""
    unknown = [name for name in value if name not in fields]
    if unknown:
        raise MessageError(f"{where} has a field {_shown(unknown[0])}; allowed is {', '.join(fields) or 'none'}")
    found = {name: take(one, fields[name], f"{where}.{name}") for name, one in value.items()}
    try:
        return kind(**found)
    except TypeError:
        lacks = [name for name in fields if name not in found and not hasattr(kind, name)]
        if not lacks:
            raise
        raise MessageError(f"{where} lacks {', '.join(lacks)}") from None


def _one_of(value: Any, kind: Any, some: list[Any], where: str) -> Any:
    """Return a value of a union; None is one of the others."""
    if value is None and len(some) < len(get_args(kind)):
        return None
    if len(some) == 1:
        return take(value, some[0], where)
    for one in some:
        with contextlib.suppress(MessageError):
            return take(value, one, where)
    raise MessageError(f"{where} is {_told(value)}; allowed is {_named(kind)}")


def _named(kind: Any) -> str:
    return kind.__name__ if isinstance(kind, type) and get_origin(kind) is None else str(kind)


def _told(value: object) -> str:
    """Return what an error shows of a value: nothing of a text, which may be a password."""
    return repr(value) if value is None or isinstance(value, (int, float)) else f"a {type(value).__name__}"


def _shown(value: object) -> str:
    text = repr(value)
    return text if len(text) <= SHOWN else f"{text[:SHOWN]}..."


Order = Callable[[Any], Awaitable[None] | None]
"""Obeys a message. One that is awaited holds up those that come after it."""
Orders = dict[type[ControlMessage], Order]
"""What obeys each type of message, as `on` returns it."""


def on(kind: type[SomeMessage], obey: Callable[[SomeMessage], Awaitable[None] | None]) -> Orders:
    """Return who obeys one type of message, typed; several are joined with `|`."""
    return {kind: obey}


# What more than one room says


class Finish(ControlMessage):
    """An order: write the events to a file, as JSON, and answer `Done`."""

    path: str


class Spread(Struct):
    """How late timers of a kind were, in seconds."""

    count: int
    p50: float
    p99: float
    max: float


class Lateness(Struct):
    """How late the timers of a process were, by kind, and for how long it stood still, see `live.machine.timing`.

    Attributes:
        at: when it stood still, in seconds after the start of the run.
    """

    late: dict[str, Spread]
    stood_still: float
    at: float


class Done(ControlMessage):
    """So many events were written, and so late were the timers, where a process watches them."""

    events: int
    timers: Lateness | None = None


class Nothing(ControlMessage):
    """An order that asks for nothing: what it costs to hear one is measured."""


class Ready(ControlMessage):
    """A process can be told what to do, or all that it waits for is there."""


class Listening(ControlMessage):
    """A process listens since `at`, by the monotonic clock, and has used `cpu` seconds of CPU time for its start."""

    at: float
    cpu: float
