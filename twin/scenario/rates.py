"""How often clients may come: what balancers limit by source address, and what clients make of a refusal."""

from typing import Annotated

from pydantic import Field

from twin.scenario.fields import Positive, Table

RetryAfter = Annotated[int, Field(ge=0, le=86_400)]
"""Whole seconds of a `Retry-After`; 0 is no such header."""


class AddressRate(Table):
    """HAProxy's limit of the requests of one source address, by a stick table."""

    limit: Annotated[int, Field(ge=1, le=1_000_000)] = Field(
        10, description="Requests of one address in a period; further ones get a 429, and count, too."
    )
    period: Positive = Field(60.0, description="The period, in seconds: http_req_rate(period) of the stick table.")
    retry_after: RetryAfter = Field(0, description="Seconds in the Retry-After of the 429; 0: it has none.")


class RequestRate(Table):
    """nginx's limit of the requests of one source address, `limit_req` with `nodelay`."""

    rate: Annotated[int, Field(ge=1, le=1_000_000)] = Field(
        10, description="Requests of one address a minute; those that are refused with a 429 do not count."
    )
    burst: Annotated[int, Field(ge=0, le=1_000_000)] = Field(
        9, description="Requests of one address that may come at once, beside the first one."
    )
    retry_after: RetryAfter = Field(0, description="Seconds in the Retry-After of the 429; 0: it has none.")


class Refusals(Table):
    """What a client makes of an HTTP status other than 101."""

    fatal: Annotated[list[Annotated[int, Field(ge=400, le=599)]], Field(max_length=200)] = Field(
        [], description="Statuses after which a client gives up, as some libraries do after 429."
    )
    retry_after: bool = Field(
        False, description="true: a client waits as long as a Retry-After asks for, in place of its backoff."
    )

    @property
    def matters(self) -> bool:
        """Whether a client does anything else than wait and try again."""
        return bool(self.fatal) or self.retry_after
