"""The balancer's timeout for connections over which nothing passes."""

from typing import TYPE_CHECKING

from twin.rules.heartbeat import beat_after
from twin.rules.idle import last_ping
from twin.scenario import WARM_UP_SLACK, Nginx, Scenario

if TYPE_CHECKING:
    import simpy

    from sim.connection import Tunnel
    from sim.world import World

LAZY = 0.3
"""Seconds by which nginx does not move a timer that is set: `NGX_TIMER_LAZY_DELAY` in src/event/ngx_event_timer.h."""


def can_strike(scenario: Scenario) -> bool:
    """Tell whether a connection can have been silent for the balancer's timeout by the end of a run."""
    return scenario.idle_timeout < scenario.duration + scenario.warm_up + WARM_UP_SLACK


class Idle:
    """Cuts tunnels that were silent for too long. Pings are not simulated one by one: when a tunnel's time seems up,
    their times are computed.

    Attributes:
        on: whether the timeout can strike within the run.
    """

    def __init__(self, world: "World") -> None:
        scenario = world.scenario
        self.world = world
        self.timeout = scenario.idle_timeout
        self.lazy = LAZY if isinstance(scenario.balancer, Nginx) else 0.0
        self.on = can_strike(scenario)

    def watch(self, tunnel: "Tunnel", since: float) -> None:
        """Watch a tunnel that was opened at `since`, in seconds after the start of the run."""
        tunnel.opened_at = tunnel.touched = since
        if self.on:
            self._look_at(tunnel, since + self.timeout)

    def touch(self, tunnel: "Tunnel") -> None:
        """Something else than a ping passes through a tunnel."""
        now = self.world.env.now
        if self.on and now - tunnel.touched >= self.lazy:
            tunnel.touched = now

    def last_touched(self, tunnel: "Tunnel") -> float:
        """Return when anything last passed through a tunnel, pings included.

        Who pings waits for the pong before it pings again: a client pings a silent node once, and a client that does
        not read pings once more; a silent node's pings do not arrive.
        """
        world, client, now = self.world, tunnel.client, self.world.env.now
        node, every = world.nodes[tunnel.server], world.scenario.nodes.ping_interval
        last = tunnel.touched
        interval = world.heartbeat.interval
        if client.beats is not None:
            last = max(last, client.beats.last)
        elif interval and tunnel.opened:
            until = now
            if node.silent:
                until = min(until, beat_after(client.first_beat, interval, node.silent_since))
            if client.subscriber is not None and client.subscriber.stalled:
                until = min(until, beat_after(client.first_beat, interval, client.subscriber.stalled_at))
            last = max(last, last_ping(client.first_beat, interval, until))
        if every:
            until = min(now, node.silent_since) if node.silent else now
            last = max(last, last_ping(tunnel.opened_at + every, every, until))
        return last

    def _look_at(self, tunnel: "Tunnel", when: float) -> None:
        env = self.world.env

        def due(_: "simpy.Event") -> None:
            if tunnel.lost.triggered or tunnel.upstream_gone or tunnel.client_left:
                return
            again = self.last_touched(tunnel) + self.timeout
            if again > env.now + 1e-9:
                self._look_at(tunnel, again)
            else:
                self.world.balancer.expire(tunnel)

        env.timeout(max(0.0, when - env.now)).callbacks.append(due)
