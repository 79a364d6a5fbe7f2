"""Times so long that milliseconds may be meant, as most programs and libraries count them."""

from collections.abc import Iterator
from typing import Any

from twin.advice.finding import Bite, LintFinding, found, rule
from twin.scenario.fields import Table
from twin.scenario.scenario import Scenario

HOUR = 3600.0

PLAUSIBLE: dict[str, float] = {
    "clients.open_timeout": 300.0,
    "clients.reconnect.base": 60.0,
    "clients.reconnect.cap": 900.0,
    "clients.reconnect.stable_time": 900.0,
    "clients.reconnect.delays.*": 900.0,
    "clients.heartbeat.interval": 900.0,
    "clients.heartbeat.timeout": 900.0,
    "clients.heartbeat.close_timeout": 300.0,
    "clients.heartbeat.max_interval": 1800.0,
    "clients.transport.interval": 900.0,
    "clients.transport.hold": 900.0,
    "clients.sends.batch.window": 10.0,
    "clients.recovery.timeout": 300.0,
    "balancer.check.inter": 300.0,
    "balancer.check.timeout": 300.0,
    "balancer.check.interval": 300.0,
    "balancer.check.unhealthy_interval": 300.0,
    "balancer.check.unhealthy_edge_interval": 300.0,
    "balancer.check.healthy_edge_interval": 300.0,
    "balancer.check.no_traffic_interval": 300.0,
    "balancer.slowstart": 900.0,
    "balancer.connect_timeout": 300.0,
    "balancer.queue_timeout": 300.0,
    "balancer.address_rate.period": 3600.0,
    "balancer.address_rate.retry_after": 3600.0,
    "balancer.limit_req.retry_after": 3600.0,
    "balancer.fail_timeout": 900.0,
    "balancer.tunnel_timeout": 7200.0,
    "balancer.server_timeout": 1800.0,
    "balancer.read_timeout": 7200.0,
    "balancer.stream_idle_timeout": 7200.0,
    "balancer.timeout": 1800.0,
    "balancer.delayed_close_timeout": 60.0,
    "balancer.update_merge_window": 60.0,
    "balancer.max_stream_duration": 86400.0,
    "balancer.outlier_detection.interval": 300.0,
    "balancer.outlier_detection.base_ejection_time": 900.0,
    "balancer.outlier_detection.max_ejection_time": 3600.0,
    "balancer.retry_policy.per_try_timeout": 300.0,
    "balancer.retry_policy.base_interval": 60.0,
    "balancer.retry_policy.max_interval": 300.0,
    "balancer.hard_stop_after": 1800.0,
    "nodes.ping_interval": 900.0,
    "nodes.ping_timeout": 900.0,
    "nodes.lifetime.mean": 7200.0,
    "nodes.memory_restart": 900.0,
    "nodes.read_deadline": 900.0,
    "nodes.write_deadline": 300.0,
    "nodes.batch.window": 10.0,
    "nodes.pool.timeout": 300.0,
    "nodes.pool.idle_timeout": 7200.0,
    "nodes.pool.lifetime": 7200.0,
    "nodes.pool.service.mean": 60.0,
    "nodes.pool.alarms.share_for": 900.0,
    "nodes.pool.alarms.wait": 300.0,
    "nodes.pool.alarms.out": 1800.0,
    "nodes.handler.tasks.*.cpu.mean": 10.0,
    "nodes.handler.tasks.*.blocking.mean": 30.0,
    "nodes.handler.tasks.*.awaiting.mean": 60.0,
    "bus.idempotency_window": 7200.0,
    "bus.commit_interval": 300.0,
    "bus.jetstream.ack_wait": 900.0,
    "bus.lease": 300.0,
    "bus.output_buffer.soft_seconds": 900.0,
    "bus.retry.base": 10.0,
    "bus.retry.cap": 300.0,
    "bus.retry.timeout": 300.0,
    "publisher.batch.window": 10.0,
    "publisher.ack_timeout": 300.0,
    "registry.ttl": 300.0,
    "registry.heartbeat": 300.0,
    "registry.sync": 300.0,
    "autoscaling.sync_period": 300.0,
    "autoscaling.up.window": 1800.0,
    "autoscaling.up.policies.*.period": 900.0,
    "autoscaling.down.window": 1800.0,
    "autoscaling.down.policies.*.period": 900.0,
    "autoscaling.cpu_initialization": 1800.0,
    "autoscaling.initial_readiness": 900.0,
    "autoscaling.lead": 300.0,
    "sessions.expiry": 7200.0,
    "sessions.token_lifetime": 7200.0,
    "faults.*.duration": 900.0,
    "faults.*.delay": 5.0,
    "faults.*.lead": 300.0,
}
"""For each time of a scenario the longest in seconds that is likely to be meant; whole hours are, however many. A `*`
stands for a place in a list."""

BOUNDED = ("duration", "faults.*.at", "clients.arrivals.at", "publisher.start", "publisher.stop")
"""Times that the length of the run bounds, or are it."""


@rule("milliseconds", "each program and library counts in its own unit; the longest plausible values are the lab's")
def milliseconds(scenario: Scenario) -> Iterator[Bite]:
    """Yield each time that is so long that milliseconds may be meant."""
    for pattern, path, value in numbers(scenario):
        if value > PLAUSIBLE.get(pattern, value) and value % HOUR:
            yield Bite(
                path,
                f"{value:g}",
                f"{path} is {value:g} s, for times are in seconds.",
                f"If milliseconds are meant, write {value / 1000:g}.",
            )


RULES = (milliseconds,)


def time_advice(scenario: Scenario) -> list[LintFinding]:
    """Return what is found about times that are so long that milliseconds may be meant."""
    return found(RULES, scenario)


def numbers(value: Any, pattern: str = "", path: str = "") -> Iterator[tuple[str, str, float]]:
    """Yield each number among some settings: its path with `*` for places in lists, its path, and the number."""
    if isinstance(value, Table):
        for name in type(value).model_fields:
            yield from numbers(getattr(value, name), f"{pattern}.{name}".lstrip("."), f"{path}.{name}".lstrip("."))
    elif isinstance(value, list):
        for i, one in enumerate(value):
            inner = pattern if pattern.endswith(".*") else f"{pattern}.*"  # a pair of bounds is in its list's place
            yield from numbers(one, inner, f"{path}.{i}")
    elif isinstance(value, int | float) and not isinstance(value, bool):
        yield pattern, path, float(value)
