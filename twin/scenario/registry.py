"""Settings of what makes a cluster change its size: registry, gray release, rebalancing, autoscaling."""

from typing import TYPE_CHECKING, Annotated, Literal

from pydantic import Field, model_validator

from twin.rules.autoscaling import CPU_INITIALIZATION, INITIAL_READINESS, SYNC_PERIOD, Tolerance
from twin.rules.controller import Controller
from twin.rules.registry import SHARES, share_parts
from twin.rules.scaling import SCALE_DOWN, SCALE_UP, Behavior, DesiredReplicas, Policy, Rules
from twin.scenario.balancer.base import BalancerSettings
from twin.scenario.balancer.kinds import KINDS
from twin.scenario.fields import Positive, Problem, Seconds, Table, refused, show

if TYPE_CHECKING:
    from twin.scenario.faults import Fault

MOST_SLOTS = 1000
"""Nodes that a cluster with a registry may grow to, as many as one without may have."""


class Canary(Table):
    """A gray release: some nodes run the next version, and a share of the clients is sent to them."""

    nodes: Annotated[list[Annotated[int, Field(ge=1)]], Field(min_length=1, max_length=MOST_SLOTS)] = Field(
        description="Numbers of the nodes that run the next version."
    )
    share: Annotated[float, Field(ge=0, le=1)] = Field(
        0.1, description=f"Share of the clients that is sent to them, in steps of 1/{SHARES}."
    )
    version: Annotated[str, Field(pattern=r"^[A-Za-z0-9._-]{1,40}$")] = Field(
        "v2", description="Their version, in the metadata of the registry; the others are v1."
    )

    @model_validator(mode="after")
    def _check(self) -> "Canary":
        if len(set(self.nodes)) < len(self.nodes):
            raise refused("nodes", show(self.nodes), "each number once")
        return self

    @property
    def parts(self) -> int:
        """The share in parts of `SHARES`."""
        return share_parts(self.share)


class Rebalance(Table):
    """Nodes that hold more than their share of the connections close some, with 1012."""

    pace: Annotated[float, Field(gt=0, le=100_000)] = Field(20.0, description="Connections a node closes a second.")
    slack: Annotated[float, Field(ge=0, le=10)] = Field(0.1, description="Share above the mean that is left alone.")


class Registry(Table):
    """The registry in which nodes register, and the registrar that keeps the balancer in step with it."""

    ttl: Annotated[float, Field(ge=0.1, le=3600)] = Field(
        3.0, description="Seconds that a registration lives without a heartbeat."
    )
    heartbeat: Annotated[float, Field(ge=0.05, le=3600)] = Field(
        1.0, description="Seconds between two heartbeats of a node; less than `ttl`."
    )
    sync: Annotated[float, Field(ge=0.05, le=3600)] = Field(
        0.5, description="Seconds between two looks of the registrar at the registry."
    )
    canary: Canary | None = Field(None, description="Gray release; left out: all nodes run one version.")
    rebalance: Rebalance | None = Field(None, description="Rebalancing; left out: none.")

    @model_validator(mode="after")
    def _check(self) -> "Registry":
        if self.heartbeat >= self.ttl:
            raise refused("heartbeat", f"{self.heartbeat:g}", f"less than ttl, {self.ttl:g} s")
        return self

    def version(self, node: int) -> str:
        """Return the version that a node runs, and writes to the registry."""
        return self.canary.version if self.canary is not None and node in self.canary.nodes else "v1"

    @property
    def following(self) -> str | None:
        """The version of the members that the gray release is about; None without one."""
        return self.canary.version if self.canary is not None else None


class ScalingPolicy(Table):
    """A limit on the change in a period."""

    kind: Literal["pods", "percent"] = Field(description="Whether `value` is a number of nodes or a percentage.")
    value: Annotated[int, Field(ge=1, le=1_000_000)] = Field(description="Largest change in a period.")
    period: Annotated[float, Field(gt=0, le=1800)] = Field(15.0, description="Length of the period in seconds.")


class ScalingRules(Table):
    """How one direction may scale."""

    window: Annotated[float, Field(ge=0, le=3600)] = Field(description="Seconds of the stabilisation window.")
    policies: Annotated[list[ScalingPolicy], Field(min_length=1, max_length=20)] = Field(description="Limits.")
    select: Literal["max", "min", "disabled"] = Field("max", description="Which of the limits counts.")

    def rules(self) -> Rules:
        """Return the rules as the autoscaler knows them."""
        return Rules(self.window, tuple(Policy(p.kind, p.value, p.period) for p in self.policies), self.select)


def _settings(rules: Rules) -> ScalingRules:
    policies = [ScalingPolicy(kind=p.kind, value=p.value, period=p.period) for p in rules.policies]
    return ScalingRules(window=rules.window, policies=policies, select=rules.select)


