"""How many nodes are wanted: the Kubernetes Horizontal Pod Autoscaler, its replica calculator.

`desired = ceil(ratio * pods)`, where the ratio is what the pods use over what they should use. Nothing is done within a
tolerance around 1. A pod without a metric counts as idle on the way up and as busy on the way down, so a missing metric
never makes a step larger. A pod that is not ready yet counts as idle on the way up, and not at all on the way down.
`twin/rules/scaling.py` then limits the steps. All amounts are whole thousandths, as upstream.

Source: Kubernetes, `pkg/controller/podautoscaler/replica_calculator.go` (with separate tolerances, 1.33) and
`pkg/controller/podautoscaler/metrics/utilization.go`. Defaults: `cmd/kube-controller-manager`, flags
`--horizontal-pod-autoscaler-*`.
"""

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from math import ceil
from typing import Literal

SYNC_PERIOD = 15.0
"""Seconds between two decisions (`--horizontal-pod-autoscaler-sync-period`)."""

CPU_INITIALIZATION = 300.0
"""Seconds after a pod's start in which its CPU counts only when it is ready and the sample is from after that
(`--horizontal-pod-autoscaler-cpu-initialization-period`)."""

INITIAL_READINESS = 30.0
"""Seconds after a pod's start in which a change to unready counts as the first state it ever had
(`--horizontal-pod-autoscaler-initial-readiness-delay`)."""

Phase = Literal["pending", "running", "succeeded", "failed"]


class NoMetricsError(ValueError):
    """Nothing can be computed from what is known: the autoscaler does nothing."""


@dataclass(frozen=True)
class Tolerance:
    """How far the ratio may be off 1 without any action (`--horizontal-pod-autoscaler-tolerance`)."""

    down: float = 0.1
    up: float = 0.1

    def covers(self, ratio: float) -> bool:
        """Tell whether `ratio` is so close to 1 that nothing is done."""
        return 1.0 - self.down <= ratio <= 1.0 + self.up


@dataclass(frozen=True)
class Pod:
    """One replica as the autoscaler sees it; times in seconds on any one clock.

    Attributes:
        name: names its sample.
        request: requested CPU in thousandths; None when the pod has no request.
        phase: where it is in its life.
        ready: its readiness; None when it has no such condition yet.
        ready_since: when `ready` last changed.
        started: when it started; None before that.
        deleting: whether its end has begun.
    """

    name: str
    request: int | None = 1000
    phase: Phase = "running"
    ready: bool | None = True
    ready_since: float = 0.0
    started: float | None = 0.0
    deleting: bool = False


@dataclass(frozen=True)
class Sample:
    """What a pod used, in thousandths: the mean over `window` seconds that ended at `at`."""

    value: int
    at: float = 0.0
    window: float = 60.0


@dataclass(frozen=True)
class Recommendation:
    """How many replicas a metric asks for, and the use that it was computed from.

    Attributes:
        replicas: the wanted number.
        usage: mean use a pod in thousandths (of all pods for a metric of the whole).
        utilization: use in percent of the requests; 0 when the target is not a percentage.
    """

    replicas: int
    usage: int
    utilization: int = 0


@dataclass(frozen=True)
class Groups:
    """The pods by what is known of them: how many count, and the names of those that do not."""

    ready: int
    unready: frozenset[str]
    missing: frozenset[str]
    ignored: frozenset[str]


def group_pods(
    pods: Iterable[Pod],
    samples: Mapping[str, Sample],
    cpu: bool,
    now: float,
    cpu_initialization: float = CPU_INITIALIZATION,
    initial_readiness: float = INITIAL_READINESS,
) -> Groups:
    """Tell the pods that count from those that do not.

    Args:
        pods: all replicas.
        samples: what is known of them, by name.
        cpu: whether the metric is CPU; readiness matters only then, because a pod that starts is busy.
        now: the time, on the clock of the pods.
        cpu_initialization: see `CPU_INITIALIZATION`.
        initial_readiness: see `INITIAL_READINESS`.

    Source: `groupPods`.
    """
    ready = 0
    unready, missing, ignored = set(), set(), set()
    for pod in pods:
        sample = samples.get(pod.name)
        if pod.deleting or pod.phase == "failed":
            ignored.add(pod.name)
        elif pod.phase == "pending":
            unready.add(pod.name)
        elif sample is None:
            missing.add(pod.name)
        elif cpu and _starts(pod, sample, now, cpu_initialization, initial_readiness):
            unready.add(pod.name)
        else:
            ready += 1
    return Groups(ready, frozenset(unready), frozenset(missing), frozenset(ignored))


def _starts(pod: Pod, sample: Sample, now: float, cpu_initialization: float, initial_readiness: float) -> bool:
    """Whether the CPU of a pod says nothing yet."""
    if pod.ready is None or pod.started is None:
        return True
    if pod.started + cpu_initialization > now:
        return not pod.ready or sample.at < pod.ready_since + sample.window
    return not pod.ready and pod.started + initial_readiness > pod.ready_since


