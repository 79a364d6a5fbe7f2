"""Settings that take effect only after the end of the run, which therefore shows nothing of them."""

from twin.rules.heartbeat import detection_bounds
from twin.scenario.faults import Fault
from twin.scenario.scenario import Scenario


def later_advice(scenario: Scenario) -> list[str]:
    """Return one sentence for each setting that bites after the end of the run."""
    found = [_unnoticed(scenario, i, fault) for i, fault in enumerate(scenario.faults)]
    found += [_hard_stop(scenario, fault) for fault in scenario.faults]
    found.append(_sessions(scenario))
    return [text for text in found if text]


def _unnoticed(scenario: Scenario, i: int, fault: Fault) -> str:
    """A node falls silent, and its clients find out only after the end."""
    if fault.kind not in ("hang", "blackhole") or fault.duration is not None or scenario.clients.transport.polls:
        return ""
    balancer, beat = scenario.balancer, scenario.clients.heartbeat
    first, last = detection_bounds(beat.max_interval or beat.interval, beat.timeout, beat.close_timeout)
    left = scenario.duration - fault.at
    if balancer.cuts_marked_down or left > min(
        first if beat.interval else scenario.idle_timeout, scenario.idle_timeout
    ):
        return ""
    if not beat.interval:
        return (
            f"faults.{i} silences node {fault.node} at {fault.at:g} s, but clients.heartbeat.interval is 0: no client "
            f"notices it within the run of {scenario.duration:g} s."
        )
    return (
        f"faults.{i} silences node {fault.node} at {fault.at:g} s, and by clients.heartbeat its clients notice that "
        f"{first:g} to {last:g} s later: nobody does within the run of {scenario.duration:g} s."
    )


def _hard_stop(scenario: Scenario, fault: Fault) -> str:
    """A reload whose old process cuts its connections only after the end."""
    stop = scenario.balancer.hard_stop_after
    if fault.kind != "reload" or not stop or fault.at + stop < scenario.duration:
        return ""
    return (
        f"balancer.hard_stop_after is {stop:g} s, and the reload is at {fault.at:g} s: what the old process still "
        f"holds is cut, though not within the run of {scenario.duration:g} s."
    )


def _sessions(scenario: Scenario) -> str:
    """Sessions that end below a connection that lasts."""
    sessions = scenario.sessions
    if sessions.store == "none" or sessions.refresh or sessions.expiry < scenario.duration:
        return ""
    then = "logs in again" if sessions.on_refusal == "login" else "stops for good"
    return (
        f"sessions.expiry is {sessions.expiry:g} s and sessions.refresh is false: who was connected for longer {then} "
        f"at the next reconnect, though not within the run of {scenario.duration:g} s."
    )
