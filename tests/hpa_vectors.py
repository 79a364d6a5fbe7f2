"""Upstream's published vectors of the replica calculator, as data.

The first word of each vector names its test in Kubernetes' pkg/controller/podautoscaler/replica_calculator_test.go
(TestReplicaCalc... unless it begins with Test); those of GROUPS are the cases of TestGroupPods there. Kubernetes is
under the Apache License 2.0.
"""

from twin.rules.autoscaling import Groups, Pod, Sample

NOW = 1_000_000.0
MINUTE = 60.0
HOT, COOL = NOW, NOW - 3 * MINUTE
T, F = True, False
EMPTY = frozenset()

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
