"""What every part of a scenario is made of: a frozen model, and the two kinds of time."""

from math import isfinite
from typing import Annotated, Any

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field

Seconds = Annotated[float, Field(ge=0, le=86400, allow_inf_nan=False)]
Positive = Annotated[float, Field(gt=0, le=86400, allow_inf_nan=False)]


def _check_delays(given: Any) -> Any:
    """Refuse what is not a list of waits or of pairs of them, in one sentence."""
    if not isinstance(given, list):
        raise ValueError(f"|{given!r}|a list of seconds")
    for i, delay in enumerate(given):
        pair = isinstance(delay, list) and len(delay) == 2
        bounds = delay if pair else [delay]
        if not all(isinstance(one, int | float) and not isinstance(one, bool) and isfinite(one) for one in bounds):
            raise ValueError(f"{i}|{delay!r}|seconds, or [low, high]")
        if not 0 <= bounds[0] <= bounds[-1] <= 86400:
            raise ValueError(f"{i}|{delay!r}|from 0 to 86400 s, low first")
    return given


Delays = Annotated[list[Seconds | list[Seconds]], BeforeValidator(_check_delays), Field(max_length=1000)]
"""Waits in seconds, each a number or the bounds [low, high] of one that is drawn evenly."""


class Part(BaseModel):
    """One table of settings: frozen, without unknown fields, without conversion of types."""

    model_config = ConfigDict(frozen=True, extra="forbid", strict=True, validate_default=True)
