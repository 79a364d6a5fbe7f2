"""The replica calculator against upstream's published vectors.

Each vector names the test of Kubernetes' pkg/controller/podautoscaler/replica_calculator_test.go that it is taken from
(other files are named beside theirs). A pod of those tests has two containers that use and request the same, which is
the factor 2 here; those that look at one container say so.
"""

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from twin.rules.autoscaling import (
    Groups,
    NoMetricsError,
    Pod,
    Recommendation,
    Sample,
    Tolerance,
    combine,
    group_pods,
    share_replicas,
    total_replicas,
    usage_replicas,
    utilization_replicas,
)

NOW = 1_000_000.0
MINUTE = 60.0
HOT, COOL = NOW, NOW - 3 * MINUTE
CPU_INITIALIZATION, INITIAL_READINESS = 120.0, 10.0  # upstream's defaultTesting... constants
T, F = True, False


def the_pods(current, requests=(), ready=(), started=(), phases=(), deleting=(), containers=2):
    """As prepareTestClientSet: what is left out is a pod that runs, is ready and was always there."""
    pods = []
    for i in range(max(current, len(phases))):
        pods.append(
            Pod(
                f"test-pod-{i}",
                request=containers * requests[i] if i < len(requests) else None,
                phase=phases[i] if phases else "running",
                ready=ready[i] if i < len(ready) else True,
                started=started[i] if started else 0.0,
                deleting=bool(deleting) and deleting[i],
            )
        )
    return pods


def the_samples(levels, containers=2):
    return {f"test-pod-{i}": Sample(containers * level, 0.0, MINUTE) for i, level in enumerate(levels)}


RESOURCE = [
    # name, current, target, requests, levels, more about the pods, expected (replicas, utilization, usage a container)
    ("ScaleUp", 3, 30, [1000] * 3, [300, 500, 700], {}, (5, 50, 500)),
    ("ScaleUpUnreadyLessScale", 3, 30, [1000] * 3, [300, 500, 700], {"ready": [F, T, T]}, (4, 60, 600)),
    ("ScaleUpHotCpuLessScale", 3, 30, [1000] * 3, [300, 500, 700], {"started": [HOT, COOL, COOL]}, (4, 60, 600)),
    ("ScaleUpUnreadyNoScale", 3, 30, [1000] * 3, [400, 500, 700], {"ready": [T, F, F]}, (3, 40, 400)),
    (
        "ScaleHotCpuNoScale",
        *(3, 30, [1000] * 3, [400, 500, 700]),
        {"ready": [T, F, F], "started": [COOL, HOT, HOT]},
        (3, 40, 400),
    ),
    (
        "ScaleUpIgnoresFailedPods",
        *(2, 30, [1000] * 4, [500, 700]),
        {"ready": [T, T, F, F], "phases": ["running"] * 2 + ["failed"] * 2},
        (4, 60, 600),
    ),
    (
        "ScaleUpIgnoresDeletionPods",
        *(2, 30, [1000] * 4, [500, 700]),
        {"ready": [T, T, F, F], "phases": ["running"] * 4, "deleting": [F, F, T, T]},
        (4, 60, 600),
    ),
    ("ScaleDown", 5, 50, [1000] * 5, [100, 300, 500, 250, 250], {}, (3, 28, 280)),
    (
        "ScaleDownExcludeUnreadyPods",
        *(5, 50, [1000] * 5, [100, 300, 500, 250, 250]),
        {"ready": [T, T, T, F, F]},
        (2, 30, 300),
    ),
    (
        "ScaleDownExcludeUnscheduledPods",
        *(5, 50, [1000] * 5, [100]),
        {"ready": [T, F, F, F, F], "phases": ["running"] + ["pending"] * 4},
        (1, 10, 100),
    ),
    (
        "ScaleDownIgnoreHotCpuPods",
        *(5, 50, [1000] * 5, [100, 300, 500, 250, 250]),
        {"started": [COOL, COOL, COOL, HOT, HOT]},
        (2, 30, 300),
    ),
    (
        "ScaleDownIgnoresFailedPods",
        *(5, 50, [1000] * 7, [100, 300, 500, 250, 250]),
        {"ready": [T] * 5 + [F] * 2, "phases": ["running"] * 5 + ["failed"] * 2},
        (3, 28, 280),
    ),
    (
        "ScaleDownIgnoresDeletionPods",
        *(5, 50, [1000] * 7, [100, 300, 500, 250, 250]),
        {"ready": [T] * 5 + [F] * 2, "phases": ["running"] * 7, "deleting": [F] * 5 + [T] * 2},
        (3, 28, 280),
    ),
    ("Tolerance", 3, 100, [900, 1000, 1100], [1010, 1030, 1020], {}, (3, 102, 1020)),
    ("SuperfluousMetrics", 4, 100, [1000] * 4, [4000, 9500, 3000, 7000, 3200, 2000], {}, (24, 587, 5875)),
    ("MissingMetrics", 4, 100, [1000] * 4, [400, 95], {}, (3, 24, 247.5)),
    ("MissingMetricsNoChangeEq", 2, 100, [1000] * 2, [1000], {}, (2, 100, 1000)),
    ("MissingMetricsNoChangeGt", 2, 100, [1000] * 2, [1900], {}, (2, 190, 1900)),
    ("MissingMetricsNoChangeLt", 2, 100, [1000] * 2, [600], {}, (2, 60, 600)),
    ("MissingMetricsUnreadyChange", 3, 50, [1000] * 3, [100, 450], {"ready": [F, T, T]}, (3, 45, 450)),
    ("MissingMetricsHotCpuNoChange", 3, 50, [1000] * 3, [100, 450], {"started": [HOT, COOL, COOL]}, (3, 45, 450)),
    ("MissingMetricsUnreadyScaleUp", 3, 50, [1000] * 3, [100, 2000], {"ready": [F, T, T]}, (4, 200, 2000)),
    (
        "MissingMetricsHotCpuScaleUp",
        *(3, 50, [1000] * 3, [100, 2000]),
        {"ready": [F, T, T], "started": [HOT, COOL, COOL]},
        (4, 200, 2000),
    ),
    ("MissingMetricsUnreadyScaleDown", 4, 50, [1000] * 4, [100] * 3, {"ready": [F, T, T, T]}, (3, 10, 100)),
    (
        "MissingMetricsScaleDownTargetOver100",
        *(4, 300, [1000, 1000, 2000, 2000], [200, 100, 100]),
        {"ready": [F, T, T, T]},
        (2, 6, 100),
    ),
    ("DuringRollingUpdateWithMaxSurge", 2, 50, [1000] * 3, [100, 100], {"phases": ["running"] * 3}, (2, 10, 100)),
]


