"""The kinds of balancers whose configurations are written: one module each, listed here."""

from typing import Any

from twin.config.base import Configuration, Site
from twin.config.envoy import ENVOY
from twin.config.haproxy import HAPROXY
from twin.config.nginx import NGINX
from twin.scenario.scenario import Scenario

CONFIGURATIONS: dict[str, Configuration[Any]] = {one.kind: one for one in (HAPROXY, NGINX, ENVOY)}


def of_site(scenario: Scenario, site: Site) -> str:
    """Return the configuration of the scenario's balancer to take away.

    Raises:
        ScenarioError: the site cannot stand in a configuration.
    """
    return CONFIGURATIONS[scenario.balancer.kind].of_site(scenario, site)


__all__ = ["CONFIGURATIONS", "Site", "of_site"]
