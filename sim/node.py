"""A WebSocket server process, seen from the kernel's side: a queue of connections, an event loop, an end."""

from collections import deque
from functools import partial
from typing import TYPE_CHECKING, Literal

import simpy

from sim.host import Process
from twin.profile import FIRST_TABLE
from twin.rules.drain import SERVICE_RESTART
from twin.rules.heartbeat import PONG_MISSED, beat_after

if TYPE_CHECKING:
    from collections.abc import Callable

    from sim.connection import Attempt, Tunnel
    from sim.fanout import Fanout
    from sim.host import Cost
    from sim.world import World

SYN_RETRIES = (1.0, 2.0, 4.0, 8.0, 16.0)
"""Waits before the retransmissions of a SYN that was dropped: 1, 3, 7, 15, 31 s after the first. Source: Linux
tcp_timer.c, TCP_TIMEOUT_INIT of 1 s, doubled each time."""

OWN_FILES = 16
"""Files that a node has open besides its connections. Source: /proc/PID/fd of a node."""

POLL = 0.001
"""Seconds between two looks whether a process goes on, or whether its last connection is gone."""

POOL = 4
"""Further threads of a node. The kernel kills them, too; they want the core while it frees the process, get it when
the process first gives it up, and end at once. Source: libuv, src/threadpool.c; seen with sched_switch."""

State = Literal["up", "hung", "dead", "stopping", "draining"]


class Costs:
    """What a node does, and what it costs; `start` names the part that its start is."""

    def __init__(self, cost: "Callable[[str], Cost]", start: str) -> None:
        self.accept = cost("node_accept")
        self.handshake = cost("node_handshake")
        self.exit_delay = cost("exit_delay")
        self.exit = cost("node_exit")
        self.goodbye = cost("node_goodbye")
        self.leave = cost("node_leave")
        self.forget = cost("node_forget")
        self.abandoned = cost("node_abandoned")
        self.start = cost(start)
        self.register = cost("start_registry")


