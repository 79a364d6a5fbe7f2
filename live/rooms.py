"""The mechanisms of a live cluster: one line each. What a scenario does not ask for is not there."""

from collections.abc import Callable

from live.arrivals import arrivals
from live.balancer import names, queue
from live.broadcast import broadcast, server
from live.client import told
from live.codec import frames
from live.deadlines import deadlines
from live.handler import handler
from live.machine import accounts
from live.memory import memory
from live.network import links, nodelay
from live.node import lifetimes
from live.pool import pool
from live.ports import Cluster
from live.registry import autoscaler
from live.sending import sending
from live.sessions import sessions
from live.transport import polls

Room = Callable[[Cluster], None]
"""Adds a mechanism to a cluster whose scenario asks for it."""

ROOMS: tuple[Room, ...] = (
    arrivals.attach,
    told.attach,
    queue.attach,
    links.attach,
    server.attach,
    broadcast.attach,
    autoscaler.attach,
    sessions.attach,
    sending.attach,
    handler.attach,
    deadlines.attach,
    lifetimes.attach,
    names.attach,
    accounts.attach,  # its look at the end of a run is quick, that at the memory is not
    frames.attach,
    nodelay.attach,
    pool.attach,
    polls.attach,
    memory.attach,
)
"""In the order in which they start and are asked: a room may use those before it."""
