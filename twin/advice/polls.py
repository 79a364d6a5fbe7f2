"""Long polls that the balancer cuts before their nodes answer."""

from collections.abc import Iterator

from twin.advice.finding import Bite, LintFinding, found, rule
from twin.rules.polling import cut_by
from twin.scenario.scenario import Scenario


@rule("long-poll-cut", "HAProxy 2.8 manual, `timeout server`; nginx, ngx_http_proxy_module (`proxy_read_timeout`)")
def long_poll_cut(scenario: Scenario) -> Iterator[Bite]:
    """Yield the time for which nodes hold requests when the balancer waits for answers no longer than that."""
    hold, timeout = scenario.clients.transport.held, scenario.balancer.answer_timeout
    if not hold or not cut_by(hold, timeout):
        return
    field = f"balancer.{scenario.balancer.answer_field}"
    after = "" if timeout < scenario.duration else f", though not within the run of {scenario.duration:g} s"
    yield Bite(
        "clients.transport.hold",
        f"{hold:g}",
        f"clients.transport.hold is {hold:g} s, and {field} is {timeout:g} s: the balancer gives up each request to "
        f"which nothing comes in that time{after}.",
        f"Set clients.transport.hold below {timeout:g} s, or {field} above {hold:g} s.",
    )


RULES = (long_poll_cut,)


def poll_advice(scenario: Scenario) -> list[LintFinding]:
    """Return what is found when the balancer waits for answers no longer than nodes hold requests."""
    return found(RULES, scenario)