class Node:
    """One node: `number` counts from 1. `ready` is what it answers to the balancer's check.

    Attributes:
        life: counts its ends.
        half_closed: connections of which it has ended its half, and waits for the client's.
        dark: every packet between balancer and node is dropped.
        held: what waits for a packet that is sent again once the link is back.
        silent_since: when it last began to hang, or went dark, in seconds.
    """

    def __init__(self, world: "World", number: int, process: Process) -> None:
        self.world = world
        self.number = number
        self.process = process
        self.state: State = "up" if number <= world.scenario.nodes.count else "dead"
        self.ready = True
        self.backlog: deque[Attempt] = deque()
        self.tunnels: dict[Tunnel, None] = {}
        self.accepting = False
        self.opening = 0
        self.table = FIRST_TABLE
        self.silent_since = 0.0
        self.dark = False
        self.held: list[Callable[[], object]] = []
        self.life = 0
        self.half_closed = 0
        self.fanout: Fanout | None = None

    @property
    def listening(self) -> bool:
        """Whether the kernel answers a SYN; it does for a stopped process too."""
        return self.state in ("up", "hung")

    @property
    def silent(self) -> bool:
        """Whether nothing comes from the node and nobody was told: it hangs, or its packets are dropped."""
        return self.dark or self.state == "hung"

    def pass_on(self, act: "Callable[[], object]") -> None:
        """Do what a packet between balancer and node brings about, now or when the link is back."""
        if self.dark:
            self.held.append(act)
        else:
            act()

    def syn(self, attempt: "Attempt") -> bool:
        """Receive a SYN; False when it is dropped: on the way, or by the kernel because the accept queue is full.

        Linux lets the queue grow to one more than the backlog (sk_acceptq_is_full in include/net/sock.h).
        """
        if self.dark or len(self.backlog) > self.world.scenario.nodes.backlog:
            return False
        self.backlog.append(attempt)
        if not self.accepting:
            self._listen()
        return True

    def _listen(self) -> None:
        """Wait for the loop to see the listening socket; it accepts one connection a round.

        Source: libuv 1.45 and later, `uv__server_io` in src/unix/stream.c.
        """
        self.accepting = True
        self.process.work(self.world.node_costs.accept, self._accepted)

    def _accepted(self, _: simpy.Event) -> None:
        """Take a connection out of the queue and read its handshake in the next round."""
        self.accepting = False
        if self.backlog:
            attempt = self.backlog.popleft()
            self.opening += 1
            self._make_room()
            if self.world.sessions is not None:
                self.world.env.process(self.world.sessions.admit(self, attempt))
            else:
                self.process.work(self.world.node_costs.handshake, lambda _: self.admitted(attempt))
        if self.backlog:
            self._listen()

    def warmed_up(self) -> None:
        """The first connections are there, and the table of open files has grown for them."""
        while OWN_FILES + len(self.tunnels) > self.table:
            self.table *= 2

    def _make_room(self) -> None:
        """Wait while the kernel doubles the table of open files if the new connection does not fit in.

        Source: Linux, `expand_fdtable` in fs/file.c.
        """
        if OWN_FILES + len(self.tunnels) + self.opening > self.table:
            self.table *= 2
            self.process.stop()
            self.world.env.timeout(self.world.table_growth).callbacks.append(self._has_room)

    def _has_room(self, _: simpy.Event) -> None:
        if self.state != "hung":
            self.process.resume()

    def admitted(self, attempt: "Attempt") -> None:
        """The handshake is answered with 101."""
        self.opening -= 1
        if self.state in ("up", "hung"):
            self.pass_on(lambda: self.world.balancer.answered(attempt, self))

    def denied(self, attempt: "Attempt", status: str) -> None:
        """The handshake is answered with a refusal."""
        self.opening -= 1
        if self.state in ("up", "hung"):
            self.pass_on(lambda: self.world.balancer.denied(attempt, self, status))

    def hang(self) -> None:
        """SIGSTOP: the process stands still, the kernel goes on."""
        if self.state != "up":
            return
        self.state = "hung"
        self.process.stop()
        self._fall_silent()

    def _fall_silent(self) -> None:
        self.silent_since = self.world.env.now
        for tunnel in self.tunnels:
            tunnel.client.peer_hangs(tunnel, self)

    def resume(self) -> None:
        """SIGCONT: the process reads what has gathered."""
        if self.state == "hung":
            self.state = "up"
            self.process.resume()

    def vanish(self) -> None:
        """From now on every packet between balancer and node is dropped; both go on."""
        if self.state == "up" and not self.dark:
            self.dark = True
            self._fall_silent()

    def reappear(self) -> None:
        """Packets pass again, and what was sent meanwhile comes. The node has given up clients whose pongs it missed.

        Source of the latter: `websockets`, asyncio/connection.py (`keepalive`).
        """
        if not self.dark:
            return
        self.dark = False
        held, self.held = self.held, []
        for act in held:
            act()
        nodes, now = self.world.scenario.nodes, self.world.env.now
        for tunnel in list(self.tunnels):
            if tunnel.client_left:
                self.sees_leaving(tunnel)
            elif nodes.ping_interval:
                first = tunnel.opened_at + nodes.ping_interval
                missed = beat_after(first, nodes.ping_interval, self.silent_since)
                if missed + nodes.ping_timeout <= now:
                    self.close(tunnel, str(PONG_MISSED))

    def sees_leaving(self, tunnel: "Tunnel") -> None:
        """The client of a tunnel has given this node up: read its last ping and the end, answer, and close.

        A node that hangs does so when it goes on. It reads all that has gathered before it does more for anybody; so
        what waits for it in its accept queue is served after that. Source: libuv, `uv__io_poll` and `uv__read`.
        """

        def left(_: simpy.Event) -> None:
            if self.tunnels.pop(tunnel, 0) is None:
                self.world.balancer.left(tunnel)

        self.process.work(self.world.node_costs.abandoned, left)

    def forget(self, then: "Callable[[simpy.Event], None] | None" = None) -> None:
        """Both halves of a connection have ended: end its tasks."""
        self.process.work(self.world.node_costs.forget, then)

    def kill(self) -> "simpy.events.ProcessGenerator":
        """SIGKILL: the kernel frees the memory, then closes the sockets one by one; in between others may come.

        Source: Linux, `task_work_run` in kernel/task_work.c (cond_resched).
        """
        world = self.world
        self.life += 1
        self.half_closed = 0
        if self.fanout is not None:
            self.fanout.stop(goodbye=False)
        self.process.clear()
        self.process.resume()
        ends = [self.process.work(world.node_costs.exit_delay, self._gone)]
        self.process.threads, self.process.threads_place = POOL, self.process.deadline - self.process.cores.time_slice
        ends += [self.process.work(world.node_costs.exit, partial(self._closed, t)) for t in self.tunnels]
        yield ends[-1]
        world.note("node_stopped", node=self.number)

    def _gone(self, _: simpy.Event) -> None:
        self.state = "dead"
        self.accepting = False
        self.world.balancer.reset_pending(self)
        self.backlog.clear()

    def _closed(self, tunnel: "Tunnel", _: simpy.Event) -> None:
        self.tunnels.pop(tunnel, None)
        self.world.balancer.upstream_closed(tunnel, "1006")

    def die(self) -> None:
        """The node's machine is gone, and all that it knew."""
        self.life += 1
        self.half_closed = 0
        self.process.clear()
        self.process.resume()
        self.backlog.clear()
        self.tunnels.clear()
        self.accepting = False
        if self.state != "dead":
            self.state = "dead"
            self.world.note("node_stopped", node=self.number)

    def come_back(self) -> "simpy.events.ProcessGenerator":
        """Start a new process on the machine."""
        yield from self._boot()
        self._up()

    def start_again(self) -> "simpy.events.ProcessGenerator":
        """Start a new process in place of one that was killed."""
        if self.state == "dead":
            yield from self.come_back()
            if self.fanout is not None:
                self.fanout.start()

    def restart(self) -> "simpy.events.ProcessGenerator":
        """SIGTERM: stop listening, say 1001 to everybody, end, start a new process. A hung process does so later."""
        world = self.world
        while self.state == "hung":
            yield world.env.timeout(POLL)
        self.state = "stopping"
        if self.fanout is not None:
            self.fanout.stop(goodbye=True)
        self.accepting = False
        world.balancer.reset_pending(self)
        self.backlog.clear()
        for tunnel in list(self.tunnels):
            self.close(tunnel, "1001")
        while self.tunnels or self.half_closed:
            yield world.env.timeout(POLL)
        yield from self.renew("restart")

    def join(self) -> "simpy.events.ProcessGenerator":
        """Start the process of a node that is new or was killed."""
        self.world.note("node_starting", node=self.number)
        yield from self.come_back()

    def _up(self) -> None:
        self.state, self.ready = "up", True
        self.world.note("node_started", node=self.number)
        self._join_sessions()
        if self.world.registrar is not None:
            self.world.env.process(self.world.registrar.joined(self))

    @property
    def connections(self) -> int:
        """Connections that the node counts: those that it has not begun to close."""
        return sum(not tunnel.closing for tunnel in self.tunnels)

    def let_go(self, tunnel: "Tunnel") -> None:
        """Ask the client of a connection to come back elsewhere, unless it is being closed already."""
        if tunnel in self.tunnels and not tunnel.closing:
            self.close(tunnel, str(SERVICE_RESTART))

    def close(self, tunnel: "Tunnel", code: str) -> None:
        """Begin the closing handshake of a connection."""
        tunnel.closing = code
        self.process.work(self.world.node_costs.goodbye, partial(self._say_goodbye, tunnel))

    def renew(self, kind: str) -> "simpy.events.ProcessGenerator":
        """The last connection is gone: end, and start a new process."""
        world = self.world
        yield from self.end()
        yield from self._boot()
        self._up()
        if self.fanout is not None:
            self.fanout.start()
        world.note("healed", node=self.number, detail=kind)

    def end(self) -> "simpy.events.ProcessGenerator":
        """The last connection is gone: end."""
        yield self.world.env.timeout(self.world.node_stop)
        self.state = "dead"
        self.life += 1
        self.world.note("node_stopped", node=self.number)

    def _join_sessions(self) -> None:
        """A new process connects to the server that keeps the sessions, if there is one."""
        if self.world.sessions is not None and self.number in self.world.sessions.desks:
            self.world.sessions.desks[self.number].start()

    def _boot(self) -> "simpy.events.ProcessGenerator":
        """Start a new process: the interpreter and what it loads keep the node's core busy until it listens."""
        yield from self.process.work_through(self.world.node_costs.start)
        self.opening = 0
        self.table = FIRST_TABLE

    def _say_goodbye(self, tunnel: "Tunnel", _: simpy.Event) -> None:
        def told(_: simpy.Event) -> None:
            if not tunnel.client_left:
                tunnel.client.told_goodbye(tunnel, self)

        self.pass_on(lambda: self.world.balancer.relay(tunnel, told))

    def hears_goodbye(self, tunnel: "Tunnel") -> None:
        """The client has answered the close frame: read it and end this half of the connection.

        What the end of its tasks costs comes when the client's half has ended, too (`sees_end`). Sources: RFC
        6455, sections 5.5.1 and 7.1.1; `websockets`, asyncio/connection.py (`send_data`, `connection_lost`).
        """

        def left(_: simpy.Event) -> None:
            if self.tunnels.pop(tunnel, 0) is None:
                self.half_closed += 1
                tunnel.half_closed = self.life
                self.pass_on(lambda: self.world.balancer.upstream_closed(tunnel, tunnel.closing))
                self._ends(tunnel)

        self.pass_on(lambda: self.process.work(self.world.node_costs.leave, left))

    def sees_end(self, tunnel: "Tunnel") -> None:
        """The client's half of a connection has ended."""
        tunnel.ended = True
        self._ends(tunnel)

    def _ends(self, tunnel: "Tunnel") -> None:
        if tunnel.ended and tunnel.half_closed == self.life:
            tunnel.half_closed = -1

            def forgotten(_: simpy.Event) -> None:
                self.half_closed -= 1

            self.forget(forgotten)
