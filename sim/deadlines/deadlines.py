"""Nodes that give up connections over which nothing comes, or whose clients take nothing."""

from collections.abc import Sequence

import simpy

from sim.balancer.idle import Idle
from sim.connection import Tunnel
from sim.network.uplink import Uplink
from sim.node.node import Node
from sim.ports import End, NodePart, Run, Work
from twin.rules.deadline import DROPPED, LOOKS, expires, full_since


class Deadlines:
    """The deadlines of a run.

    Args:
        run: the replication.
        nodes: who gives connections up.
        idle: knows the pings that pass through a tunnel.
        uplink: over which clients say something; None if they say nothing.
        room: bytes that the way to a client holds outside of its node's memory.
    """

    def __init__(self, run: Run, nodes: Sequence[Node], idle: Idle, uplink: Uplink | None, room: int) -> None:
        self.idle = idle
        self.heard: dict[Tunnel, float] = {}
        self.of_node: list[list[NodePart]] = [[] for _ in nodes]
        for node, parts in zip(nodes, self.of_node, strict=True):
            if run.scenario.nodes.read_deadline:
                parts.append(ReadDeadline(run, node, self))
            if run.scenario.nodes.write_deadline:
                parts.append(WriteDeadline(run, node, room))
        if uplink is not None and run.scenario.nodes.read_deadline:
            uplink.listeners.append(lambda tunnel: self.heard.__setitem__(tunnel, run.env.now))

    def last_heard(self, tunnel: Tunnel, opened: float, now: float) -> float:
        """Return when a node last read something of a connection, in seconds: a message, a ping, or a pong, which a
        client that does not read does not send.
        """
        sides, stall = self.idle.pings(tunnel), tunnel.client.stall
        times = [opened, self.heard.get(tunnel, opened)]
        if self.idle.ping:  # the last of the sides is the node's own
            times.append(sides.pop().last(min(now, stall.stalled_at) if stall.on else now))
        return max(times + [side.last(now) for side in sides])


class ReadDeadline(NodePart):
    """Gives up connections over which nothing has come for `nodes.read_deadline`."""

    def __init__(self, run: Run, node: Node, deadlines: Deadlines) -> None:
        self.env = run.env
        self.node = node
        self.deadlines = deadlines
        self.deadline = run.scenario.nodes.read_deadline

    def connected(self, tunnel: Tunnel, at: float) -> None:
        """Watch a connection that was opened at a time."""
        self._look_at(tunnel, at, expires(at, self.deadline))

    def _look_at(self, tunnel: Tunnel, opened: float, when: float) -> None:
        node, env, life = self.node, self.env, self.node.life

        def due(_: simpy.Event) -> None:
            if life != node.life or tunnel not in node.tunnels or tunnel.closing:
                return
            end = expires(self.deadlines.last_heard(tunnel, opened, env.now), self.deadline)
            if end > env.now + 1e-9 or not node.serves:
                self._look_at(tunnel, opened, max(end, env.now + self.deadline / LOOKS))
            else:
                node.abandon(tunnel, DROPPED)

        node.loop_of(tunnel).sleep(max(0.0, when - env.now)).callbacks.append(due)

    def disconnected(self, tunnel: Tunnel) -> None:
        """The balancer has forgotten a connection."""
        self.deadlines.heard.pop(tunnel, None)


class WriteDeadline(NodePart):
    """Gives up connections whose clients take nothing for `nodes.write_deadline`."""

    def __init__(self, run: Run, node: Node, room: int) -> None:
        self.env = run.env
        self.node = node
        self.room = room
        self.deadline = run.scenario.nodes.write_deadline
        self.limit = run.scenario.slow_consumer.limit_bytes // 2
        self.since: dict[Tunnel, float] = {}
        self.life = 0
        run.env.process(self.look(0))

    def look(self, life: int) -> Work[None]:
        """See again and again for whom too much waits."""
        node = self.node
        while life == self.life:
            yield self.env.timeout(self.deadline / LOOKS)
            if life != self.life or not node.serves:
                continue
            before, self.since = self.since, {}
            for tunnel in list(node.tunnels):
                since = full_since(before.get(tunnel), self.env.now, tunnel.in_flight - self.room, self.limit)
                if since is not None and expires(since, self.deadline) <= self.env.now and not tunnel.closing:
                    node.abandon(tunnel, DROPPED)
                elif since is not None:
                    self.since[tunnel] = since

    def ended(self, how: End) -> None:
        """The node's process ends."""
        self.life += 1

    def started(self, healed: bool) -> None:
        """A new process listens."""
        self.since.clear()
        self.env.process(self.look(self.life))