@pytest.mark.parametrize(("name", "current", "target", "requests", "levels", "more", "expected"), RESOURCE)
def test_upstreams_vectors_of_cpu(name, current, target, requests, levels, more, expected):
    found = utilization_replicas(
        current,
        target,
        the_pods(current, requests, **more),
        the_samples(levels),
        NOW,
        cpu_initialization=CPU_INITIALIZATION,
        initial_readiness=INITIAL_READINESS,
    )
    replicas, utilization, usage = expected
    assert found == Recommendation(replicas, int(2 * usage), utilization), name


CONTAINER = [
    ("ContainerScaleUp", 3, 30, [1000] * 3, [300, 500, 700], {}, (5, 50, 500)),
    (
        "ScaleUpContainerHotCpuLessScale",
        *(3, 30, [1000] * 3, [300, 500, 700]),
        {"started": [HOT, COOL, COOL]},
        (4, 60, 600),
    ),
    ("ContainerScaleDown", 5, 50, [1000] * 5, [100, 300, 500, 250, 250], {}, (3, 28, 280)),
    (
        "ScaleDownContainerExcludeUnscheduledPods",
        *(5, 50, [1000] * 5, [100, 300, 500, 250, 250]),
        {"ready": [T, F, F, F, F], "phases": ["running"] + ["pending"] * 4},
        (1, 10, 100),
    ),
    (
        "ScaleDownContainerIgnoreHotCpuPods",
        *(5, 50, [1000] * 5, [100, 300, 500, 1000, 1000]),
        {"started": [COOL, COOL, COOL, HOT, HOT]},
        (2, 30, 300),
    ),
]


@pytest.mark.parametrize(("name", "current", "target", "requests", "levels", "more", "expected"), CONTAINER)
def test_upstreams_vectors_of_one_container(name, current, target, requests, levels, more, expected):
    found = utilization_replicas(
        current,
        target,
        the_pods(current, requests, containers=1, **more),
        the_samples(levels, 1),
        NOW,
        cpu_initialization=CPU_INITIALIZATION,
        initial_readiness=INITIAL_READINESS,
    )
    assert (found.replicas, found.utilization, found.usage) == expected, name


