"""The kinds of balancers, listed here."""

from typing import Annotated, Literal

from pydantic import Field

from twin.scenario.balancer.haproxy import HAProxy
from twin.scenario.balancer.nginx import Nginx

Balancer = Annotated[HAProxy | Nginx, Field(discriminator="kind")]
Preset = Literal["haproxy", "nginx"]

KINDS: dict[str, type[HAProxy | Nginx]] = {"haproxy": HAProxy, "nginx": Nginx}
DEFAULT = "haproxy"
"""The kind of a balancer whose table does not say it."""
