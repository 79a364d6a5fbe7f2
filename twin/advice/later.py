"""Settings that take effect only after the end of the run, which therefore shows nothing of them."""

from collections.abc import Iterator

from twin.advice.finding import Bite, LintFinding, found, rule
from twin.rules.heartbeat import detection_bounds
from twin.scenario.faults import Fault
from twin.scenario.scenario import Scenario


@rule("unnoticed-fault", "websockets 17, asyncio/connection.py (`keepalive`); docs/cheat-sheet.md, rule 13")
def unnoticed_fault(scenario: Scenario) -> Iterator[Bite]:
    """Yield each fault by which a node falls silent, when its clients find out only after the end."""
    for i, fault in enumerate(scenario.faults):
        happens = _unnoticed(scenario, i, fault)
        if happens:
            yield Bite(
                f"faults.{i}.kind",
                fault.kind,
                happens,
                "Set duration longer, or clients.heartbeat.interval and timeout shorter, or let the balancer cut what "
                "it marks down.",
            )


@rule("hard-stop-after-run", "HAProxy 2.8 manual, `hard-stop-after`; nginx, ngx_core_module, worker_shutdown_timeout")
def hard_stop_after_run(scenario: Scenario) -> Iterator[Bite]:
    """Yield the hard stop of a reload whose old process cuts its connections only after the end."""
    stop = scenario.balancer.hard_stop_after
    for fault in scenario.faults:
        if fault.kind == "reload" and stop and fault.at + stop >= scenario.duration:
            yield Bite(
                "balancer.hard_stop_after",
                f"{stop:g}",
                f"balancer.hard_stop_after is {stop:g} s, and the reload is at {fault.at:g} s: what the old process "
                f"still holds is cut, though not within the run of {scenario.duration:g} s.",
                f"Set duration above {fault.at + stop:g} s to see it.",
            )


@rule("session-expiry", "Redis manual, SETEX; docs/model.md, Where sessions are")
def session_expiry(scenario: Scenario) -> Iterator[Bite]:
    """Yield the expiry of sessions that end below a connection that lasts."""
    sessions = scenario.sessions
    if sessions.store == "none" or sessions.refresh or sessions.expiry < scenario.duration:
        return
    then = "logs in again" if sessions.on_refusal == "login" else "stops for good"
    yield Bite(
        "sessions.expiry",
        f"{sessions.expiry:g}",
        f"sessions.expiry is {sessions.expiry:g} s and sessions.refresh is false: who was connected for longer {then} "
        f"at the next reconnect, though not within the run of {scenario.duration:g} s.",
        "Set sessions.refresh to true, or sessions.expiry above what connections last.",
    )


RULES = (unnoticed_fault, hard_stop_after_run, session_expiry)


def later_advice(scenario: Scenario) -> list[LintFinding]:
    """Return what is found about settings that bite after the end of the run."""
    return found(RULES, scenario)


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
