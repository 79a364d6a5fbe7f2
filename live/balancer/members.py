"""How the registrar, a process of its own, keeps the servers of each kind of balancer in step with the registry."""

from collections.abc import Callable, Mapping
from typing import Any, Protocol

from live.balancer.envoy_members import EnvoyMembers
from live.balancer.haproxy_members import HAProxyMembers
from live.balancer.nginx_members import NginxMembers
from twin.rules.registry import Changes, Registration


class Members(Protocol):
    """The servers of a running balancer."""

    def apply(self, todo: Changes, members: Mapping[int, Registration]) -> None:
        """Take servers out and in; an error is in the log, and the next look tries again.

        Raises:
            OSError: the balancer does not answer, or does not do it.
        """
        ...


KINDS: dict[str, Callable[..., Members]] = {
    "haproxy": HAProxyMembers,
    "nginx": NginxMembers,
    "envoy": EnvoyMembers,
}


def members_of(kind: str, settings: Mapping[str, Any]) -> Members:
    """Return the servers of a balancer; the settings are those of `Balancer.members`."""
    return KINDS[kind](**settings)
