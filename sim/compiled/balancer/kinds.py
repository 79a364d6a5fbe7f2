"""What each kind of balancer lays into the kernel's world; the kinds that the kernel knows are listed here."""

from collections.abc import Callable
from typing import Any

from twin.rules.health import counted_fails


def lay_haproxy(w: Any, settings: Any, nodes: int) -> None:
    """Lay retries and active checks; `settings` are those of HAProxy."""
    w["retries"], w["redispatch"] = settings.retries, settings.redispatch
    w["shutdown"] = settings.cuts_marked_down
    w["fall"], w["rise"] = settings.check.fall, settings.check.rise
    w["inter"], w["check_timeout"] = settings.check.inter, settings.check.timeout


def lay_nginx(w: Any, settings: Any, nodes: int) -> None:
    """Lay what takes a peer out of rotation; `settings` are those of nginx."""
    w["nginx"] = True
    w["max_fails"] = counted_fails(settings.max_fails, nodes)
    w["fail_timeout"] = settings.fail_timeout


KINDS: dict[str, Callable[[Any, Any, int], None]] = {"haproxy": lay_haproxy, "nginx": lay_nginx}
