"""What every part of a scenario is made of: a frozen model, the two kinds of time, and how a value is refused."""

from math import isfinite
from typing import Annotated, Any, NamedTuple

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field
from pydantic_core import PydanticCustomError

Seconds = Annotated[float, Field(ge=0, le=86400, allow_inf_nan=False)]
Positive = Annotated[float, Field(gt=0, le=86400, allow_inf_nan=False)]

REFUSED = "refused"
"""Type of the validation errors that `refused` makes."""

MOST_SHOWN = 60
"""Characters of a value that an error shows."""


class Problem(NamedTuple):
    """What does not fit: a field (dotted, "" is the table itself), its value as an error shows it, what is allowed."""

    field: str
    value: str
    allowed: str


def refused(field: str, value: str, allowed: str) -> PydanticCustomError:
    """Return the error by which a validator refuses a value; see `Problem` for the arguments."""
    context = {"field": field, "value": value, "allowed": allowed}
    return PydanticCustomError(REFUSED, "{field} is {value}; allowed is {allowed}", context)


def show(value: Any) -> str:
    """Return a value as an error shows it, cut after `MOST_SHOWN` characters."""
    try:
        text = repr(value)
    except ValueError:  # Python writes no integer of more than 4,300 digits
        return "too long a number"
    except RecursionError:
        return "nested too deeply"
    return cut(text)


def cut(text: str) -> str:
    """Return a text as an error shows it, cut after `MOST_SHOWN` characters."""
    return text if len(text) <= MOST_SHOWN else text[: MOST_SHOWN - 3] + "..."


def _check_delays(given: Any) -> Any:
    """Refuse what is not a list of waits or of pairs of them, in one sentence."""
    if not isinstance(given, list):
        raise refused("", show(given), "a list of seconds")
    for i, delay in enumerate(given):
        pair = isinstance(delay, list) and len(delay) == 2
        bounds = delay if pair else [delay]
        if not all(isinstance(one, int | float) and not isinstance(one, bool) and isfinite(one) for one in bounds):
            raise refused(str(i), show(delay), "seconds, or [low, high]")
        if not 0 <= bounds[0] <= bounds[-1] <= 86400:
            raise refused(str(i), show(delay), "from 0 to 86400 s, low first")
    return given


Delays = Annotated[list[Seconds | list[Seconds]], BeforeValidator(_check_delays), Field(max_length=1000)]
"""Waits in seconds, each a number or the bounds [low, high] of one that is drawn evenly."""


class Table(BaseModel):
    """One table of settings: frozen, without unknown fields, without conversion of types."""

    model_config = ConfigDict(frozen=True, extra="forbid", strict=True, validate_default=True)
