"""What follows when a process has dealt with the frames of some connections: the next lane. See
`sim.broadcast.broadcast`."""

from typing import Any

from sim.compiled.balancer.balancer import worker
from sim.compiled.broadcast.fanout import written
from sim.compiled.broadcast.lane import drop_batch, hand_over, queue
from sim.compiled.broadcast.layout import MOST_OF_BATCH, batch_at, bundle_at, cast, subscriber_at
from sim.compiled.broadcast.lists import drop_frame, drop_frames, extend, length, list_of, pop
from sim.compiled.broadcast.nodes import hears
from sim.compiled.broadcast.subscriber import arrives
from sim.compiled.broadcast.vocabulary import Lane
from sim.compiled.machine.process import swarm_of
from sim.compiled.memory.layout import tunnel_at
from sim.compiled.toolchain.jit import jit, whole


@jit
def batch_done(w: Any, i: int) -> None:
    """A process has dealt with a batch."""
    batch = batch_at(cast(w).batches.data, i)
    lane = whole(batch.lane)
    if lane == Lane.DOWN:
        node_wrote(w, batch, i)
    elif lane == Lane.RELAYED:
        balancer_relayed(w, batch, i)
    elif lane == Lane.ARRIVING:
        clients_read(w, batch, i)
    elif lane == Lane.ASKING:
        pass_on(w, Lane.RELAYED_UP, batch, i)
    elif lane == Lane.RELAYED_UP:
        balancer_relayed_up(w, batch, i)
    else:
        node_heard(w, batch, i)
    drop_batch(w, i)


@jit
def bundle_of(w: Any, i: int, k: int) -> Any:
    """Return what a batch has taken on one of its connections."""
    return bundle_at(cast(w).bundles, i * MOST_OF_BATCH + k)


@jit
def node_wrote(w: Any, batch: Any, i: int) -> None:
    """A node has written: acknowledge what is fanned out, and let the balancer have it."""
    for k in range(whole(batch.n)):
        written(w, whole(batch.owner), whole(bundle_of(w, i, k).first))
    hand_to_balancer(w, Lane.RELAYED, i, whole(batch.n))


@jit
def pass_on(w: Any, lane: int, batch: Any, i: int) -> None:
    """Let the balancer have what clients have sent, unless they have left."""
    for k in range(whole(batch.n)):
        bundle = bundle_of(w, i, k)
        if tunnel_at(w.tunnels.data, bundle.tunnel).client_left:
            drop_frames(w, bundle)
    hand_to_balancer(w, lane, i, whole(batch.n))


@jit
def hand_to_balancer(w: Any, lane: int, i: int, n: int) -> None:
    """Let each process of the balancer have what is for the connections that it has."""
    for first in range(n):
        if bundle_of(w, i, first).first < 0:
            continue
        generation = whole(tunnel_at(w.tunnels.data, bundle_of(w, i, first).tunnel).generation)
        fresh = 0
        for k in range(first, n):
            bundle = bundle_of(w, i, k)
            if bundle.first >= 0 and tunnel_at(w.tunnels.data, bundle.tunnel).generation == generation:
                fresh = hand_over(w, lane, bundle, fresh)
        queue(w, lane, worker(w, generation), fresh)


@jit
def balancer_relayed(w: Any, batch: Any, i: int) -> None:
    """The balancer has passed frames on: let the client processes have them, but not those that do not read."""
    for k in range(whole(batch.n)):
        bundle = bundle_of(w, i, k)
        tunnel = tunnel_at(w.tunnels.data, bundle.tunnel)
        held = list_of(w, whole(bundle.tunnel), Lane.HELD)
        stalled = subscriber_at(cast(w).subscribers, tunnel.client).stalled
        if not tunnel.client_left and (stalled or not tunnel.opened or held.first >= 0):
            extend(w, held, whole(bundle.first), whole(bundle.last))
            bundle.first = -1
            bundle.last = -1
    for k in range(whole(batch.n)):
        if is_ready(w, bundle_of(w, i, k)):
            hand_to_swarm(w, i, k, whole(batch.n))


@jit
def is_ready(w: Any, bundle: Any) -> bool:
    """Tell whether there is something for a client that has not left."""
    return bundle.first >= 0 and not tunnel_at(w.tunnels.data, bundle.tunnel).client_left


@jit
def hand_to_swarm(w: Any, i: int, first: int, n: int) -> None:
    """Let one client process have all that is for it, from one connection of a batch on."""
    owner = swarm_of(w, whole(tunnel_at(w.tunnels.data, bundle_of(w, i, first).tunnel).client))
    fresh = 0
    for k in range(first, n):
        bundle = bundle_of(w, i, k)
        same = swarm_of(w, whole(tunnel_at(w.tunnels.data, bundle.tunnel).client)) == owner
        if same and is_ready(w, bundle):
            fresh = hand_over(w, Lane.ARRIVING, bundle, fresh)
    queue(w, Lane.ARRIVING, owner, fresh)


@jit
def clients_read(w: Any, batch: Any, i: int) -> None:
    """A client process has dealt with frames: one after the other, of one client after the other."""
    n = 0
    for k in range(whole(batch.n)):
        n += length(w, bundle_of(w, i, k))
    each = (w.now - (w.now - batch.span)) / n
    t = w.now - batch.span
    for k in range(whole(batch.n)):
        bundle = bundle_of(w, i, k)
        following = t + each * length(w, bundle)
        arrives(w, bundle, t, each)
        t = following


@jit
def balancer_relayed_up(w: Any, batch: Any, i: int) -> None:
    """The balancer has passed frames on to the nodes."""
    for k in range(whole(batch.n)):
        bundle = bundle_of(w, i, k)
        tunnel = tunnel_at(w.tunnels.data, bundle.tunnel)
        if not tunnel.upstream_gone and tunnel.listed:
            queue(w, Lane.HEARD, whole(tunnel.server), hand_over(w, Lane.HEARD, bundle, 0))


@jit
def node_heard(w: Any, batch: Any, i: int) -> None:
    """Clients have said where they stand, or asked what followed."""
    for k in range(whole(batch.n)):
        bundle = bundle_of(w, i, k)
        while bundle.first >= 0:
            frame = pop(w, bundle)
            hears(w, whole(batch.owner), whole(bundle.tunnel), frame)
            drop_frame(w, frame)
