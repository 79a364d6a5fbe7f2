"""What is broadcast, over which bus, and what happens to those who lag or miss something."""

from typing import Annotated, Any

from pydantic import Field, model_validator

from twin.rules.batching import Departure, departures
from twin.rules.consistency import Scope, Threshold, publish_times
from twin.rules.slow_consumer import SlowPolicy
from twin.scenario.buses import BUSES, BusKind, BusTraits
from twin.scenario.codec import Batching
from twin.scenario.fields import Positive, Seconds, Table, refused, show
from twin.scenario.jetstream import JetStream, jetstream_problem
from twin.scenario.servers import Servers

MOST_PAYLOAD = 1_000_000
"""Bytes of a payload, and of all that a batch holds."""


class OutputBufferLimits(Table):
    """When a Redis or Valkey server cuts a subscriber that does not read: `client-output-buffer-limit pubsub`."""

    hard_bytes: Annotated[int, Field(ge=0, le=2**40)] = Field(
        32 * 2**20,
        description="Bytes that the server counts as waiting for one subscriber and that cut it at once; of a message "
        "of 16 kB or more it counts little while nothing is read; 0 is no limit.",
    )
    soft_bytes: Annotated[int, Field(ge=0, le=2**40)] = Field(
        8 * 2**20,
        description="Bytes, counted alike, that cut it when they last longer than `soft_seconds`; 0 is no limit.",
    )
    soft_seconds: Annotated[int, Field(ge=0, le=3600)] = Field(60, description="Seconds for `soft_bytes`, whole.")


class BusRetry(Table):
    """How nodes and publisher retry the bus, as redis-py does: min(cap, U(0, 1) * base * 2**n) before retry n."""

    base: Seconds = Field(0.01, description="Base of the wait, in seconds.")
    cap: Seconds = Field(1.0, description="Longest wait, in seconds; at least `base`.")
    retries: Annotated[int, Field(ge=0, le=1000)] = Field(
        10,
        description="Retries of one command; then a publish has an unknown outcome, and a subscriber begins anew.",
    )
    timeout: Positive = Field(5.0, description="Seconds without an answer until a command counts as failed.")

    @model_validator(mode="after")
    def _check(self) -> "BusRetry":
        if self.cap < self.base and self.retries > 0:
            raise refused("cap", f"{self.cap:g}", f"at least base, {self.base:g} s")
        return self


class Bus(Table):
    """The message bus between the nodes; connections of clients do not depend on it."""

    kind: BusKind = Field(
        "valkey",
        description="none: no server; valkey: an embedded server runs, but nothing is published; pubsub: nodes "
        "subscribe, at most once; stream: nodes read with a cursor and replay; kafka: partition log with committed "
        "offsets, in the model only; jetstream: a NATS server keeps a stream and delivers it to a durable consumer of "
        "each node.",
    )
    servers: Servers = Field(
        "one",
        description="one: messages, shared sessions and registry are on one server; several: each of them has its own.",
    )
    persist: bool = Field(
        False, description="true: a restarted bus has its data (append-only file); false: it begins a new epoch."
    )
    max_length: Annotated[int, Field(ge=0, le=10_000_000)] = Field(
        10_000, description="Messages the bus keeps for recovery and replay, the newest; 0 keeps none."
    )
    idempotency_window: Positive = Field(
        60.0, description="Seconds for which the bus remembers idempotency keys of messages."
    )
    commit_interval: Positive = Field(
        5.0,
        description="kafka, and jetstream with ack_policy 'all': seconds between two commits of a node's offset; a "
        "restarted node resumes there.",
    )
    lease: Positive = Field(2.0, description="Seconds after its last sign of life until a node is not registered.")
    output_buffer: OutputBufferLimits = Field(
        OutputBufferLimits(), description="Limits of a subscriber's buffer on the bus."
    )
    retry: BusRetry = Field(BusRetry(), description="How nodes and publisher retry the bus.")
    jetstream: JetStream = Field(JetStream(), description="The stream and the consumers of a NATS server.")

    @property
    def traits(self) -> BusTraits:
        """What its kind promises."""
        return BUSES[self.kind]

    @model_validator(mode="after")
    def _check(self) -> "Bus":
        if self.traits.keeps and self.max_length == 0:
            raise refused("max_length", "0", f"at least 1 with kind '{self.kind}'")
        problem = jetstream_problem(self.jetstream, self.kind, self.commit_interval)
        if problem:
            raise refused(*problem)
        return self


