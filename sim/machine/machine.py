"""What the machine of a run costs and how its cores are shared out: the same for every engine."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from functools import cached_property

from sim.machine.process import Cost
from twin.costs.background import BACKGROUND_PARTS
from twin.costs.codec import CodecCosts, added, carried, shape_of
from twin.costs.curve import Curve, quantile
from twin.costs.jetstream import OVER
from twin.costs.lacking import ROOMS, background
from twin.costs.layout import room_of
from twin.costs.profile import PACE_STEP, HostProfile
from twin.costs.rounds import round_of
from twin.draws import Purpose, drawn_once, stratified
from twin.scenario.scenario import Scenario

MOST_CONTENTION_STEPS = 4
"""Steps in which the cores of a large machine are slower the more of them work."""

WORDS = {
    "bus_word": "bus_publish",
    "balancer_word": "balancer_delivery",
    "balancer_word_more": "balancer_delivery_more",
    "node_word": "node_fanout",
    "node_word_more": "node_fanout_more",
    "client_word": "client_delivery",
    "client_word_more": "client_delivery_more",
}
"""Parts that are measured with a message and also done for a few bytes: what each costs then, by its own name."""


SERVICES = ("bus", "publisher", "registrar")
"""What runs beside balancer and nodes, each on a machine of its own where balancer and nodes have some."""


@dataclass(frozen=True)
class Pace:
    """The speed levels that a core goes through, over and over, one every `PACE_STEP`; `start` is where it begins."""

    series: Sequence[int]
    start: float

    def level(self, now: float) -> int:
        """Return the level at a time in seconds."""
        return self.series[int(self.start + now / PACE_STEP) % len(self.series)]


class Machine:
    """Costs, speeds and cores of one replication. Costs vary with the speed of the core; what happens once is drawn.

    Args:
        scenario: what runs.
        profile: costs of the host.
        host: which draw of the host's speed to use.

    Attributes:
        groups: cores of the cluster.
        of_node: for each node the place of its group.
        of_balancer: the place of the balancer's group.
        of_service: the place of the group of each of `SERVICES`.
        swarm: cores of the clients; None when each of them has a machine of its own.
        disk: seconds that a bus that persists waits for its disk, after a rest and in a row; None if it waits for none.
            Kafka and NATS leave it to the system when their log is written (`twin.scenario.buses`).
        busy: room -> share of the core of one of its processes that the background takes, at each level of speed.
        contention_steps: in how many steps cores are slower the more of them work; 0 if each is alone on its machine.
    """

    def __init__(self, scenario: Scenario, profile: HostProfile, host: int) -> None:
        self.scenario, self.profile, self.host = scenario, profile, host
        kind = scenario.balancer.kind
        self.shape = shape_of(scenario)
        self._share_out()
        shared = self.swarm is not None and bool(profile.crowding)
        self.contention_steps = min(scenario.host.cores - 1, MOST_CONTENTION_STEPS) if shared else 0
        self._shares = {
            name: profile.first(name, stratified(scenario.seed, host, i, Purpose.ROUND))
            for i, name in enumerate(profile.first_part)
        }
        self.busy = {room: background(profile, scenario, room, self.contention_steps) for room in ROOMS}
        self.host_quantile = u = stratified(scenario.seed, host, 0, Purpose.HOST)
        self.balancer_start = profile.start(kind, u)
        self.node_stop = profile.lone("node_stop", u)
        self.table_growth = profile.lone("table_growth", u)
        self.check_overhead = profile.lone("check_overhead", 0.5)
        self.disk: tuple[float, float] | None = None
        if scenario.bus.persist and scenario.bus.traits.waits_for_disk and profile.knows_disk:
            self.disk = profile.lone("disk_wait", u), profile.lone("disk_wait_in_a_row", u)

    def message_cost(self, name: str) -> Cost:
        """Return what a part of a broadcast costs over this kind of bus; nothing if the profile does not know it."""
        instead = OVER.get(self.scenario.bus.kind, {}).get(name, "")
        return self.cost(name, instead) if not instead or self.knows([instead]) else Cost.constant(0.0)

    def cost(self, name: str, instead: str = "") -> Cost:
        """Return what a part costs: with the payload of the publisher's messages, and what its codec and compression
        add, unless the name is one of `WORDS`.

        Args:
            name: of the part.
            instead: of another one that stands in its place.
        """
        kind, word = self.scenario.balancer.kind, name in WORDS
        publisher = self.scenario.publisher if not word else None
        name = WORDS.get(name, name)
        payload = carried(self.shape, name, publisher.payload_bytes) if publisher is not None else 0
        room, runtime = room_of(name), self.scenario.nodes.runtime
        busy = () if name in BACKGROUND_PARTS else self.busy.get(room, ())
        curves = self.profile.curves(instead or name, kind, self.contention_steps, payload, runtime, busy)
        share = self._shares.get(round_of(name, kind), 0.0)
        more = added(self.codec_costs, name, self.shape) if not word else None
        if more is None:
            return Cost(curves, share)
        extra = self._besides(more[0], room)
        assert extra is not None
        return Cost(curves, share).beside(extra, more[1])

    def encoded(self, what: str, room: str, text_bytes: int, count: int) -> Cost | None:
        """Return what it costs a process of a room to `encode` or `decode` messages that leave together; None if that
        is nothing.
        """
        return self._besides(self.codec_costs.encoded(what, text_bytes, count), room)

    def deflated(self, what: str, room: str, content_bytes: int) -> Cost | None:
        """Return what it costs a process of a room to `deflate` or `inflate` a frame; None if that is nothing."""
        return self._besides(self.codec_costs.deflated(what, content_bytes), room)

    def _besides(self, curves: list[Curve] | None, room: str) -> Cost | None:
        """Return a cost of a process that has the background to do, too."""
        busy = self.busy.get(room, ())
        if curves is None or not busy:
            return None if curves is None else Cost(curves)
        return Cost([one.slowed(part) for one, part in zip(curves, busy, strict=True)])

    def cost_if_known(self, name: str) -> Cost:
        """Return what a part costs that a profile need not know, and nothing if it does not."""
        return self.cost(name) if self.knows([name]) else Cost.constant(0.0)

    def knows(self, names: Iterable[str]) -> bool:
        """Tell whether some parts were calibrated."""
        return self.profile.knows_parts(names, self.scenario.balancer.kind)

    @cached_property
    def codec_costs(self) -> CodecCosts:
        """What codec and compression cost."""
        return CodecCosts(self.profile, self.scenario, self.contention_steps)

    @property
    def bus_start(self) -> float:
        """Seconds that a bus takes to start; a profile need not know it for a scenario without one."""
        if self.scenario.bus.kind in OVER:
            return self.store_start(self.scenario.bus.kind)
        return self.profile.lone("bus_start", self.host_quantile)

    def store_start(self, kind: str) -> float:
        """Return the seconds that a store takes to start after it was killed, or a bus that is not Valkey; 0 if that is
        not known.
        """
        known = self.profile.store_start.get(kind, [])
        return quantile(sorted(known), self.host_quantile) if known else 0.0

    def _share_out(self) -> None:
        nodes, count = self.scenario.slots, self.scenario.host.cores
        self.groups: list[range] = []
        self.swarm: range | None = None
        if self.scenario.host.placement == "separate":
            self.groups = [range(i, i + 1) for i in range(1 + nodes + len(SERVICES))]
            self.of_balancer, self.of_node = 0, list(range(1, nodes + 1))
        elif self.scenario.host.placement == "free" or count == 1:
            self.groups = [range(count)]
            self.of_balancer, self.of_node = 0, [0] * nodes
            self.swarm = self.groups[0]
        else:
            half = count // 2
            self.groups = [range(i, i + 1) for i in range(half)]
            self.of_balancer, self.of_node = 0, [i % half for i in range(nodes)]
            self.swarm = range(half, count)
        apart = self.swarm is None
        last = len(self.groups) - 1
        self.of_service = {name: 1 + nodes + i if apart else last for i, name in enumerate(SERVICES)}

    def pace(self, core: int) -> Pace:
        """Return how fast a core is. Those of one machine go through the same look, each through its own series."""
        looks = self.profile.paces
        together = 1 if self.swarm is None else min(len(look) for look in looks)
        machine, place = divmod(core, together)
        draw = drawn_once if machine else stratified
        u = draw(self.scenario.seed, self.host, machine, Purpose.PACE) * len(looks)
        series = looks[int(u)][place]
        return Pace(series, u % 1.0 * len(series))

    def clock(self, replication: int) -> float:
        """Return how far the host's clock is past a whole millisecond when the run starts, in milliseconds."""
        return drawn_once(self.scenario.seed, replication, 0, Purpose.CLOCK)

    def check_phase(self, replication: int) -> float:
        """Return when the balancer first checks node 1 in a replication, in seconds after the start of the run; 0 for
        one without checks of its own.
        """
        every = self.scenario.balancer.check_interval
        return 0.0 if every is None else stratified(self.scenario.seed, replication, 0, Purpose.CHECK_PHASE) * every
