"""The life of a client: connect, stay, lose the connection, wait, try again."""

from functools import cached_property
from typing import TYPE_CHECKING

import simpy

from sim.client.heartbeat import Beats
from sim.connection import Attempt, Tunnel
from sim.machine.process import Alone, Cost, Process
from sim.node.node import Node
from twin.draws import Purpose
from twin.rules.backoff import Backoff
from twin.rules.heartbeat import beat_after

if TYPE_CHECKING:
    from collections.abc import Callable

    from sim.broadcast.subscriber import Subscriber
    from sim.sending.outbox import Outbox
    from sim.sessions.sessions import Member
    from sim.world import World


HOPS = {"client_open": 1, "client_refused": 1, "client_denied": 1, "client_closed": 2}
"""Rounds of the loop between the reading of an answer and the client's task: the close of a refused connection is
read by itself, and asyncio wakes a task by way of its future. The end of a connection is told in one round, goes
through the future that `wait_closed` shields in the next, and wakes the task in a third. Sources: `websockets`
asyncio/client.py (`handshake`), asyncio/connection.py (`connection_lost`, `wait_closed`); uvloop
handles/basetransport.pyx (`_schedule_call_connection_lost`), loop.pyx (`_on_idle`); seen with strace."""


class Costs:
    """What a client does, and what it costs."""

    def __init__(self, cost: "Callable[[str], Cost]") -> None:
        self.dial = cost("client_dial")
        self.request = cost("client_request")
        self.open = cost("client_open")
        self.refused = cost("client_refused")
        self.closed = cost("client_closed")
        self.goodbye = cost("client_goodbye")


