"""The tables of a scenario, and what follows from them."""

from typing import Annotated, Literal

from pydantic import BeforeValidator, Field, model_validator

from twin.rules.backoff import First, Jitter, Policy, Then, uses_cap
from twin.rules.backoff import Reconnect as ReconnectRule
from twin.rules.codecs import NO_CODEC, payload
from twin.rules.heartbeat import Heartbeat as HeartbeatRule
from twin.rules.idle import longest_silence
from twin.scenario.arrivals import ArrivalSettings
from twin.scenario.balancer.haproxy import HAProxy
from twin.scenario.balancer.kinds import Balancer, Preset
from twin.scenario.broadcast import Bus, Publisher, Recovery, SlowConsumer
from twin.scenario.codec import Batching, CodecKind, Compression
from twin.scenario.contents import Contents, contents_of
from twin.scenario.faults import Fault
from twin.scenario.fields import Delays, Positive, Seconds, Table, refused, show
from twin.scenario.handler import Executor, HandlerSettings
from twin.scenario.memory import MemoryLimit
from twin.scenario.objectives import Objective
from twin.scenario.pool import Pool
from twin.scenario.presets import ClientPreset, balancer_preset, preset
from twin.scenario.rates import Refusals
from twin.scenario.registry import Autoscaling, Lifetime, Registry, slots
from twin.scenario.runtimes import RUNTIME, RuntimeKind, Workers
from twin.scenario.sending import Offline, Sends
from twin.scenario.servers import Use, uses
from twin.scenario.sessions import Sessions
from twin.scenario.transport import TransportSettings


class Reconnect(Table):
    """When a client that lost its connection tries again; the name of a client library stands for what it does."""

    policy: Policy = Field("exponential", description="How the wait grows from one failed attempt to the next.")
    base: Seconds = Field(0.2, description="First wait, in seconds.")
    factor: Annotated[float, Field(ge=1, le=100)] = Field(2.0, description="Growth of the wait a failed attempt.")
    cap: Seconds = Field(5.0, description="Longest wait of a policy that has one, in seconds; at least `base`.")
    jitter: Jitter = Field(
        "none", description="How a wait is spread: none, full, equal, decorrelated, offset or around."
    )
    first: First = Field(
        "backoff",
        description="Wait before the first attempt after the loss of a stable connection: backoff, immediate, or "
        "U(0, base).",
    )
    max_attempts: Annotated[int, Field(ge=0, le=1_000_000)] = Field(
        0, description="Give up after so many failed attempts in a row; 0 is never."
    )
    stable_time: Seconds = Field(
        5.0,
        description="How long a connection must have lasted before the backoff starts anew, in seconds; the loss of a "
        "younger one counts as a failed attempt.",
    )
    spread: Annotated[float, Field(ge=0, le=1)] = Field(
        0.5, description="Share of the wait by which the jitter `around` changes it at most."
    )
    delays: Delays = Field(
        [], description="Waits of the policy `list` in seconds, each a number or [low, high] for one drawn evenly."
    )
    then: Then = Field("repeat", description="When the list is used up: repeat its last wait, or stop.")

    @model_validator(mode="after")
    def _check(self) -> "Reconnect":
        if self.policy == "list" and not self.delays:
            raise refused("delays", "[]", "at least one wait with policy 'list'")
        if self.policy != "list" and self.delays:
            raise refused("delays", show(self.delays), "nothing but with policy 'list'")
        if self.cap < self.base and uses_cap(self.policy, self.jitter):
            raise refused("cap", f"{self.cap:g}", f"at least base, {self.base:g} s")
        if self.policy == "fixed" and self.jitter == "decorrelated":
            raise refused("jitter", "'decorrelated'", "none, full, equal, offset or around with policy 'fixed'")
        return self

    def rule(self) -> ReconnectRule:
        """Return the policy as the rules know it."""
        return ReconnectRule(**self.model_dump())


