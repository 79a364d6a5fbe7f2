"""What every part of a scenario is made of: a frozen model, and the two kinds of time."""

from typing import Annotated

from pydantic import BaseModel, ConfigDict, Field

Seconds = Annotated[float, Field(ge=0, le=86400, allow_inf_nan=False)]
Positive = Annotated[float, Field(gt=0, le=86400, allow_inf_nan=False)]


class Part(BaseModel):
    """One table of settings: frozen, without unknown fields, without conversion of types."""

    model_config = ConfigDict(frozen=True, extra="forbid", strict=True, validate_default=True)
