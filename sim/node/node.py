"""A WebSocket server process, seen from the kernel's side: a queue of connections, an event loop, an end."""

from collections.abc import Callable, Sequence
from functools import partial
from typing import Literal

import simpy

from sim.connection import Attempt, Peer, Refusal, Tunnel
from sim.machine.process import Process
from sim.node.listening import ListeningSocket, Times
from sim.node.pings import Pings
from sim.node.runtime import Runtime
from sim.ports import Backend, Gate, NodePart, Run, Work
from twin.costs.profile import FIRST_TABLE
from twin.draws import Purpose
from twin.rules.drain import SERVICE_RESTART
from twin.rules.faults import Standing

SYN_RETRIES = (1.0, 1.0, 1.0, 1.0, 1.0, 2.0, 4.0, 8.0, 16.0)
"""Waits before the retransmissions of a SYN that was dropped: 1, 2, 3, 4, 5, 7, 11, 19, 35 s after the first. Source:
Linux 6.5 and later, tcp_timer.c: TCP_TIMEOUT_INIT of 1 s, doubled each time after the first `tcp_syn_linear_timeouts`,
by default 4 (ip-sysctl.rst)."""

POLL = 0.001
"""Seconds between two looks whether a process goes on, or whether its last connection is gone."""

State = Literal["up", "dead", "stopping", "draining"]