class Publisher(Table):
    """Who broadcasts: one process that publishes on a schedule, one message at a time."""

    rate: Annotated[float, Field(gt=0, le=10_000, allow_inf_nan=False)] = Field(
        10.0, description="Messages a second; message n is due (n - 1) / rate after `start`."
    )
    payload_bytes: Annotated[int, Field(ge=0, le=MOST_PAYLOAD)] = Field(
        64, description="Bytes of each payload; with a `codec`, of the text in it."
    )
    batch: Batching | None = Field(
        None, description="Messages that leave together travel as one; left out: each leaves when it is due."
    )
    start: Seconds = Field(0.0, description="When the first message is due, in seconds after the start of the run.")
    stop: Seconds | None = Field(
        None, description="No message is due at or after this time, in seconds; left out: the end of the run."
    )
    messages: Annotated[int, Field(ge=0, le=100_000)] = Field(0, description="Messages at most; 0 is no bound.")
    ack_timeout: Positive = Field(1.0, description="Seconds without the threshold until a message is sent again.")
    max_resends: Annotated[int, Field(ge=0, le=100)] = Field(3, description="How often a message is sent again.")
    threshold: Threshold = Field(
        "all",
        description="Nodes that must acknowledge before a message is consistent, of those registered when it was "
        "published: all, majority, or a number.",
    )
    scope: Scope = Field(
        "node",
        description="A node acknowledges when it has fanned out (node), or when each client connected to it has "
        "applied the message or left (client).",
    )

    @model_validator(mode="before")
    @classmethod
    def _check_threshold(cls, data: Any) -> Any:
        value = data.get("threshold", "all") if isinstance(data, dict) else "all"
        number = isinstance(value, int) and not isinstance(value, bool) and value >= 1
        if not number and value not in ("all", "majority"):
            raise refused("threshold", show(value), "'all', 'majority' or a whole number from 1 to nodes.count")
        return data

    @model_validator(mode="after")
    def _check(self) -> "Publisher":
        if self.stop is not None and self.stop < self.start:
            raise refused("stop", f"{self.stop:g}", f"at least start, {self.start:g} s")
        if self.batch is not None and self.batch.count * self.payload_bytes > MOST_PAYLOAD:
            allowed = f"so many that payload_bytes of all are at most {MOST_PAYLOAD}"
            raise refused("batch.count", f"{self.batch.count}", allowed)
        return self

    def due(self, duration: float) -> list[float]:
        """Return when each message of a run of `duration` seconds is due, in seconds after its start."""
        stop = duration if self.stop is None else min(self.stop, duration)
        return publish_times(self.rate, self.start, stop, self.messages)

    def batches(self, duration: float) -> list[Departure]:
        """Return the batches of a run, each of one message where none are made."""
        due = self.due(duration)
        if self.batch is None:
            return [Departure(t, number, 1) for number, t in enumerate(due, 1)]
        return departures(due, self.batch.count, self.batch.window)

    def times(self, duration: float) -> list[float]:
        """Return when each message of a run leaves, or each batch, which then is one message to all others."""
        return self.due(duration) if self.batch is None else [one.at for one in self.batches(duration)]


class Recovery(Table):
    """How a client gets messages that it missed."""

    recover: bool = Field(
        True, description="true: it asks for what it missed; false: it notes the gap and goes on behind it."
    )
    on_reconnect: bool = Field(
        True, description="Ask from the last position after a reconnect already, and not only when a gap shows."
    )
    timeout: Positive = Field(5.0, description="Seconds without an answer until it asks again.")


class SlowConsumer(Table):
    """What a node does when a client reads too slowly."""

    policy: SlowPolicy = Field(
        "close",
        description="drop: the message is not sent to it; coalesce: one snapshot stands for what it missed; close: "
        "the connection is cut.",
    )
    limit_bytes: Annotated[int, Field(ge=1024, le=2**30)] = Field(
        2**20, description="Bytes that may wait for one client in the node's own memory."
    )
