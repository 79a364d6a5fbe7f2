"""The replica calculator against upstream's published vectors.

Each vector names the test of Kubernetes' pkg/controller/podautoscaler/replica_calculator_test.go that it is taken from
(other files are named beside theirs). A pod of those tests has two containers that use and request the same, which is
the factor 2 here; those that look at one container say so.
"""

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.hpa_vectors import CONTAINER, GROUPS, MINUTE, NOW, PODS_METRIC, RESOURCE
from twin.rules.autoscaling import (
    NoMetricsError,
    Pod,
    Recommendation,
    Sample,
    Tolerance,
    group_pods,
    usage_replicas,
    utilization_replicas,
)

CPU_INITIALIZATION, INITIAL_READINESS = 120.0, 10.0  # upstream's defaultTesting... constants


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


@pytest.mark.parametrize(("name", "current", "target", "levels", "more", "expected"), PODS_METRIC)
def test_upstreams_vectors_of_a_metric_of_pods(name, current, target, levels, more, expected):
    found = usage_replicas(current, target, the_pods(current, **more), the_samples(levels, 1), NOW)
    assert (found.replicas, found.usage) == expected, name


@pytest.mark.parametrize(("name", "cpu", "pods", "samples", "expected"), GROUPS)
def test_upstreams_vectors_of_which_pods_count(name, cpu, pods, samples, expected):
    assert group_pods(pods, samples, cpu, NOW, CPU_INITIALIZATION, INITIAL_READINESS) == expected, name


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


def levels_of(count, total):
    """Return `count` levels whose sum is `total`."""
    each, more = divmod(total, count)
    return [each + (i < more) for i in range(count)]


@pytest.mark.parametrize(
    ("total", "expected"),
    [
        # a missing pod is taken to be at the target on the way down: (1700 + 100) / 20 is 0.9 of it, which is tolerated
        (1700, 20),
        (1699, 18),  # 89 and a fraction, which is cut off
        # and to be idle on the way up: 2200 / 20 is 1.1 of it; fractions are cut off
        (2200, 20),
        (2219, 20),
        (2220, 23),
    ],
)
def test_a_missing_pod_at_the_edge_of_the_tolerance(total, expected):
    pods, samples = the_pods(20), the_samples(levels_of(19, total), 1)
    assert usage_replicas(20, 100, pods, samples).replicas == expected


@pytest.mark.parametrize(("total", "expected"), [(1100, 2), (1119, 2), (1120, 3), (900, 2), (899, 2)])
def test_a_use_in_percent_is_cut_off_before_it_is_compared(total, expected):
    pods, samples = the_pods(2, [1000] * 2, containers=1), the_samples(levels_of(2, total), 1)
    assert utilization_replicas(2, 50, pods, samples, NOW).replicas == expected


@pytest.mark.parametrize(
    ("pod", "at", "counts"),
    [
        # a pod is new for `CPU_INITIALIZATION` seconds: its sample counts if it is ready and has been for a window
        ({"started": NOW - 119.0, "ready_since": NOW - 70.0}, NOW - 10.0, True),
        ({"started": NOW - 119.0, "ready_since": NOW - 70.0}, NOW - 10.001, False),
        ({"started": NOW - 119.0, "ready_since": NOW - 70.0, "ready": False}, NOW, False),
        ({"started": NOW - 120.0, "ready_since": NOW - 70.0}, NOW - 60.0, True),
        # later it counts unless it has never been ready
        ({"started": NOW - 200.0, "ready_since": NOW - 190.0, "ready": False}, NOW, True),
        ({"started": NOW - 200.0, "ready_since": NOW - 190.001, "ready": False}, NOW, False),
    ],
)
def test_from_when_on_the_cpu_of_a_pod_counts(pod, at, counts):
    samples = {"a": Sample(100, at, MINUTE)}
    found = group_pods([Pod("a", **pod)], samples, True, NOW, CPU_INITIALIZATION, INITIAL_READINESS)
    assert (found.ready, found.unready) == ((1, frozenset()) if counts else (0, frozenset({"a"})))


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


@pytest.mark.parametrize(
    ("levels", "expected"),
    [
        # a missing pod is taken to use all that it requests, whatever the target: 1200 / 3 is 40 %, 1.33 of
        # the target of 30 %, where the known pods alone are at a third of it: no step into the other direction
        ([100, 100], 3),
        ([10, 10], 3),  # 34 %, 1.13 of it
        # the other way round: known pods above the target, and with the missing one, idle on the way up, below it
        ([350, 350], 3),  # 23 %, 0.78 of it
    ],
)
def test_what_a_missing_pod_might_use_never_turns_a_step_around(levels, expected):
    found = utilization_replicas(
        *(3, 30, the_pods(3, [1000] * 3), the_samples(levels), NOW),
        cpu_initialization=CPU_INITIALIZATION,
        initial_readiness=INITIAL_READINESS,
    )
    assert found.replicas == expected
