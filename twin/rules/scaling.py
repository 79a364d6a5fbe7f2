"""How fast the number of nodes may change: the stabilisation and the scaling policies of the Kubernetes autoscaler.

`twin/rules/autoscaling.py` says how many replicas a metric asks for. A stabilisation window then holds back what may be
a passing swing: a scale-down goes no lower than the highest recommendation of its window, a scale-up no higher than the
lowest of its own. Scaling policies limit the change in a period, and minimum and maximum have the last word.

Source: Kubernetes, `pkg/controller/podautoscaler/horizontal.go`; defaults of the rules:
`pkg/apis/autoscaling/v2/defaults.go`.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field
from math import ceil, inf
from typing import Literal

DOWNSCALE_WINDOW = 300.0
"""Seconds of the scale-down window (`--horizontal-pod-autoscaler-downscale-stabilization`)."""


@dataclass(frozen=True)
class Policy:
    """At most `value` pods, or `value` percent of the pods at its begin, in each `period` seconds."""

    kind: Literal["pods", "percent"]
    value: int
    period: float


@dataclass(frozen=True)
class Rules:
    """How one direction may scale.

    Attributes:
        window: seconds of the stabilisation window.
        policies: limits; there is at least one.
        select: which of them counts: the one that allows the most, the least, or no scaling at all.
    """

    window: float
    policies: tuple[Policy, ...]
    select: Literal["max", "min", "disabled"] = "max"


SCALE_UP = Rules(0.0, (Policy("pods", 4, 15.0), Policy("percent", 100, 15.0)))
"""What a behaviour does upwards when it says nothing about it."""
SCALE_DOWN = Rules(DOWNSCALE_WINDOW, (Policy("percent", 100, 15.0),))
"""What a behaviour does downwards when it says nothing about it."""


@dataclass(frozen=True)
class Behavior:
    """The field `behavior` of an autoscaler."""

    up: Rules = SCALE_UP
    down: Rules = SCALE_DOWN


@dataclass
class Change:
    """A change that was made: so many replicas at that time; `outdated` marks it for being overwritten."""

    replicas: int
    at: float
    outdated: bool = False


@dataclass(frozen=True)
class Decision:
    """What the autoscaler decided.

    Attributes:
        replicas: the number from now on.
        reason: why it is not what the metrics ask for, in upstream's words: `DesiredWithinRange` when it is, else
            `ScaleUpLimit`, `ScaleDownLimit`, `TooManyReplicas`, `TooFewReplicas`, or `ScalingDisabled`.
        stabilized: whether a window changed what the metrics asked for.
    """

    replicas: int
    reason: str
    stabilized: bool = False


def changed_within(period: float, changes: Sequence[Change], now: float) -> int:
    """Return how many replicas were added (or taken away) in the last `period` seconds."""
    return sum(change.replicas for change in changes if change.at > now - period)


def up_limit(current: int, ups: Sequence[Change], downs: Sequence[Change], rules: Rules, now: float) -> int:
    """Return the most replicas that the policies of a scale-up allow at `now`.

    A percentage is rounded up, so that a small cluster can grow. Source: `calculateScaleUpLimitWithScalingRules`.
    """
    if rules.select == "disabled":
        return current
    allowed = []
    for policy in rules.policies:
        begun = current - changed_within(policy.period, ups, now) + changed_within(policy.period, downs, now)
        grown = begun + policy.value if policy.kind == "pods" else ceil(begun * (1 + policy.value / 100))
        allowed.append(grown)
    return min(allowed) if rules.select == "min" else max(allowed)


def down_limit(current: int, ups: Sequence[Change], downs: Sequence[Change], rules: Rules, now: float) -> int:
    """Return the fewest replicas that the policies of a scale-down allow at `now`.

    A percentage is cut off towards zero. Source: `calculateScaleDownLimitWithBehaviors`.
    """
    if rules.select == "disabled":
        return current
    allowed = []
    for policy in rules.policies:
        begun = current - changed_within(policy.period, ups, now) + changed_within(policy.period, downs, now)
        shrunk = begun - policy.value if policy.kind == "pods" else int(begun * (1 - policy.value / 100))
        allowed.append(shrunk)
    return max(allowed) if rules.select == "min" else min(allowed)


def plain_limit(current: int, wanted: int, min_replicas: int, max_replicas: int) -> Decision:
    """Bound a change when the autoscaler has no behaviour: at most twice the replicas, or 4.

    Source: `convertDesiredReplicasWithRules`, `calculateScaleUpLimit`.
    """
    limit = max(2 * current, 4)
    if wanted < min_replicas:
        return Decision(min_replicas, "TooFewReplicas")
    if wanted > min(limit, max_replicas):
        return Decision(min(limit, max_replicas), "ScaleUpLimit" if max_replicas > limit else "TooManyReplicas")
    return Decision(wanted, "DesiredWithinRange")


@dataclass
class DesiredReplicas:
    """The decisions of one autoscaler over time, and what it remembers of them.

    Attributes:
        min_replicas: minimum number of replicas (`minReplicas`); with 0 it may scale to nothing.
        max_replicas: maximum number of replicas (`maxReplicas`).
        behavior: rules of each direction; None is an autoscaler without the field, which has one window and the limit
            of `plain_limit`.
        window: seconds of the scale-down window without a behaviour.
        recommendations: what the metrics asked for, and when. As upstream, an old entry is overwritten by a new one.
        ups: scale-ups that were made.
        downs: scale-downs that were made.
    """

    min_replicas: int
    max_replicas: int
    behavior: Behavior | None = None
    window: float = DOWNSCALE_WINDOW
    recommendations: list[tuple[int, float]] = field(default_factory=list)
    ups: list[Change] = field(default_factory=list)
    downs: list[Change] = field(default_factory=list)

    def decide(self, current: int, wanted: int | None, now: float) -> Decision:
        """Return how many replicas there are to be from `now` on, and remember it.

        Args:
            current: replicas at present.
            wanted: what the metric asks for; None when it could not be computed, and nothing is done
                but to come back between minimum and maximum.
            now: seconds on any clock that never goes back.

        Source: `reconcileAutoscaler`.
        """
        if not self.recommendations:
            self.recommendations.append((current, now))
        if current == 0 and self.min_replicas != 0:
            return Decision(0, "ScalingDisabled")
        if current > self.max_replicas:
            decision = Decision(self.max_replicas, "TooManyReplicas")
        elif current < self.min_replicas:
            decision = Decision(self.min_replicas, "TooFewReplicas")
        elif wanted is None:
            return Decision(current, "DesiredWithinRange")
        elif self.behavior is None:
            stable = self.stabilize_plainly(wanted, now)
            decision = plain_limit(current, stable, self.min_replicas, self.max_replicas)
            decision = Decision(decision.replicas, decision.reason, stable != wanted)
        else:
            stable = self.stabilize(current, wanted, now)
            decision = self.limit(current, stable, now)
            decision = Decision(decision.replicas, decision.reason, stable != wanted)
        if decision.replicas != current:
            self.store(current, decision.replicas, now)
        return decision

    def stabilize_plainly(self, wanted: int, now: float) -> int:
        """Return the highest recommendation of the window, and remember `wanted`. Source: `stabilizeRecommendation`."""
        highest, old = wanted, -1
        for i, (replicas, at) in enumerate(self.recommendations):
            if at < now - self.window:
                old = i
            else:
                highest = max(highest, replicas)
        self._remember(wanted, now, old)
        return highest

    def stabilize(self, current: int, wanted: int, now: float) -> int:
        """Return `current` moved to between the lowest recommendation of the scale-up window and the highest one of the
        scale-down window, and remember `wanted`. Source: `stabilizeRecommendationWithBehaviors`.
        """
        behavior = self.behavior or Behavior()
        up_cutoff, down_cutoff = now - behavior.up.window, now - behavior.down.window
        lowest, highest, old = wanted, wanted, -1
        for i, (replicas, at) in enumerate(self.recommendations):
            if at > up_cutoff:
                lowest = min(lowest, replicas)
            if at > down_cutoff:
                highest = max(highest, replicas)
            if at < up_cutoff and at < down_cutoff:
                old = i
        self._remember(wanted, now, old)
        return min(max(current, lowest), highest)

    def _remember(self, wanted: int, now: float, old: int) -> None:
        if old >= 0:
            self.recommendations[old] = (wanted, now)
        else:
            self.recommendations.append((wanted, now))

    def limit(self, current: int, wanted: int, now: float) -> Decision:
        """Bound a change by the policies of its direction. Source: `convertDesiredReplicasWithBehaviorRate`."""
        behavior = self.behavior or Behavior()
        if wanted > current:
            limit = max(current, up_limit(current, self.ups, self.downs, behavior.up, now))
            if wanted > min(limit, self.max_replicas):
                reason = "ScaleUpLimit" if self.max_replicas > limit else "TooManyReplicas"
                return Decision(min(limit, self.max_replicas), reason)
        elif wanted < current:
            limit = min(current, down_limit(current, self.ups, self.downs, behavior.down, now))
            if wanted < max(limit, self.min_replicas):
                reason = "ScaleDownLimit" if self.min_replicas < limit else "TooFewReplicas"
                return Decision(max(limit, self.min_replicas), reason)
        return Decision(wanted, "DesiredWithinRange")

    def store(self, before: int, after: int, now: float) -> None:
        """Remember a change for the policies; without a behaviour nobody asks. Source: `storeScaleEvent`."""
        if self.behavior is None:
            return
        up = after > before
        changes, rules = (self.ups, self.behavior.up) if up else (self.downs, self.behavior.down)
        longest = max((policy.period for policy in rules.policies), default=-inf)
        old = -1
        for i, change in enumerate(changes):
            if change.at < now - longest:
                change.outdated = True
            if change.outdated:
                old = i
        new = Change(abs(after - before), now)
        if old >= 0:
            changes[old] = new
        else:
            changes.append(new)