def test_upstreams_vector_of_the_computed_tolerance():
    # TestReplicaCalcComputedToleranceAlgImplementation
    pods, tolerance = 10, 0.1
    used = pods * 150
    requested = 2 * used
    each = requested // pods
    off = [100, -100, 10, -10, 2, -2, 1, -1, 0, 0]
    target = abs(1 / (requested / used * (1 - tolerance))) + 0.01
    final = math.ceil(used / (requested * target) * pods)
    replicas = the_pods(pods, [each + more for more in off])
    samples = the_samples([used // 10] * 10)
    assert utilization_replicas(pods, int(target * 100), replicas, samples, NOW) == Recommendation(
        final, 2 * used // 10, used * 100 // requested
    )
    close = abs(1 / (requested / used * (1 - tolerance))) + 0.004
    assert utilization_replicas(pods, int(close * 100), replicas, samples, NOW).replicas == pods
    assert final < pods


ERRORS = [
    ("DisjointResourcesMetrics", 1, [1000], {"an-older-pod-name": Sample(200)}, "no metrics returned matched known"),
    ("EmptyMetrics", 4, [1000] * 3, {}, "no metrics returned from resource metrics API"),
    ("EmptyCPURequest", 1, [], the_samples([200]), "missing request for"),
]


@pytest.mark.parametrize(("name", "current", "requests", "samples", "message"), ERRORS)
def test_upstreams_vectors_of_what_cannot_be_computed(name, current, requests, samples, message):
    with pytest.raises(NoMetricsError, match=message):
        utilization_replicas(current, 100, the_pods(current, requests), samples, NOW)


PODS_METRIC = [
    ("ScaleUpCM", 3, 15000, [20000, 10000, 30000], {}, (4, 20000)),
    (
        "ScaleUpCMUnreadyHotCpuNoLessScale",
        *(3, 15000, [50000, 10000, 30000]),
        {"ready": [T, T, F], "started": [COOL, COOL, HOT]},
        (6, 30000),
    ),
    (
        "ScaleUpCMUnreadyHotCpuScaleWouldScaleDown",
        *(3, 15000, [50000, 15000, 30000]),
        {"ready": [F, T, F], "started": [HOT, COOL, HOT]},
        (7, 31666),
    ),
    ("ScaleUpCMExternal", 1, 4400, [8600], {}, (2, 8600)),
    ("ScaleDownCM", 5, 20000, [12000] * 5, {}, (3, 12000)),
    ("ToleranceCM", 3, 20000, [20000, 21000, 21000], {}, (3, 20666)),
    ("TestPlainMetricReplicaCalcMissingMetricsNoChangeEq", 5, 20000, [20000, 19000, 21000], {}, (5, 20000)),
    ("DuringRollingUpdateWithMaxSurgeCM", 2, 17000, [10000] * 2, {"phases": ["running"] * 3}, (2, 10000)),
]


@pytest.mark.parametrize(("name", "current", "target", "levels", "more", "expected"), PODS_METRIC)
def test_upstreams_vectors_of_a_metric_of_pods(name, current, target, levels, more, expected):
    found = usage_replicas(current, target, the_pods(current, **more), the_samples(levels, 1), NOW)
    assert (found.replicas, found.usage) == expected, name


TOTAL = [
    ("ScaleUpCMObject", 3, 15000, 20000, [], 4),
    ("ScaleUpCMObjectIgnoresUnreadyPods", 3, 10000, 50000, [F, T, F], 5),
    ("ScaleUpCMExternalIgnoresUnreadyPods", 3, 4400, 8600, [F, T, F], 2),
    ("ScaleDownCMObject", 5, 20000, 12000, [], 3),
    ("ScaleDownCMExternal", 5, 14334, 8600, [], 3),
    ("ToleranceCMObject", 3, 20000, 20666, [], 3),
    ("ToleranceCMExternal", 3, 8888, 8600, [], 3),
]


@pytest.mark.parametrize(("name", "current", "target", "total", "ready", "expected"), TOTAL)
def test_upstreams_vectors_of_a_metric_of_the_whole(name, current, target, total, ready, expected):
    found = total_replicas(current, target, total, the_pods(current, ready=ready))
    assert found == Recommendation(expected, total), name


SHARE = [
    ("ScaleUpCMPerPodObject", 3, 5000, 20000, (4, 6667)),
    ("ScaleUpPerPodCMExternal", 3, 2150, 8600, (4, 2867)),
    ("ScaleDownPerPodCMObject", 5, 2000, 6000, (3, 1200)),
    ("ScaleDownPerPodCMExternal", 5, 2867, 8600, (3, 1720)),
    ("TolerancePerPodCMObject", 4, 5000, 20166, (4, 5042)),
    ("TolerancePerPodCMExternal", 3, 2900, 8600, (3, 2867)),
]


@pytest.mark.parametrize(("name", "current", "target", "total", "expected"), SHARE)
def test_upstreams_vectors_of_a_share_of_the_whole(name, current, target, total, expected):
    assert share_replicas(current, target, total) == Recommendation(*expected), name


EMPTY = frozenset()
GROUPS = [
    # TestGroupPods: name, cpu, pods, samples, expected (ready, unready, missing, ignored)
    ("void", True, [], {}, Groups(0, EMPTY, EMPTY, EMPTY)),
    (
        "count in a ready pod - memory",
        False,
        [Pod("bentham", phase="succeeded", ready=None, started=None)],
        {"bentham": Sample(1, NOW, MINUTE)},
        Groups(1, EMPTY, EMPTY, EMPTY),
    ),
    (
        "unready a pod without ready condition - CPU",
        True,
        [Pod("lucretius", phase="succeeded", ready=None, started=NOW)],
        {"lucretius": Sample(1)},
        Groups(0, frozenset({"lucretius"}), EMPTY, EMPTY),
    ),
    (
        "count in a ready pod with fresh metrics during initialization period - CPU",
        True,
        [Pod("bentham", phase="succeeded", started=NOW - MINUTE, ready_since=NOW - 30)],
        {"bentham": Sample(1, NOW, 30.0)},
        Groups(1, EMPTY, EMPTY, EMPTY),
    ),
    (
        "unready a ready pod without fresh metrics during initialization period - CPU",
        True,
        [Pod("bentham", phase="succeeded", started=NOW - MINUTE, ready_since=NOW - 30)],
        {"bentham": Sample(1, NOW, 60.0)},
        Groups(0, frozenset({"bentham"}), EMPTY, EMPTY),
    ),
    (
        "unready an unready pod during initialization period - CPU",
        True,
        [Pod("lucretius", phase="succeeded", ready=False, started=NOW - 600, ready_since=NOW - 594)],
        {"lucretius": Sample(1)},
        Groups(0, frozenset({"lucretius"}), EMPTY, EMPTY),
    ),
    (
        "count in a ready pod without fresh metrics after initialization period - CPU",
        True,
        [Pod("bentham", phase="succeeded", started=NOW - 180, ready_since=NOW - 180)],
        {"bentham": Sample(1, NOW - 120, MINUTE)},
        Groups(1, EMPTY, EMPTY, EMPTY),
    ),
    (
        "count in an unready pod that was ready after initialization period - CPU",
        True,
        [Pod("lucretius", phase="succeeded", ready=False, started=NOW - 600, ready_since=NOW - 540)],
        {"lucretius": Sample(1)},
        Groups(1, EMPTY, EMPTY, EMPTY),
    ),
    (
        "unready pod that has never been ready after initialization period - CPU",
        True,
        [Pod("lucretius", phase="succeeded", ready=False, started=NOW - 600, ready_since=NOW - 590)],
        {"lucretius": Sample(1)},
        Groups(1, EMPTY, EMPTY, EMPTY),
    ),
    (
        "a missing pod",
        True,
        [Pod("epicurus", phase="succeeded", ready=None, started=NOW - 180)],
        {},
        Groups(0, EMPTY, frozenset({"epicurus"}), EMPTY),
    ),
    (
        "several pods",
        True,
        [
            Pod("lucretius", phase="succeeded", ready=None, started=NOW),
            Pod("niccolo", phase="succeeded", started=NOW - 180, ready_since=NOW - 180),
            Pod("epicurus", phase="succeeded", ready=None, started=NOW - 180),
        ],
        {"lucretius": Sample(1), "niccolo": Sample(1)},
        Groups(1, frozenset({"lucretius"}), frozenset({"epicurus"}), EMPTY),
    ),
    (
        "pending pods are unreadied",
        True,
        [Pod("unscheduled", phase="pending")],
        {},
        Groups(0, frozenset({"unscheduled"}), EMPTY, EMPTY),
    ),
    (
        "ignore pods with deletion timestamps",
        True,
        [Pod("deleted", phase="pending", deleting=True)],
        {"deleted": Sample(1)},
        Groups(0, EMPTY, EMPTY, frozenset({"deleted"})),
    ),
    (
        "ignore pods in a failed state",
        True,
        [Pod("failed", phase="failed")],
        {"failed": Sample(1)},
        Groups(0, EMPTY, EMPTY, frozenset({"failed"})),
    ),
]


@pytest.mark.parametrize(("name", "cpu", "pods", "samples", "expected"), GROUPS)
def test_upstreams_vectors_of_which_pods_count(name, cpu, pods, samples, expected):
    assert group_pods(pods, samples, cpu, NOW, CPU_INITIALIZATION, INITIAL_READINESS) == expected, name


# horizontal_test.go, several metrics: TestNoBackoffUpscaleCMNoBackoffCpu (the larger wins), TestScaleUpOneMetricEmpty,
# TestNoScaleDownOneMetricInvalid, TestNoScaleDownOneMetricEmpty


def test_the_metric_that_wants_most_wins_and_a_missing_one_only_stops_a_scale_down():
    assert combine(3, [4, 40]) == 40
    assert combine(3, [4, None]) == 4
    assert combine(5, [3, 2]) == 3
    with pytest.raises(NoMetricsError):
        combine(5, [3, None])
    with pytest.raises(NoMetricsError):
        combine(5, [None, None])


def test_without_a_pod_or_a_sample_that_counts_nothing_can_be_computed():
    with pytest.raises(NoMetricsError, match="no pods"):
        usage_replicas(0, 1000, [], the_samples([1]))
    with pytest.raises(NoMetricsError, match="might be unready"):
        usage_replicas(1, 1000, the_pods(1, phases=["pending"]), the_samples([1]))


def test_the_tolerance_may_differ_by_direction():
    pods, samples = the_pods(2), the_samples([110, 110], 1)
    assert usage_replicas(2, 100, pods, samples).replicas == 2
    assert usage_replicas(2, 100, pods, samples, tolerance=Tolerance(up=0.05)).replicas == 3
    assert usage_replicas(2, 100, pods, samples, tolerance=Tolerance(down=0.05)).replicas == 2
    pods, samples = the_pods(20), the_samples([93] * 20, 1)
    assert usage_replicas(20, 100, pods, samples).replicas == 20
    assert usage_replicas(20, 100, pods, samples, tolerance=Tolerance(down=0.05)).replicas == 19


levels = st.lists(st.integers(0, 5000), min_size=1, max_size=12)


@given(levels=levels, target=st.integers(1, 3000))
def test_with_every_metric_known_the_wanted_replicas_would_be_within_the_target(levels, target):
    current = len(levels)
    found = usage_replicas(current, target, the_pods(current), the_samples(levels, 1))
    if found.replicas != current:
        ratio = sum(levels) // current / target
        assert found.replicas == math.ceil(ratio * current)
        assert (found.replicas > current) == (ratio > 1)


@given(levels=levels, target=st.integers(1, 3000), unknown=st.integers(0, 4))
def test_a_missing_metric_never_makes_a_step_larger(levels, target, unknown):
    current = len(levels) + unknown
    found = usage_replicas(current, target, the_pods(current), the_samples(levels, 1)).replicas
    ratio = sum(levels) // len(levels) / target
    straight = math.ceil(ratio * current)
    assert min(current, straight) <= found <= max(current, straight)


@given(levels=levels, target=st.integers(1, 3000), ready=st.lists(st.booleans(), max_size=12))
def test_a_pod_that_is_not_ready_never_makes_a_scale_up_larger(levels, target, ready):
    current = len(levels)
    pods = the_pods(current, ready=ready)
    counting = [level for i, level in enumerate(levels) if i >= len(ready) or ready[i]]
    if not counting:
        with pytest.raises(NoMetricsError):
            usage_replicas(current, target, pods, the_samples(levels, 1), NOW, cpu=True)
        return
    found = usage_replicas(current, target, pods, the_samples(levels, 1), NOW, cpu=True).replicas
    ratio = sum(counting) // len(counting) / target
    assert found >= current if ratio > 1 else found <= current
    assert found <= max(current, math.ceil(ratio * current))
