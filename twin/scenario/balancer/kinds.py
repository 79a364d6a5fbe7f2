"""The kinds of balancers, listed here."""

from typing import Annotated, Literal

from pydantic import Field

from twin.scenario.balancer.envoy import Envoy
from twin.scenario.balancer.haproxy import HAProxy
from twin.scenario.balancer.nginx import Nginx

Balancer = Annotated[HAProxy | Nginx | Envoy, Field(discriminator="kind")]
Preset = Literal["haproxy", "nginx", "envoy"]

KINDS: dict[str, type[HAProxy | Nginx | Envoy]] = {"haproxy": HAProxy, "nginx": Nginx, "envoy": Envoy}
DEFAULT = "haproxy"
"""The kind of a balancer whose table does not say it."""
