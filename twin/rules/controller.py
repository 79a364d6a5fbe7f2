"""The control loop around the autoscaler's rule: what it sees of the nodes, what it decides, which nodes come and go.

Every sync period it reads the registry, turns the members into samples, asks `twin.rules.autoscaling` how many nodes
the metric wants and `twin.rules.scaling` how far it may go. The nodes have ordinals as in a StatefulSet: the next one
to start is the lowest that is free, the first one to end is the highest.

A node whose process has ended for good is a pod that has failed: the controller forgets it, so that its slot is free,
and starts a new one there at once. One whose process is started again where it was (a kill with a duration, a restart,
a drain) is a container that the kubelet restarts: the pod stays, and without a sign of life it lacks a metric.

Sources: Kubernetes, `pkg/controller/podautoscaler/horizontal.go` (`reconcileAutoscaler`); "StatefulSets", deployment
and scaling guarantees; `pkg/controller/statefulset/stateful_set_control.go` (`processReplica`: a pod that has failed is
deleted and created anew); "Pod Lifecycle", restart policy.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal

from twin.rules.autoscaling import NoMetricsError, Pod, Sample, Tolerance, usage_replicas, utilization_replicas
from twin.rules.registry import Registration
from twin.rules.scaling import Decision, DesiredReplicas

Metric = Literal["connections", "cpu"]


@dataclass
class Replica:
    """One node as the controller knows it without asking the registry.

    Attributes:
        started: when its process was started, in seconds.
        deleting: whether it was told to drain and end.
    """

    started: float
    deleting: bool = False


@dataclass(frozen=True)
class Controller:
    """The settings of the control loop, and the autoscaler that remembers.

    Attributes:
        metric: connections a node, or CPU in percent of one core a node.
        target: what the mean of the nodes shall be.
        autoscaler: bounds, windows and policies.
        tolerance: no action within it.
        window: seconds over which a node's CPU is taken: those between two heartbeats.
        cpu_initialization, initial_readiness: see `twin.rules.autoscaling`.
    """

    metric: Metric
    target: int
    autoscaler: DesiredReplicas
    tolerance: Tolerance
    window: float
    cpu_initialization: float
    initial_readiness: float

    def decide(
        self, current: int, replicas: Mapping[int, Replica], members: Mapping[int, Registration] | None, now: float
    ) -> Decision:
        """Return how many nodes there are to be from `now` on.

        Args:
            current: nodes that are wanted at present.
            replicas: the nodes by slot, those that drain included.
            members: who is alive as the registry says, on the same clock as `now`; None: it does not answer, and
                without metrics nothing is changed. What a process has said before that of a node's pod counts nothing.
            now: seconds on any clock that never goes back.
        """
        mine = {
            slot: one
            for slot, one in (members or {}).items()
            if slot in replicas and one.since >= replicas[slot].started
        }
        pods = [self._pod(slot, replica, mine.get(slot)) for slot, replica in sorted(replicas.items())]
        samples = {str(slot): self._sample(one) for slot, one in mine.items()}
        wanted: int | None
        try:
            if self.metric == "cpu":
                wanted = utilization_replicas(
                    current,
                    self.target,
                    pods,
                    samples,
                    now,
                    self.tolerance,
                    self.cpu_initialization,
                    self.initial_readiness,
                ).replicas
            else:
                wanted = usage_replicas(current, 1000 * self.target, pods, samples, now, self.tolerance).replicas
        except NoMetricsError:
            wanted = None
        return self.autoscaler.decide(current, wanted, now)

    def _pod(self, slot: int, replica: Replica, member: Registration | None) -> Pod:
        since = replica.started if member is None else member.since
        return Pod(
            str(slot), ready=member is not None, ready_since=since, started=replica.started, deleting=replica.deleting
        )

    def _sample(self, member: Registration) -> Sample:
        value = member.cpu if self.metric == "cpu" else 1000 * member.connections
        return Sample(value, member.at, self.window)


def to_start(wanted: int, replicas: Mapping[int, Replica]) -> list[int]:
    """Return the slots whose nodes have to be started, lowest first; one that still drains is waited for."""
    return [slot for slot in range(1, wanted + 1) if slot not in replicas]


def to_end(wanted: int, replicas: Mapping[int, Replica]) -> list[int]:
    """Return the slots whose nodes have to drain and end, highest first."""
    return sorted((slot for slot, one in replicas.items() if slot > wanted and not one.deleting), reverse=True)


def forgets(replica: Replica, returns: bool) -> bool:
    """Tell whether a node whose process has ended is none any more, so that its slot is free.

    Args:
        replica: the node.
        returns: whether whoever has ended its process starts a new one.
    """
    return replica.deleting or not returns
