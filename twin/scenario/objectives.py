"""What a cluster is asked to hold, and in which share of its runs."""

from typing import Annotated, Any

from pydantic import Field, SerializerFunctionWrapHandler, model_serializer, model_validator

from twin.scenario.fields import Table, refused

Bound = Annotated[float, Field(allow_inf_nan=False)]

COST = "cost"
"""The measure of an objective that has a price."""


class Objective(Table):
    """A bound of one measure, and the share of the runs in which it is to hold."""

    measure: Annotated[str, Field(min_length=1, max_length=60)] = Field(
        description="A measure of docs/measures.md, as time_to_99, or user_seconds_lost, availability, lost_messages, "
        "peak_connects or cost."
    )
    at_most: Bound | None = Field(None, description="Largest value that is allowed, in the unit of the measure.")
    at_least: Bound | None = Field(None, description="Smallest value that is allowed, in the unit of the measure.")
    share: Annotated[float, Field(gt=0, lt=1)] = Field(
        0.95, alias="in", description="Share of all runs in which it is to hold, more than 0 and less than 1."
    )
    price: Annotated[float, Field(ge=0, le=1e9)] | None = Field(
        None, description="What a node costs an hour, for the measure cost; in any currency."
    )
    hours: Annotated[float, Field(gt=0, le=1e6)] = Field(
        730.0, description="Hours that the cost is of; 730 are a month."
    )

    @model_validator(mode="after")
    def _check(self) -> "Objective":
        if self.at_most is None and self.at_least is None:
            raise refused("at_most", "missing", "at_most or at_least, or both")
        if self.at_most is not None and self.at_least is not None and self.at_least > self.at_most:
            raise refused("at_least", f"{self.at_least:g}", f"not more than at_most, {self.at_most:g}")
        if self.measure == COST and self.price is None:
            raise refused("price", "missing", "what a node costs an hour, with measure 'cost'")
        if self.measure != COST and self.price is not None:
            raise refused("price", f"{self.price:g}", f"left out, as measure '{self.measure}' costs nothing")
        return self

    @model_serializer(mode="wrap")
    def _as_in_a_file(self, handler: SerializerFunctionWrapHandler) -> dict[str, Any]:
        """Return the settings by the names that a file has: `in` is no name that Python allows for a field."""
        return {"in" if name == "share" else name: value for name, value in handler(self).items()}

    @property
    def bounds(self) -> str:
        """The bounds in words, as "at most 30"."""
        given = {"at least": self.at_least, "at most": self.at_most}
        return " and ".join(f"{word} {value:g}" for word, value in given.items() if value is not None)