class Autoscaling(Table):
    """The Horizontal Pod Autoscaler's rule, with its defaults."""

    metric: Literal["connections", "cpu"] = Field(
        "connections", description="connections: a node; cpu: percent of one core a node."
    )
    target: Annotated[int, Field(ge=1, le=1_000_000)] = Field(description="What the mean of the nodes shall be.")
    minimum: Annotated[int, Field(ge=1, le=MOST_SLOTS)] = Field(1, description="Fewest nodes.")
    maximum: Annotated[int, Field(ge=1, le=MOST_SLOTS)] = Field(description="Most nodes.")
    sync_period: Annotated[float, Field(ge=0.1, le=3600)] = Field(
        SYNC_PERIOD, description="Seconds between two decisions."
    )
    tolerance: Annotated[float, Field(ge=0, le=10)] = Field(
        0.1, description="How far the metric over its target may be off 1 without any action."
    )
    up: ScalingRules = Field(_settings(SCALE_UP), description="Limits of scaling up.")
    down: ScalingRules = Field(_settings(SCALE_DOWN), description="Limits of scaling down.")
    cpu_initialization: Seconds = Field(
        CPU_INITIALIZATION, description="Seconds after its start in which a node's CPU counts only once it is ready."
    )
    initial_readiness: Seconds = Field(
        INITIAL_READINESS, description="Seconds after its start in which a node that is not ready was never ready."
    )
    lead: Seconds = Field(1.0, description="Seconds from the deregistration of a node that ends to its first close.")
    pace: Annotated[float, Field(gt=0, le=100_000)] = Field(
        50.0, description="Connections that a node which ends closes a second, with 1012."
    )

    @model_validator(mode="after")
    def _check(self) -> "Autoscaling":
        if self.maximum < self.minimum:
            raise refused("maximum", str(self.maximum), f"at least minimum, {self.minimum}")
        return self

    def controller(self, window: float) -> Controller:
        """Return the control loop at its start; `window` is the time between two heartbeats of a node in seconds."""
        return Controller(
            self.metric,
            self.target,
            DesiredReplicas(self.minimum, self.maximum, Behavior(self.up.rules(), self.down.rules())),
            Tolerance(self.tolerance, self.tolerance),
            window,
            self.cpu_initialization,
            self.initial_readiness,
        )


class Lifetime(Table):
    """The nodes end each connection after some time, with 1012."""

    mean: Positive = Field(description="Mean lifetime of a connection in seconds.")
    jitter: Annotated[float, Field(ge=0, le=1)] = Field(
        0.1, description="Share by which a lifetime differs from the mean at most."
    )


def elastic_problem(
    registry: Registry | None,
    autoscaling: Autoscaling | None,
    count: int,
    faults: "list[Fault]",
    balancer: BalancerSettings,
) -> Problem | None:
    """Return what does not fit together, or None.

    Args:
        registry, autoscaling: the tables of the scenario.
        count: nodes at the start.
        faults: what goes wrong in the cluster.
        balancer: its settings.
    """
    if registry is None:
        joins = [i for i, fault in enumerate(faults) if fault.kind == "join"]
        if joins:
            return Problem(f"faults.{joins[0]}.kind", "'join'", "only with a [registry]")
        return None if autoscaling is None else Problem("registry", "missing", "a [registry] with [autoscaling]")
    if balancer.not_with_registry is not None:
        return Problem(
            f"balancer.{balancer.not_with_registry}", "set", "only without [registry], which says who is there"
        )
    if registry.canary is not None and not balancer.gray_release:
        able = " or ".join(f"'{name}'" for name, one in KINDS.items() if one.gray_release)
        return Problem("registry.canary", "set", f"only with balancer.kind {able}")
    if registry.canary is not None:
        outside = [node for node in registry.canary.nodes if node > slots(count, autoscaling, faults)]
        if outside:
            return Problem("registry.canary.nodes", str(outside[0]), "numbers of nodes that there are")
        always = count if autoscaling is None else autoscaling.minimum
        if set(range(1, always + 1)) <= set(registry.canary.nodes):
            return Problem(
                "registry.canary.nodes",
                show(registry.canary.nodes),
                f"such that one of the nodes 1 to {always} runs v1",
            )
    if autoscaling is not None and not autoscaling.minimum <= count <= autoscaling.maximum:
        return Problem("nodes.count", str(count), "from autoscaling.minimum to autoscaling.maximum")
    for i, fault in enumerate(faults):
        if fault.kind == "join" and autoscaling is not None:
            return Problem(f"faults.{i}.kind", "'join'", "any other with [autoscaling], which starts the nodes itself")
        kills = [e for e in faults if e.kind == "kill" and e.node == fault.node and e.at < fault.at]
        dead = any(e.duration is None for e in kills)
        again = any(e.kind == "join" and e.node == fault.node and e.at < fault.at for e in faults)
        if fault.kind == "join" and (again or not (dead or (fault.node or 0) > count)):
            return Problem(
                f"faults.{i}.node", str(fault.node), "a node that was killed before, or one above nodes.count, once"
            )
    return None


def slots(count: int, autoscaling: Autoscaling | None, faults: "list[Fault]") -> int:
    """Return how many nodes a cluster may have: its balancer knows so many servers."""
    joining = [fault.node or 0 for fault in faults if fault.kind == "join"]
    return max([count, *joining, 0 if autoscaling is None else autoscaling.maximum])


def most_nodes(count: int, autoscaling: Autoscaling | None, faults: "list[Fault]") -> int:
    """Return how many nodes a cluster has at most, whatever their numbers: a node 9 may join where there are three."""
    joining = {fault.node for fault in faults if fault.kind == "join" and (fault.node or 0) > count}
    return max(count + len(joining), 0 if autoscaling is None else autoscaling.maximum)
