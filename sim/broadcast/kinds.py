"""The kinds of bus whose server is another one than Valkey: one line each."""

from collections.abc import Callable

from sim.broadcast.bus import Bus
from sim.jetstream import cluster
from twin.scenario.buses import BusKind

KINDS: dict[BusKind, Callable[..., Bus]] = {"jetstream": cluster.of_replicas}