class Heartbeat(Table):
    """How a client finds a dead peer."""

    interval: Seconds = Field(20.0, description="Seconds between pings; 0 is no heartbeat.")
    timeout: Positive = Field(20.0, description="Seconds without a pong until the peer counts as dead.")
    close_timeout: Seconds = Field(
        0.0, description="Seconds to wait for the peer's close frame before the dead connection is dropped."
    )
    max_interval: Seconds = Field(
        0.0,
        description="Longest interval in seconds of a heartbeat that adapts to the network, beginning with `interval`; "
        "0: it does not adapt.",
    )

    @model_validator(mode="after")
    def _check(self) -> "Heartbeat":
        if self.max_interval and not 0 < self.interval <= self.max_interval:
            allowed = f"0, or at least an interval above 0, here {self.interval:g} s"
            raise refused("max_interval", f"{self.max_interval:g}", allowed)
        return self

    def rule(self) -> HeartbeatRule:
        """Return the heartbeat as the rules know it."""
        return HeartbeatRule(**self.model_dump())


class Clients(Table):
    """The clients: they are all connected when the run starts, but for those that come later."""

    count: Annotated[int, Field(ge=1, le=10_000_000)] = Field(200, description="Number of clients.")
    per_process: Annotated[int, Field(ge=1, le=10_000)] = Field(
        2000, description="Clients in one swarm process; the swarm has as many processes as needed."
    )
    connect_rate: Annotated[float, Field(gt=0, le=100_000)] = Field(
        800.0, description="New connections a second while the cluster warms up, before the run starts."
    )
    arrivals: ArrivalSettings | None = Field(
        None, description="Clients that come in the run; left out: there are none."
    )
    open_timeout: Positive = Field(10.0, description="Seconds until an attempt to connect is abandoned.")
    addresses: Annotated[int, Field(ge=1, le=200)] = Field(
        1, description="Loopback source addresses the clients share in turn; 1 is one for all."
    )
    reconnect: Annotated[
        Reconnect, BeforeValidator(preset("reconnect"), json_schema_input_type=ClientPreset | Reconnect)
    ] = Field(Reconnect(), description="Reconnect policy, or the name of a client library.")
    heartbeat: Annotated[
        Heartbeat, BeforeValidator(preset("heartbeat"), json_schema_input_type=ClientPreset | Heartbeat)
    ] = Field(Heartbeat(), description="Heartbeat of the client, or the name of a client library.")
    refusals: Annotated[
        Refusals, BeforeValidator(preset("refusals"), json_schema_input_type=ClientPreset | Refusals)
    ] = Field(Refusals(), description="What clients do after an HTTP status that is not 101, or the name of a library.")
    transport: TransportSettings = Field(TransportSettings(), description="How messages come to a client.")
    recovery: Recovery = Field(Recovery(), description="What a client does about messages that it missed.")
    nodelay: bool = Field(True, description="true: TCP_NODELAY on their sockets; false: Nagle's algorithm.")
    sends: Sends = Field(Sends(), description="What each client sends.")
    offline: Offline = Field(Offline(), description="What a client keeps of it while it is away.")

    @property
    def early(self) -> int:
        """How many are connected when the run starts."""
        return self.count - (self.arrivals.count if self.arrivals is not None else 0)

    @property
    def arrival_times(self) -> dict[int, float]:
        """When each of those comes that come in the run, in seconds after its start, by number."""
        return self.arrivals.times(self.count) if self.arrivals is not None else {}

    @property
    def recovers(self) -> bool:
        """Whether a client gets what it missed."""
        return self.transport.cursor if self.transport.polls else self.recovery.recover


