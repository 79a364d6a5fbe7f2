"""The life of a client: connect, stay, lose the connection, wait, try again."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import simpy

from sim.client.heartbeat import Beats
from sim.client.stall import StalledReading
from sim.connection import Attempt, Tunnel
from sim.machine.process import Alone, Cost, Process
from sim.ports import ClientPart, Frontend, Next, Run, Upstream
from twin.draws import Purpose
from twin.record.record import row
from twin.rules.backoff import Backoff, Reconnect
from twin.rules.heartbeat import Heartbeat, beat_after
from twin.scenario.combinations import WARM_UP_SLACK

HOPS = {"client_open": 1, "client_refused": 1, "client_denied": 1, "client_closed": 2}
"""Rounds of the loop between the reading of an answer and the client's task: the close of a refused connection is
read by itself, and asyncio wakes a task by way of its future. The end of a connection is told in one round, goes
through the future that `wait_closed` shields in the next, and wakes the task in a third. Sources: `websockets`
asyncio/client.py (`handshake`), asyncio/connection.py (`connection_lost`, `wait_closed`); uvloop
handles/basetransport.pyx (`_schedule_call_connection_lost`), loop.pyx (`_on_idle`); seen with strace."""


class ClientCosts:
    """What a client does, and what it costs."""

    def __init__(self, cost: Callable[[str], Cost]) -> None:
        self.dial = cost("client_dial")
        self.request = cost("client_request")
        self.open = cost("client_open").after(HOPS["client_open"])
        self.refused = cost("client_refused").after(HOPS["client_refused"])
        self.closed = cost("client_closed").after(HOPS["client_closed"])
        self.goodbye = cost("client_goodbye")


@dataclass(frozen=True)
class Swarm:
    """What all clients of a run share.

    Attributes:
        run: the replication.
        costs: what they do, and what it costs.
        balancer: what they connect to.
        nodes: where their connections end.
        heartbeat: their pings.
        reconnect: when they come back.
        draw_for_reconnect: returns a client's n-th number for that.
    """

    run: Run
    costs: ClientCosts
    balancer: Frontend
    nodes: Sequence[Upstream]
    heartbeat: Heartbeat
    reconnect: Reconnect
    draw_for_reconnect: Callable[[int, int], float]

    @classmethod
    def of(
        cls, run: Run, balancer: Frontend, nodes: Sequence[Upstream], draw_for_reconnect: Callable[[int, int], float]
    ) -> "Swarm":
        """Return what the clients of a run share; see the attributes."""
        clients = run.scenario.clients
        beat, again = clients.heartbeat.rule(), clients.reconnect.rule()
        return cls(run, ClientCosts(run.cost), balancer, nodes, beat, again, draw_for_reconnect)


class Client:
    """One client of the swarm; it shares its process with many others.

    Attributes:
        parts: what mechanisms add to it.
        barred: a refusal was final.
        told_wait: seconds that it was told to wait, in place of its next backoff.
    """

    def __init__(self, swarm: Swarm, number: int, process: Process | Alone) -> None:
        self.swarm = swarm
        self.run = swarm.run
        self.env = swarm.run.env
        self.costs = swarm.costs
        self.balancer = swarm.balancer
        self.nodes = swarm.nodes
        self.heartbeat = swarm.heartbeat
        self.number = number
        self.process = process
        self.tunnel: Tunnel | None = None
        self.attempt: Attempt | None = None
        self.backoff = Backoff(swarm.reconnect)
        self.attempts = 0
        self._first_beat: float | None = None
        self.draws = 0
        self.stall = StalledReading(self.env, self, swarm.heartbeat, swarm.nodes)
        self.beats = Beats(self.env, self, swarm.heartbeat, swarm.nodes) if swarm.heartbeat.max_interval else None
        self.parts: tuple[ClientPart, ...] = ()
        self.barred = False
        self.told_wait: float | None = None
        self.since = 0.0

    @property
    def first_beat(self) -> float:
        """When the first ping of its connection was or is due, in seconds; of the one that the run starts with it is
        drawn only if something depends on it.
        """
        if self._first_beat is None:
            self._first_beat = self.heartbeat.interval * self.run.draw(self.number, Purpose.PING_PHASE, 0)
        return self._first_beat

    @first_beat.setter
    def first_beat(self, due: float) -> None:
        self._first_beat = due

    @property
    def last_beat(self) -> float | None:
        """When it pinged last, in seconds, if its pings are simulated one by one."""
        return None if self.beats is None else self.beats.last

    def warm_up(self, at: float) -> None:
        """Have a connection when the run starts, which was opened at a time, in seconds after the start."""
        tunnel = self.balancer.reserve(self)
        tunnel.opened = True
        self.attempts = 1
        if self.beats is not None:
            self.beats.start(tunnel, self.first_beat, False)
        self.since = at - WARM_UP_SLACK
        self.balancer.install(tunnel, self.since)
        self.run.rows.append(row(at, "attempt_connect", self.number, attempt=1))
        self.run.rows.append(row(at, "connected", self.number, tunnel.server + 1, attempt=1))
        for part in self.parts:
            part.begins(tunnel, at)
        self.env.process(self.live(tunnel))

    def come(self, at: float) -> None:
        """Connect for the first time in the run, at a time in seconds after its start."""
        self.env.process(self._come(at))

    def _come(self, at: float) -> "simpy.events.ProcessGenerator":
        yield self.process.sleep(at)
        tunnel = yield from self.connect(True)
        self.since = self.env.now
        yield from self.live(tunnel)

    def live(self, tunnel: Tunnel | None) -> "simpy.events.ProcessGenerator":
        """Stay connected, and come back after every loss; `tunnel` is the connection the run starts with."""
        env = self.env
        while True:
            if tunnel is not None:
                self.tunnel = tunnel
                since = env.now if self.attempts > 1 else self.since
                reason = yield tunnel.lost
                if self.stall.on and reason != "heartbeat":
                    yield self.stall.again
                yield from self.notice(tunnel, reason)
                if self.beats is not None:
                    self.beats.ended(tunnel, reason)
                for part in self.parts:
                    part.disconnected(tunnel)
                self.run.note("disconnected", self.number, tunnel.server + 1, detail=reason)
                self.tunnel = None
                wait = self.backoff.after_loss(env.now - since, self.draw())
            else:
                wait = self._after_failure()
            if wait is None:
                self.run.note("gave_up", self.number, attempt=self.attempts)
                return
            if wait > 0:
                yield self.process.sleep(wait)
            tunnel = yield from self.connect(wait > 0)

    def _after_failure(self) -> float | None:
        """Return the seconds until the next attempt, or None to give up."""
        wait = None if self.barred else self.backoff.after_failure(self.draw())
        told, self.told_wait = self.told_wait, None
        return wait if wait is None or told is None else told

    def connect(self, rested: bool) -> "simpy.events.ProcessGenerator":
        """Try once; return the tunnel, or None. `rested`: a timer woke the client, else it goes on from a failure."""
        note, costs = self.run.note, self.costs
        self.attempts += 1
        yield self.process.work(costs.dial) if rested else self.process.carry_on(costs.dial)
        note("attempt_connect", self.number, attempt=self.attempts)
        if not self.balancer.listening:
            yield self.process.work(costs.refused)
            note("connect_failed", self.number, attempt=self.attempts, detail="refused")
            return None
        attempt = self.attempt = self.new_attempt()
        for part in self.parts:
            part.before_connect(attempt)
        self.balancer.accept()
        yield self.process.work(costs.request)
        if not attempt.answer.triggered:
            self.env.process(self.balancer.serve(attempt))
        answer = yield attempt.answer
        if isinstance(answer, Tunnel):
            yield self.process.work(costs.open)
            self.attempt = None
            self.tunnel = answer
            self.first_beat = self.env.now + self.heartbeat.interval
            note("connected", self.number, answer.server + 1, attempt=self.attempts)
            answer.opened = True
            if self.beats is not None:
                self.beats.start(answer, self.beats.rule.interval, True)
            for part in self.parts:
                part.connected(answer, attempt)
            if self.nodes[answer.server].silent:
                self.peer_hangs(answer)
            return answer
        yield self.process.work(costs.refused if attempt.refusal is None else attempt.refusal.read)
        self.attempt = None
        note("connect_failed", self.number, attempt=self.attempts, detail=answer)
        then = self._after_refusal(attempt, answer)
        if then == "at once":
            found: Tunnel | None = yield from self.connect(False)
            return found
        self.barred = then == "stop"
        self.told_wait = then if isinstance(then, float) else None
        return None

    def new_attempt(self) -> Attempt:
        """Return a new attempt, with the time that the client gives it."""
        timeout = self.run.scenario.clients.open_timeout
        ends_before = self.env.now + timeout >= self.run.scenario.duration
        return Attempt(self.env, self, None if ends_before else timeout)

    def _after_refusal(self, attempt: Attempt, answer: str) -> Next:
        """Ask the parts what to do about a status, and a refusal of the node; any other failure is tried again."""
        if answer.isdigit():
            for part in self.parts:
                then = part.turned_away(attempt, int(answer))
                if then is not None:
                    return then
        if attempt.refusal is not None:
            for part in self.parts:
                then = part.refused(attempt, attempt.refusal, answer)
                if then is not None:
                    return then
        return "retry"

    def notice(self, tunnel: Tunnel, reason: str) -> "simpy.events.ProcessGenerator":
        """Do what the client does when a connection ends for `reason`."""
        costs = self.costs
        if reason == "heartbeat":
            self.run.note("heartbeat_missed", self.number, tunnel.server + 1)
            if self.heartbeat.close_timeout > 0:
                yield self.process.sleep(self.heartbeat.close_timeout)
            yield self.process.work(costs.closed)
            self.balancer.client_left(tunnel)
        else:
            yield self.process.work(costs.closed)
        self.balancer.on_client_fin(tunnel)

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

    def on_close_frame(self, tunnel: Tunnel) -> None:
        """Answer the node's close frame; the node then closes, and that is what ends the connection."""
        balancer, node = self.balancer, self.nodes[tunnel.server]

        def answered(_: simpy.Event) -> None:
            balancer.relay(tunnel, lambda _: node.on_close_frame(tunnel))

        self.process.work(self.costs.goodbye, answered)

    def peer_hangs(self, tunnel: Tunnel) -> None:
        """Foresee the missed heartbeat: the next ping gets no pong if the node is silent until its timeout ends."""
        node, beat = self.nodes[tunnel.server], self.heartbeat
        if not beat.interval or not tunnel.opened:
            return
        since = node.silent_since
        wait = beat_after(self.first_beat, beat.interval, since) + beat.timeout - self.env.now

        def due(_: simpy.Event) -> None:
            if not tunnel.lost.triggered and node.silent and node.silent_since == since:
                tunnel.lost.succeed("heartbeat")

        self.process.sleep(wait).callbacks.append(due)

    def draw(self) -> float:
        """Return this client's next uniform number for its reconnect policy."""
        self.draws += 1
        return self.swarm.draw_for_reconnect(self.number, self.draws - 1)
