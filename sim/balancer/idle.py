"""The balancer's timeout for connections over which nothing passes."""

from collections import Counter
from collections.abc import Callable, Sequence

import simpy

from sim.connection import Tunnel
from sim.ports import Run, Upstream
from twin.advice import strikes_in_run
from twin.draws import Purpose
from twin.rules.heartbeat import beat_after
from twin.rules.idle import LAZY, TIE, PingSchedule, in_time, timer_set

NEVER = 1e9
"""Interval in seconds of who pings once."""


class Idle:
    """Cuts tunnels that were silent for too long. Pings are not simulated one by one: when a tunnel's time seems up,
    their times are computed.

    Args:
        run: the replication.
        nodes: where tunnels end.
        expire: closes a tunnel.

    Attributes:
        on: whether the timeout can strike within the run.
        races: how many pings of each client came so near the end of the timeout that drawn numbers decided.
    """

    def __init__(self, run: Run, nodes: Sequence[Upstream], expire: Callable[[Tunnel], None]) -> None:
        scenario = run.scenario
        self.run = run
        self.env = run.env
        self.nodes = nodes
        self.expire = expire
        self.beat = scenario.clients.heartbeat.rule().interval
        self.ping = scenario.nodes.ping_interval
        self.timeout = scenario.idle_timeout
        self.kind = scenario.balancer.kind
        self.lazy = LAZY[self.kind]
        self.on = strikes_in_run(scenario)
        self.races: Counter[int] = Counter()

    def watch(self, tunnel: Tunnel, since: float) -> None:
        """Watch a tunnel that was opened at `since`, in seconds after the start of the run."""
        tunnel.opened_at = tunnel.touched = since
        if self.on:
            self._look_at(tunnel, since + self.timeout)

    def touch(self, tunnel: Tunnel) -> None:
        """Something else than a ping passes through a tunnel."""
        if not self.on:
            return
        now = self.env.now
        if not self.lazy or now - timer_set(tunnel.touched, now, self.pings(tunnel), self.lazy) >= self.lazy:
            tunnel.touched = now

    def pings(self, tunnel: Tunnel) -> list[PingSchedule]:
        """Return the pings that pass through a tunnel.

        Who pings waits for the pong before it pings again: a client pings a silent node once, and a client that does
        not read pings once more; a silent node's pings do not arrive.
        """
        client, node = tunnel.client, self.nodes[tunnel.server]
        interval, every, last = self.beat, self.ping, client.last_beat
        found = []
        if last is not None:
            found.append(PingSchedule(last, NEVER))
            if tunnel.opened:
                found.append(PingSchedule(client.first_beat, NEVER))
        elif interval and tunnel.opened:
            ends = [node.silent_since] if node.silent else []
            if client.stall.on:
                ends.append(client.stall.stalled_at)
            untils = [beat_after(client.first_beat, interval, end) for end in ends]
            found.append(PingSchedule(client.first_beat, interval, min(untils, default=NEVER)))
        if every:
            found.append(PingSchedule(tunnel.opened_at + every, every, node.silent_since if node.silent else NEVER))
        return [side for side in found if side.first > -NEVER]

    def _look_at(self, tunnel: Tunnel, when: float) -> None:
        env = self.env

        def due(_: simpy.Event) -> None:
            if tunnel.lost.triggered or tunnel.upstream_gone or tunnel.client_left:
                return
            pings = self.pings(tunnel)
            last = timer_set(tunnel.touched, env.now - TIE, pings, self.lazy)
            if last + self.timeout <= env.now + 1e-9:
                last = self._race(tunnel, env.now, pings)
            if last == tunnel.touched and last + self.timeout <= env.now + 1e-9:
                self.expire(tunnel)
            else:
                tunnel.touched = last
                self._look_at(tunnel, last + self.timeout)

        env.timeout(max(0.0, when - env.now)).callbacks.append(due)

    def _race(self, tunnel: Tunnel, end: float, pings: list[PingSchedule]) -> float:
        """Return when the timer of a tunnel that nothing has moved is set once more by a ping that is due just when it
        ends; it stays as it is if there is none or it comes too late.
        """
        ping = min((side.following(end - TIE) for side in pings), default=NEVER)
        if ping > end + TIE:
            return tunnel.touched
        number = tunnel.client.number
        lucks = [self.run.draw(number, Purpose.TIE, 3 * self.races[number] + i) for i in range(3)]
        self.races[number] += 1
        saved = in_time(end - ping, lucks, self.kind, first=tunnel.touched == tunnel.opened_at)
        return ping if saved else tunnel.touched