class Nodes(Table):
    """The WebSocket server processes."""

    count: Annotated[int, Field(ge=1, le=1000)] = Field(3, description="Number of nodes; they are numbered from 1.")
    runtime: RuntimeKind = Field(
        RUNTIME,
        description="What the nodes run on: asyncio is Python's, with uvloop; processes: several such processes on one "
        "port; threads: Python's, one for each connection, with websockets.sync; go: goroutines.",
    )
    workers: Workers = Field(Workers(), description="The processes of a node with the runtime 'processes'.")
    backlog: Annotated[int, Field(ge=1, le=4096)] = Field(
        1000, description="Length of a node's queue of connections that are not accepted yet."
    )
    ping_interval: Seconds = Field(0.0, description="Seconds between a node's pings to each client; 0 is none.")
    ping_timeout: Positive = Field(
        20.0, description="Seconds without a pong until a node closes the connection with 1011."
    )
    read_deadline: Seconds = Field(
        0.0,
        description="Seconds without a frame of the client, pings and pongs included, until a node drops the "
        "connection; 0 is never.",
    )
    write_deadline: Seconds = Field(
        0.0,
        description="Seconds for which more than half of `slow_consumer.limit_bytes` waits for a client of a broadcast "
        "until a node drops the connection; 0 is never.",
    )
    lifetime: Lifetime | None = Field(None, description="When a node ends a connection by itself; left out: never.")
    handler: HandlerSettings | None = Field(
        None, description="What requests of clients make a node do; left out: there are none."
    )
    executor: Executor = Field(Executor(), description="Who does the work of a handler.")
    nodelay: bool = Field(
        True,
        description="true: TCP_NODELAY on their sockets; false: Nagle's algorithm holds small segments back while one "
        "is not acknowledged.",
    )
    compression: Compression | None = Field(
        None, description="permessage-deflate on their connections; left out: frames are not compressed."
    )
    batch: Batching | None = Field(
        None,
        description="Messages of the publisher that a node hands to its clients together, each in a frame of its own; "
        "left out: each at once.",
    )
    pool: Pool | None = Field(
        None, description="Connections of each node to a store, which its work borrows; left out: there are none."
    )
    memory_limit: MemoryLimit = Field(
        0,
        description="Resident bytes that the process of a node may have: who needs more gets none and is killed, as a "
        "container is that reaches its limit; 0 is no limit.",
    )
    memory_restart: Seconds = Field(
        0.0, description="Seconds from such an end until a new process of the node is started; 0 is never."
    )


class HostSettings(Table):
    """The machine that carries all processes."""

    placement: Literal["pinned", "free", "separate"] = Field(
        "pinned",
        description="pinned: clients on the upper half of the cores, cluster on the lower; free: the kernel chooses; "
        "separate: balancer, nodes, clients, bus and publisher on machines of their own, whatever `cores` (in "
        "predictions only).",
    )
    cores: Annotated[int, Field(ge=1, le=64)] = Field(
        2, description="Cores to use; pinned uses the first half for the cluster."
    )
    accounts: bool = Field(
        False,
        description="true: the CPU time that nodes, balancer and clients use in a run is noted; where clients poll, it "
        "always is.",
    )
    memory: bool = Field(
        False,
        description="true: the memory of the nodes is noted at the end of a run; with `nodes.memory_limit`, or where "
        "something decides how messages travel, it always is.",
    )
    profile: str = Field(
        "calibrated", description="`calibrated` for this machine's own profile, `reference`, or a path of a profile."
    )


MOST_MESSAGES = 100_000
"""Messages that one run may publish."""

LONGEST_RUN = 86_400.0
"""Seconds that a run may take: a day."""


