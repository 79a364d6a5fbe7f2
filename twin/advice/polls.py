"""Long polls that the balancer cuts before their nodes answer."""

from twin.rules.polling import cut_by
from twin.scenario.scenario import Scenario


def poll_advice(scenario: Scenario) -> list[str]:
    """Return one sentence when the balancer waits for answers no longer than nodes hold requests."""
    hold, timeout = scenario.clients.transport.held, scenario.balancer.answer_timeout
    if not hold or not cut_by(hold, timeout):
        return []
    after = "" if timeout < scenario.duration else f", though not within the run of {scenario.duration:g} s"
    return [
        f"clients.transport.hold is {hold:g} s, and balancer.{scenario.balancer.answer_field} is {timeout:g} s: "
        f"the balancer gives up each request to which nothing comes in that time{after}."
    ]