class Node:
    """One node: `number` counts from 1. `ready` is what it answers to the balancer's check.

    Attributes:
        processes: those that serve connections; most nodes have one.
        process: the first of them, which does what belongs to no connection.
        sockets: on which they listen.
        balancer: whose connections it gets; whoever builds the run sets it.
        parts: what mechanisms add to it.
        gates: who reads its handshakes in its place.
        standing: what faults have done to it so far.
        half_closed: connections of which it has ended its half, and waits for the client's.
        held: what waits for a packet that is sent again once the link is back.
        silent_since: when it last fell silent, because it began to hang or went dark, in seconds.
    """

    balancer: Backend

    def __init__(self, run: Run, number: int, processes: Sequence[Process], runtime: Runtime, times: Times) -> None:
        self.run = run
        self.env = run.env
        self.runtime = runtime
        self.costs = runtime.costs
        self.times = times
        self.number = number
        self.processes = list(processes)
        self.process = processes[0]
        self.state: State = "up" if number <= run.scenario.nodes.count else "dead"
        self.standing = Standing() if self.state == "up" else Standing("dead", absent=True)
        self.ready = True
        self.sockets = [ListeningSocket() for _ in range(runtime.sockets)]
        self.tunnels: dict[Tunnel, None] = {}
        self.workers: dict[int, int] = {}
        self.opening = 0
        self.table = FIRST_TABLE
        self.silent_since = 0.0
        self.pings = Pings(run, self, times.round_trip)
        self.held: list[Callable[[], object]] = []
        self.half_closed = 0
        self.parts: tuple[NodePart, ...] = ()
        self.gates: tuple[Gate, ...] = ()

    @property
    def listening(self) -> bool:
        """Whether the kernel answers a SYN; it does for a stopped process too."""
        return self.state == "up"

    @property
    def life(self) -> int:
        """How many of its processes have ended."""
        return self.standing.life

    @property
    def hung(self) -> bool:
        """Whether its process is stopped."""
        return self.standing.hung.on

    @property
    def dark(self) -> bool:
        """Whether every packet between balancer and node is dropped."""
        return self.standing.dark.on

    @property
    def serves(self) -> bool:
        """Whether its process does anything for its clients."""
        return self.state in ("up", "draining") and not self.hung

    @property
    def silent(self) -> bool:
        """Whether nothing comes from the node and nobody was told: it hangs, or its packets are dropped."""
        return self.dark or self.hung

    def pass_on(self, act: Callable[[], object]) -> None:
        """Do what a packet between balancer and node brings about, now or when the link is back."""
        if self.dark:
            self.held.append(act)
        else:
            act()

    def syn(self, attempt: Attempt) -> bool:
        """Receive a SYN; False when it is dropped: on the way, or by the kernel because the accept queue is full.

        Linux lets the queue grow to one more than the backlog (sk_acceptq_is_full in include/net/sock.h).
        """
        place = self.runtime.socket_of(self._hash(attempt.client)) if len(self.sockets) > 1 else 0
        socket = self.sockets[place]
        if self.dark or len(socket.backlog) > self.run.scenario.nodes.backlog:
            return False
        socket.backlog.append(attempt)
        if not socket.accepting:
            self._listen(place)
        return True

    def _hash(self, client: Peer) -> float:
        """Return the hash, in [0, 1), of the addresses and ports of a connection that the balancer opens."""
        return self.run.draw(client.number, Purpose.LISTENER, client.attempts)

    def _listen(self, place: int) -> None:
        """Wait for a loop to see a listening socket."""
        self.sockets[place].accepting = True
        self.processes[place].work(self.costs.accept, partial(self._accepted, place))

    def _accepted(self, number: int, _: simpy.Event) -> None:
        """Take as many connections out of the queue as in one round, and read their handshakes in the next one."""
        socket, process = self.sockets[number], self.processes[number]
        socket.accepting = False
        for _round in range(min(self.runtime.accepts, len(socket.backlog))):
            attempt = socket.backlog.popleft()
            self.opening += 1
            self._make_room(process)
            place = self.workers[attempt.client.number] = self.runtime.serving(self.processes, number)
            if self.gates:
                self.env.process(self._ask_gates(attempt))
            else:
                self.processes[place].work(self.costs.handshake, partial(self._read, attempt))
        if socket.backlog:
            self._listen(number)

    def loop_of(self, tunnel: Tunnel) -> Process:
        """Return the process or thread that serves a connection."""
        return self.processes[tunnel.worker]

    def read(self, attempt: Attempt) -> None:
        """Read a request that comes over a connection which is open already."""
        if self.state == "up":
            self.opening += 1
            self.env.process(self._ask_gates(attempt))

    def reader_of(self, tunnel: Tunnel) -> Process:
        """Return the process or thread that reads a connection."""
        return self.runtime.reader(self.processes, tunnel.worker)

    def _read(self, attempt: Attempt, _: simpy.Event) -> None:
        self.admitted(attempt)

    def _ask_gates(self, attempt: Attempt) -> Work[None]:
        """Let the gates read a handshake, one after the other, and answer it if the process is still there."""
        life = self.life
        for gate in self.gates:
            refusal = yield from gate.admit(attempt)
            if life != self.life:
                return
            if refusal is not None:
                attempt.refusal = refusal
                self.denied(attempt, refusal)
                return
        self.admitted(attempt)

    def opened(self, tunnel: Tunnel, at: float) -> None:
        """A connection is open since a time, in seconds after the start of the run."""
        self.tunnels[tunnel] = None
        tunnel.worker = self.workers.pop(tunnel.client.number, 0)
        for part in self.parts:
            part.connected(tunnel, at)

    def opened_before(self, tunnel: Tunnel, at: float) -> None:
        """A connection was opened at a time before the run."""
        socket = self.runtime.socket_of(self._hash(tunnel.client)) if len(self.sockets) > 1 else 0
        self.workers[tunnel.client.number] = self.runtime.serving(self.processes, socket)
        self.opened(tunnel, at)

    def warmed_up(self) -> None:
        """The first connections are there, and the table of open files has grown for them."""
        while self.runtime.own_files + len(self.tunnels) > self.table:
            self.table *= 2

    def _make_room(self, process: Process) -> None:
        """Wait while the kernel doubles the table of open files if the new connection does not fit in.

        Source: Linux, `expand_fdtable` in fs/file.c.
        """
        if self.runtime.own_files + (len(self.tunnels) + self.opening) // len(self.processes) > self.table:
            self.table *= 2
            process.stop()
            self.env.timeout(self.times.table_growth).callbacks.append(partial(self._has_room, process))

    def _has_room(self, process: Process, _: simpy.Event) -> None:
        if not self.hung:
            process.resume()

    def admitted(self, attempt: Attempt) -> None:
        """The handshake is answered with 101."""
        self.opening -= 1
        if self.state == "up":
            self.pass_on(lambda: self.balancer.answered(attempt, self.number))

    def denied(self, attempt: Attempt, refusal: Refusal) -> None:
        """The handshake is answered with a refusal."""
        self.opening -= 1
        if self.state == "up":
            self.pass_on(lambda: self.balancer.denied(attempt, refusal, self.number))

    def hang(self) -> None:
        """SIGSTOP: the process stands still, the kernel goes on."""
        if self.standing.hung.count == 1:
            for process in self.processes:
                process.stop()
            self.pings.stopped()
            if not self.dark:
                self._fall_silent()

    def _fall_silent(self) -> None:
        self.silent_since = self.env.now
        for tunnel in self.tunnels:
            tunnel.client.peer_hangs(tunnel)

    def resume(self) -> None:
        """SIGCONT: the process looks at its timers, then reads what has gathered."""
        self.pings.goes_on()
        for process in self.processes:
            process.resume()

    def runs(self) -> Work[None]:
        """Wait until the process obeys an order: while it hangs or starts it does not."""
        life = self.life
        while self.life == life and (self.hung or self.standing.phase == "starting"):
            yield self.env.timeout(POLL)

    def vanish(self) -> None:
        """From now on every packet between balancer and node is dropped; both go on."""
        if self.standing.dark.count > 1:
            return
        self.pings.link_lost()
        if not self.hung:
            self._fall_silent()

    def reappear(self) -> None:
        """Packets pass again, and what was sent meanwhile comes."""
        held, self.held = self.held, []
        for act in held:
            act()
        for tunnel in list(self.tunnels):
            if tunnel.client_left:
                self.sees_leaving(tunnel)
        self.pings.link_back()

    def sees_leaving(self, tunnel: Tunnel) -> None:
        """The client of a tunnel has given this node up: read its last ping and the end, answer, and close.

        A node that hangs does so when it goes on. It reads all that has gathered before it does more for anybody; so
        what waits for it in its accept queue is served after that. Source: libuv, `uv__io_poll` and `uv__read`.
        """

        def left(_: simpy.Event) -> None:
            if self.tunnels.pop(tunnel, 0) is None:
                self.balancer.left(tunnel)

        self.loop_of(tunnel).work(self.costs.abandoned, left)

    def forget(self, tunnel: Tunnel, then: Callable[[simpy.Event], None] | None = None) -> None:
        """Both halves of a connection have ended: end its tasks."""
        self.loop_of(tunnel).work(self.costs.forget, then)

    def stop_listening(self) -> None:
        """Who waits to be accepted is reset, and so is who waits for an answer."""
        self.pass_on(lambda: self.balancer.reset_pending(self.number))
        self._close_sockets()

    def _close_sockets(self) -> None:
        for socket in self.sockets:
            socket.accepting = False
            socket.backlog.clear()

    def closed(self, tunnel: Tunnel, _: simpy.Event) -> None:
        """The kernel has closed the socket of a process that was killed."""
        self.tunnels.pop(tunnel, None)
        reason = tunnel.closing if tunnel.told else "1006"
        self.pass_on(lambda: self.balancer.upstream_closed(tunnel, reason))

    def drop(self, tunnel: Tunnel) -> None:
        """The client has not answered the close frame: break the connection."""
        del self.tunnels[tunnel]
        self.pass_on(lambda: self.balancer.upstream_closed(tunnel, tunnel.closing))

    def abandon(self, tunnel: Tunnel, code: str) -> None:
        """Break a connection whose client would not read a close frame."""
        del self.tunnels[tunnel]
        self.pass_on(lambda: self.balancer.upstream_closed(tunnel, code))

    def missed(self, tunnel: Tunnel) -> None:
        """The balancer has forgotten a connection: the parts hear of it as soon as the node can."""

        def hear() -> None:
            for part in self.parts:
                part.disconnected(tunnel)

        self.pass_on(hear)

    def pinged_in_vain(self, tunnel: Tunnel) -> None:
        """The client of a connection does not read the node's pings any more."""
        self.pings.in_vain(tunnel)

    def die(self) -> None:
        """The node's machine is gone, and all that it knew."""
        self.standing.lose_power()
        self.half_closed = 0
        for process in self.processes:
            process.clear()
            process.resume()
        self._close_sockets()
        self.tunnels.clear()
        self.held.clear()
        for part in self.parts:
            part.ended("killed")
        if self.state != "dead":
            self.state = "dead"
            self.stopped()

    def stopped(self) -> None:
        """The process is no more."""
        self.run.note("node_stopped", node=self.number)
        for part in self.parts:
            part.gone()

    @property
    def connections(self) -> int:
        """Connections that the node counts: those that it has not begun to close."""
        return sum(not tunnel.closing for tunnel in self.tunnels)

    def request_close(self, tunnel: Tunnel) -> None:
        """Ask the client of a connection to come back elsewhere, unless it is being closed already."""
        if tunnel in self.tunnels and not tunnel.closing:
            self.close(tunnel, str(SERVICE_RESTART))

    def close(self, tunnel: Tunnel, code: str) -> None:
        """Begin the closing handshake of a connection."""
        tunnel.closing = code
        self.loop_of(tunnel).work(self.costs.goodbye, partial(self._send_close_frame, tunnel))

    def _send_close_frame(self, tunnel: Tunnel, _: simpy.Event) -> None:
        tunnel.told = True

        def told(_: simpy.Event) -> None:
            if not tunnel.client_left:
                tunnel.client.on_close_frame(tunnel)

        self.pass_on(lambda: self.balancer.relay(tunnel, told))

    def on_close_frame(self, tunnel: Tunnel) -> None:
        """The client has answered the close frame: read it and end this half of the connection.

        What the end of its tasks costs comes when the client's half has ended, too (`sees_end`). Sources: RFC
        6455, sections 5.5.1 and 7.1.1; `websockets`, asyncio/connection.py (`send_data`, `connection_lost`).
        """

        def left(_: simpy.Event) -> None:
            if self.tunnels.pop(tunnel, 0) is None:
                self.half_closed += 1
                tunnel.half_closed = self.life
                self.pass_on(lambda: self.balancer.upstream_closed(tunnel, tunnel.closing))
                self._ends(tunnel)

        self.pass_on(lambda: self.loop_of(tunnel).work(self.costs.leave, left))

    def sees_end(self, tunnel: Tunnel) -> None:
        """The client's half of a connection has ended."""
        tunnel.ended = True
        self._ends(tunnel)

    def _ends(self, tunnel: Tunnel) -> None:
        if tunnel.ended and tunnel.half_closed == self.life:
            tunnel.half_closed = -1

            def forgotten(_: simpy.Event) -> None:
                self.half_closed -= 1

            self.forget(tunnel, forgotten)