class Client:
    """One client of the swarm; it shares its process with many others."""

    def __init__(self, world: "World", number: int, process: Process | Alone) -> None:
        self.world = world
        self.number = number
        self.process = process
        self.tunnel: Tunnel | None = None
        self.attempt: Attempt | None = None
        self.backoff = Backoff(world.reconnect)
        self.attempts = 0
        self.draws = 0
        self.subscriber: Subscriber | None = None
        self.beats = Beats(self) if world.heartbeat.most else None
        self.member: Member | None = None
        self.barred = False
        self.outbox: Outbox | None = None
        self.since = 0.0

    @cached_property
    def first_beat(self) -> float:
        """When the first ping of its connection is due, in seconds; of the one that the run starts with it is drawn
        only if something depends on it.
        """
        return self.world.heartbeat.interval * self.world.draw(self.number, Purpose.PING_PHASE, 0)

    def live(self, tunnel: Tunnel | None) -> "simpy.events.ProcessGenerator":
        """Stay connected, and come back after every loss; `tunnel` is the connection the run starts with."""
        world = self.world
        while True:
            if tunnel is not None:
                self.tunnel = tunnel
                since = world.env.now if self.attempts > 1 else self.since
                reason = yield tunnel.lost
                if self.subscriber is not None and self.subscriber.stalled and reason != "heartbeat":
                    yield self.subscriber.reads_again
                yield from self.notice(tunnel, reason)
                if self.beats is not None:
                    self.beats.ended(tunnel, reason)
                if self.subscriber is not None:
                    self.subscriber.disconnected()
                world.note("disconnected", self.number, tunnel.server + 1, detail=reason)
                self.tunnel = None
                wait = self.backoff.after_loss(world.env.now - since, self.draw())
            else:
                wait = None if self.barred else self.backoff.after_failure(self.draw())
            if wait is None:
                world.note("gave_up", self.number, attempt=self.attempts)
                return
            if wait > 0:
                yield self.process.sleep(wait)
            tunnel = yield from self.connect(wait > 0)

    def connect(self, rested: bool) -> "simpy.events.ProcessGenerator":
        """Try once; return the tunnel, or None. `rested`: a timer woke the client, else it goes on from a failure."""
        world, costs = self.world, self.world.client_costs
        self.attempts += 1
        yield self.process.work(costs.dial) if rested else self.process.carry_on(costs.dial)
        world.note("attempt_connect", self.number, attempt=self.attempts)
        if not world.balancer.listening:
            yield self.process.work(costs.refused)
            world.note("connect_failed", self.number, attempt=self.attempts, detail="refused")
            return None
        attempt = self.attempt = Attempt(world, self)
        if self.member is not None:
            attempt.ticket = self.member.ticket
        world.balancer.accept()
        yield self.process.work(costs.request)
        if not attempt.answer.triggered:
            world.env.process(world.balancer.serve(attempt))
        answer = yield attempt.answer
        if isinstance(answer, Tunnel):
            yield self.process.work(costs.open)
            self.attempt = None
            self.tunnel = answer
            self.first_beat = world.env.now + world.heartbeat.interval
            world.note("connected", self.number, answer.server + 1, attempt=self.attempts)
            answer.opened = True
            if self.member is not None and attempt.grant is not None:
                self.member.admitted(attempt.grant, answer.server + 1)
            if self.beats is not None:
                self.beats.start(answer, self.beats.rule.interval, True)
            if self.subscriber is not None:
                self.subscriber.connected(answer)
            if self.outbox is not None:
                self.outbox.connected(answer)
            node = world.nodes[answer.server]
            if node.silent:
                self.peer_hangs(answer, node)
            return answer
        of_node = world.sessions is not None and bool(attempt.reason)
        yield self.process.work(world.sessions.costs.read_denied if world.sessions and of_node else costs.refused)
        self.attempt = None
        world.note("connect_failed", self.number, attempt=self.attempts, detail=answer)
        if self.member is not None and attempt.reason:
            then = self.member.refused(answer, attempt.reason, attempt.server + 1)
            if then == "login":
                found: Tunnel | None = yield from self.connect(False)
                return found
            self.barred = then == "stop"
        return None

    def notice(self, tunnel: Tunnel, reason: str) -> "simpy.events.ProcessGenerator":
        """Do what the client does when a connection ends for `reason`."""
        world, costs = self.world, self.world.client_costs
        if reason == "heartbeat":
            world.note("heartbeat_missed", self.number, tunnel.server + 1)
            if world.heartbeat.close_timeout > 0:
                yield self.process.sleep(world.heartbeat.close_timeout)
            yield self.process.work(costs.closed)
            world.balancer.client_left(tunnel)
        else:
            yield self.process.work(costs.closed)
        world.balancer.hears_end(tunnel, world.nodes[tunnel.server])

    def cut_off(self) -> None:
        """Balancer and nodes are gone: the client's kernel learns that its connection, or its attempt, is broken."""
        tunnel = self.tunnel
        if self.attempt is not None:
            found = self.attempt.answer.value if self.attempt.answer.triggered else None
            if found is None:
                self.attempt.fail("reset")
            tunnel = found if isinstance(found, Tunnel) else None
        if tunnel is not None and not tunnel.lost.triggered:
            tunnel.lost.succeed("1006")

    def told_goodbye(self, tunnel: Tunnel, node: Node) -> None:
        """Answer the node's close frame; the node then closes, and that is what ends the connection."""
        balancer = self.world.balancer

        def answered(_: simpy.Event) -> None:
            balancer.relay(tunnel, lambda _: node.hears_goodbye(tunnel))

        self.process.work(self.world.client_costs.goodbye, answered)

    def peer_hangs(self, tunnel: Tunnel, node: Node) -> None:
        """Foresee the missed heartbeat: the next ping gets no pong if the node is silent until its timeout ends."""
        world, beat = self.world, self.world.heartbeat
        if not beat.interval or not tunnel.opened:
            return
        since = node.silent_since
        wait = beat_after(self.first_beat, beat.interval, since) + beat.timeout - world.env.now

        def due(_: simpy.Event) -> None:
            if not tunnel.lost.triggered and node.silent and node.silent_since == since:
                tunnel.lost.succeed("heartbeat")

        self.process.sleep(wait).callbacks.append(due)

    def draw(self) -> float:
        """Return this client's next uniform number for its reconnect policy."""
        self.draws += 1
        return self.world.draw_for_reconnect(self.number, self.draws - 1)