class Settings(Table):
    """What a scenario says: a cluster, its clients and the faults that act on it, each table good in itself."""

    name: Annotated[str, Field(pattern=r"^[a-z0-9][a-z0-9-]*$", max_length=80)] = Field(description="Short name.")
    teaches: Annotated[str, Field(max_length=500)] = Field("", description="One sentence: what the scenario shows.")
    seed: Annotated[int, Field(ge=0, lt=2**63)] = Field(1, description="Seed of every random number.")
    duration: Annotated[float, Field(gt=0, le=LONGEST_RUN)] = Field(
        10.0, description="Length of a run in seconds; at most a day, and an hour in a live run."
    )
    codec: CodecKind = Field(
        "none",
        description="What encodes the payloads of publisher and clients: none is a filling; with another one each "
        "payload is a line of a chat, with a number, a room, a sender, a time and a text.",
    )
    clients: Clients = Field(Clients(), description="The clients.")
    balancer: Annotated[Balancer, BeforeValidator(balancer_preset, json_schema_input_type=Preset | Balancer)] = Field(
        HAProxy(),
        description="The balancer: a table of HAProxy, nginx or Envoy, or the preset 'haproxy', 'nginx' or 'envoy' "
        "with its manual's defaults. What a table leaves out is the lab's default, not the preset's; a setting says "
        "where the two differ or the manual has none.",
    )
    nodes: Nodes = Field(Nodes(), description="The nodes.")
    bus: Bus = Field(Bus(), description="The bus.")
    publisher: Publisher | None = Field(None, description="What is broadcast; left out: nothing is.")
    slow_consumer: SlowConsumer = Field(SlowConsumer(), description="What a node does with a client that lags.")
    registry: Registry | None = Field(
        None, description="Nodes register, and the balancer learns of them from there; left out: it has a fixed list."
    )
    autoscaling: Autoscaling | None = Field(
        None, description="Nodes are started and ended by load; left out: nodes.count stays."
    )
    sessions: Sessions = Field(Sessions(), description="How clients log in, and where their sessions are.")
    host: HostSettings = Field(HostSettings(), description="The machine.")
    faults: Annotated[list[Fault], Field(max_length=100)] = Field([], description="What goes wrong, and when.")
    objectives: Annotated[list[Objective], Field(max_length=20)] = Field(
        [], description="What is asked of the cluster, for `./lab validate`; it changes no run."
    )

    @property
    def slots(self) -> int:
        """Most nodes that there may be in a run; the balancer knows so many servers."""
        return slots(self.nodes.count, self.autoscaling, self.faults)

    @property
    def uses(self) -> tuple[Use, ...]:
        """For what there is a shared server."""
        return uses(self.publisher is not None, self.sessions.store == "redis", self.registry is not None)

    @property
    def accounts(self) -> bool:
        """Whether the CPU time of processes is asked for."""
        return self.host.accounts or self.clients.transport.polls

    @property
    def notes_cpu(self) -> bool:
        """Whether the CPU time of processes is noted."""
        return self.accounts or self.counts_bytes

    @property
    def notes_memory(self) -> bool:
        """Whether the memory of nodes is noted."""
        return self.host.memory or self.nodes.memory_limit > 0 or self.counts_bytes

    @property
    def talks(self) -> bool:
        """Whether anything but handshakes, pings and closes goes over the connections."""
        sends = self.clients.sends.rate > 0 or self.nodes.handler is not None
        return sends or self.publisher is not None

    @property
    def counts_bytes(self) -> bool:
        """Whether a run notes bytes and CPU time: something decides how messages travel."""
        batches = (self.nodes.batch, self.clients.sends.batch, self.publisher.batch if self.publisher else None)
        nagle = not (self.nodes.nodelay and self.clients.nodelay)
        return self.codec != NO_CODEC or self.nodes.compression is not None or nagle or any(batches)

    @property
    def contents(self) -> Contents:
        """What is in the messages of its publisher, which there is."""
        assert self.publisher is not None
        compression = self.nodes.compression
        return contents_of(self.codec, self.publisher, self.duration, compression.rule() if compression else None)

    @property
    def largest_payload(self) -> int:
        """Bytes of the largest payload that the publisher sends, 0 without one; that of messages with large numbers."""
        if self.publisher is None:
            return 0
        count = 1 if self.publisher.batch is None else self.publisher.batch.count
        return len(payload(self.codec, self.publisher.payload_bytes, MOST_MESSAGES, count))

    @property
    def idle_timeout(self) -> float:
        """Seconds without a byte in either direction until the balancer cuts a connection."""
        return self.balancer.idle_timeout

    @property
    def longest_silence(self) -> float:
        """Longest time in seconds in which pings leave a connection silent; infinite when nobody pings."""
        beat = self.clients.heartbeat
        return longest_silence(beat.max_interval or beat.interval, self.nodes.ping_interval)

    @property
    def warm_up(self) -> float:
        """How long the clients take to connect before the run starts, in seconds."""
        return self.clients.early / self.clients.connect_rate