def utilization_replicas(
    current: int,
    target_percent: int,
    pods: Sequence[Pod],
    samples: Mapping[str, Sample],
    now: float = 0.0,
    tolerance: Tolerance = Tolerance(),
    cpu_initialization: float = CPU_INITIALIZATION,
    initial_readiness: float = INITIAL_READINESS,
) -> Recommendation:
    """Return the replicas that bring the CPU use to `target_percent` of the requests.

    Args:
        current: replicas that are wanted at present.
        target_percent: wanted use in percent of the requested CPU.
        pods, samples, now, cpu_initialization, initial_readiness: see `group_pods`.
        tolerance: no action within it.

    Raises:
        NoMetricsError: no pod, no sample of a pod that counts, or a pod without a request.

    Source: `GetResourceReplicas`, `GetResourceUtilizationRatio` (percentages are cut off to whole ones).
    """
    if not samples:
        raise NoMetricsError("no metrics returned from resource metrics API")
    groups, used = _known(pods, samples, True, now, cpu_initialization, initial_readiness)
    requests = {}
    for pod in pods:
        if pod.request is None:
            raise NoMetricsError(f"missing request for cpu of pod {pod.name}")
        requests[pod.name] = pod.request

    def ratio(known: Mapping[str, int]) -> tuple[float, int, int]:
        names = [name for name in known if name in requests]
        requested = sum(requests[name] for name in names)
        if not requested:
            raise NoMetricsError("no metrics returned matched known pods")
        total = sum(known[name] for name in names)
        percent = total * 100 // requested
        return percent / target_percent, percent, total // len(names)

    first, percent, usage = ratio(used)
    busy = {name: requests[name] * max(100, target_percent) // 100 for name in groups.missing}
    replicas = _replicas(current, groups, first, used, busy, lambda known: ratio(known)[0], tolerance)
    return Recommendation(replicas, usage, percent)


def usage_replicas(
    current: int,
    target: int,
    pods: Sequence[Pod],
    samples: Mapping[str, Sample],
    now: float = 0.0,
    tolerance: Tolerance = Tolerance(),
    cpu: bool = False,
    cpu_initialization: float = CPU_INITIALIZATION,
    initial_readiness: float = INITIAL_READINESS,
) -> Recommendation:
    """Return the replicas that bring the mean of a metric a pod to `target` thousandths, such as connections a node.

    Args:
        current: replicas that are wanted at present.
        target: wanted mean a pod, in thousandths.
        cpu: whether the metric is CPU (as an amount, not as a percentage).
        pods, samples, now, cpu_initialization, initial_readiness: see `group_pods`.
        tolerance: no action within it.

    Raises:
        NoMetricsError: no pod, or no sample of a pod that counts.

    Source: `calcPlainMetricReplicas`, `GetMetricUsageRatio` (the mean is cut off to a whole thousandth).
    """
    groups, used = _known(pods, samples, cpu, now, cpu_initialization, initial_readiness)

    def ratio(known: Mapping[str, int]) -> float:
        return sum(known.values()) // len(known) / target

    busy = dict.fromkeys(groups.missing, target)
    replicas = _replicas(current, groups, ratio(used), used, busy, ratio, tolerance)
    return Recommendation(replicas, sum(used.values()) // len(used))


def _need(pods: Sequence[Pod]) -> None:
    if not pods:
        raise NoMetricsError("no pods returned by selector while calculating replica count")


def _known(
    pods: Sequence[Pod],
    samples: Mapping[str, Sample],
    cpu: bool,
    now: float,
    cpu_initialization: float,
    initial_readiness: float,
) -> tuple[Groups, dict[str, int]]:
    """The common begin of both calculations: the groups of the pods, and what those use that count."""
    _need(pods)
    groups = group_pods(pods, samples, cpu, now, cpu_initialization, initial_readiness)
    used = {name: sample.value for name, sample in samples.items() if name not in groups.ignored | groups.unready}
    if not used:
        raise NoMetricsError("did not receive metrics for targeted pods (pods might be unready)")
    return groups, used


def _replicas(
    current: int,
    groups: Groups,
    first: float,
    used: Mapping[str, int],
    busy: Mapping[str, int],
    ratio: Callable[[Mapping[str, int]], float],
    tolerance: Tolerance,
) -> int:
    """The common end of both calculations.

    Args:
        first: the ratio of the pods that are known.
        used: what those use.
        busy: what each missing pod is taken to use on the way down.
        ratio: computes the ratio anew.
    """
    with_unready = bool(groups.unready) and first > 1.0
    if not with_unready and not groups.missing:
        return current if tolerance.covers(first) else ceil(first * groups.ready)
    known = dict(used)
    if first < 1.0:
        known.update(busy)
    elif first > 1.0:
        known.update(dict.fromkeys(groups.missing, 0))
    if with_unready:
        known.update(dict.fromkeys(groups.unready, 0))
    again = ratio(known)
    if tolerance.covers(again) or (first < 1.0 < again) or (first > 1.0 > again):
        return current
    wanted = ceil(again * len(known))
    if (again < 1.0 and wanted > current) or (again > 1.0 and wanted < current):
        return current
    return wanted
