"""The way between one process and the bus, and what comes out at its ends. See `sim.broadcast.link` (`Link`).

What is called at the other end there is a parcel here: a kind, and two numbers.
"""

from typing import Any

from sim.compiled.broadcast.layout import (
    append_asking,
    call_at,
    cast,
    command_at,
    endpoint_at,
    fanout_at,
    parcel_at,
    subscription_at,
    task_at,
    unlink_asking,
)
from sim.compiled.broadcast.lists import new_job
from sim.compiled.broadcast.tasks import begin
from sim.compiled.broadcast.vocabulary import BroadcastPending, BroadcastWork, Carry, Job, Task
from sim.compiled.events.queue import schedule, schedule_now
from sim.compiled.machine.process import work
from sim.compiled.toolchain.jit import jit, whole
from sim.compiled.vocabulary import Item


@jit
def new_parcel(w: Any, link: int, up: bool, kind: int, a: int, b: int) -> int:
    """Return something that is on its way or waits for that."""
    pool = cast(w).parcels
    i = pool.free
    if i >= 0:
        pool.free = parcel_at(pool.data, i).next
    else:
        i = pool.used
        pool.used += 1
    parcel = parcel_at(pool.data, i)
    parcel.link = link
    parcel.up = up
    parcel.kind = kind
    parcel.a = a
    parcel.b = b
    parcel.next = -1
    return i


@jit
def drop_parcel(w: Any, i: int) -> None:
    """A parcel has come, or goes on in another way."""
    parcel_at(cast(w).parcels.data, i).next = cast(w).parcels.free
    cast(w).parcels.free = i


@jit
def leaves(w: Any, number: int, up: bool, kind: int, a: int, b: int) -> bool:
    """Send something over a link; False when it is there at once."""
    link = endpoint_at(cast(w).endpoints, number)
    if link.cuts > 0:
        i = new_parcel(w, number, up, kind, a, b)
        if link.held >= 0:
            parcel_at(cast(w).parcels.data, link.last_held).next = i
        else:
            link.held = i
        link.last_held = i
        return True
    arrival = max(w.now + link.delay, link.free_up if up else link.free_down)
    if arrival <= w.now:
        return False
    if up:
        link.free_up = arrival
    else:
        link.free_down = arrival
    schedule(w, arrival - w.now, BroadcastPending.PARCEL_ARRIVES, new_parcel(w, number, up, kind, a, b), 0)
    return True


@jit
def carry_up(w: Any, number: int, kind: int, a: int) -> None:
    """Send something to the bus."""
    if not leaves(w, number, True, kind, a, 0):
        reach_bus(w, kind, a)


@jit
def carry_down(w: Any, number: int, kind: int, a: int, b: int) -> None:
    """Send something from the bus."""
    if not leaves(w, number, False, kind, a, b):
        come_down(w, kind, a, b)


@jit
def parcel_arrives(w: Any, i: int) -> None:
    """A parcel has come to the end of its link, if that was not cut meanwhile."""
    parcel = parcel_at(cast(w).parcels.data, i)
    link = endpoint_at(cast(w).endpoints, parcel.link)
    if link.cuts > 0:
        if link.stopped >= 0:
            parcel_at(cast(w).parcels.data, link.last_stopped).next = i
        else:
            link.stopped = i
        link.last_stopped = i
        return
    reach(w, i)


@jit
def reach(w: Any, i: int) -> None:
    """A parcel is there."""
    parcel = parcel_at(cast(w).parcels.data, i)
    kind, a, b, up = whole(parcel.kind), whole(parcel.a), whole(parcel.b), parcel.up
    drop_parcel(w, i)
    if up:
        reach_bus(w, kind, a)
    else:
        come_down(w, kind, a, b)


@jit
def restore(w: Any, number: int) -> None:
    """End one fault of a link: let what waits pass if it was the last one."""
    link = endpoint_at(cast(w).endpoints, number)
    link.cuts -= 1
    while link.cuts == 0 and (link.stopped >= 0 or link.held >= 0):
        if link.stopped >= 0:
            i = whole(link.stopped)
            link.stopped = parcel_at(cast(w).parcels.data, i).next
            reach(w, i)
            continue
        i = whole(link.held)
        parcel = parcel_at(cast(w).parcels.data, i)
        kind, a, b, up = whole(parcel.kind), whole(parcel.a), whole(parcel.b), parcel.up
        link.held = parcel.next
        drop_parcel(w, i)
        if up:
            carry_up(w, number, kind, a)
        else:
            carry_down(w, number, kind, a, b)


# At the bus


@jit
def reach_bus(w: Any, kind: int, i: int) -> None:
    """Commands have come to the bus: take them in, one by one; a dead bus refuses each."""
    c, call = cast(w), call_at(cast(w).calls.data, i)
    one = whole(call.commands)
    for _ in range(1 if kind == Carry.FETCH else call.n):
        if not c.up:
            carry_down(w, whole(call.link), Carry.REFUSAL, i, 0)
        else:
            note_asking(w, i)
            if kind == Carry.FETCH:
                work(w, c.bus, Item.JOB, BroadcastWork.BUS_READ, new_job(w, Job.LOOK, i, 0, 0, c.life), -1)
            else:
                command = command_at(c.commands.data, one)
                work(w, c.bus, Item.JOB, whole(command.cost), new_job(w, Job.EXECUTE, i, one, 0, c.life), -1)
        if kind == Carry.CALL:
            one = whole(command_at(c.commands.data, one).next)


@jit
def note_asking(w: Any, i: int) -> None:
    """Note that somebody waits for the answer to a call."""
    c, call = cast(w), call_at(cast(w).calls.data, i)
    if call.asking:
        return
    call.asking = True
    append_asking(c.asking, c.calls.data, i)


@jit
def forget_asking(w: Any, i: int) -> None:
    """Nobody waits for the answer to a call any more."""
    c, call = cast(w), call_at(cast(w).calls.data, i)
    if not call.asking:
        return
    call.asking = False
    unlink_asking(c.asking, c.calls.data, i)


# At the other end


@jit
def come_down(w: Any, kind: int, a: int, b: int) -> None:
    """Something has come from the bus: an answer, a message, a node's word, or the end of a subscription."""
    c = cast(w)
    if kind == Carry.MESSAGE:
        node = fanout_at(c.fanouts, subscription_at(c.subscriptions.data, a).link - 1)
        if subscription_at(c.subscriptions.data, a).life == node.life:
            server = whole(subscription_at(c.subscriptions.data, a).link) - 1
            job = new_job(w, Job.RECEIVE, b, whole(node.subscription), server, whole(node.life))
            work(w, server, Item.JOB, BroadcastWork.NODE_RECEIVE, job, -1)
    elif kind == Carry.WORD:
        own = whole(endpoint_at(c.endpoints, 0).subscription)
        work(w, c.publisher, Item.JOB, BroadcastWork.PUBLISHER_ACK, new_job(w, Job.HEAR, own, b, 0, 0), -1)
    elif kind == Carry.LOSS:
        subscription = subscription_at(c.subscriptions.data, a)
        if subscription.link == 0:
            begin(w, Task.REJOIN, -1, 0)
        else:
            lost(w, whole(subscription.link) - 1, whole(subscription.life), b)
    else:
        answer(w, a, kind == Carry.ANSWER)


@jit
def answer(w: Any, i: int, ok: bool) -> None:
    """A call has its answer, unless it had one."""
    call = call_at(cast(w).calls.data, i)
    if not call.triggered:
        call.triggered = True
        call.ok = ok
        schedule_now(w, BroadcastPending.ANSWER_CAME, i, 0)


@jit
def answer_came(w: Any, i: int) -> None:
    """Wake who waits for an answer."""
    call = call_at(cast(w).calls.data, i)
    if call.task >= 0:
        came_first(w, whole(call.task), whole(call.serial))


@jit
def came_first(w: Any, i: int, serial: int) -> None:
    """What a task waits for has come, unless its time was over. Who reads waits for one of three: that is for one of
    two, or the last.
    """
    task = task_at(cast(w).tasks.data, i)
    if task.serial != serial:
        return
    if task.kind != Task.READING:
        came(w, i, serial)
    elif not task.first_came:
        task.first_came = True
        schedule_now(w, BroadcastPending.FIRST_OF_TWO, i, serial)


@jit
def came(w: Any, i: int, serial: int) -> None:
    """One of all that a task waits for has come."""
    task = task_at(cast(w).tasks.data, i)
    if task.serial == serial and not task.came:
        task.came = True
        schedule_now(w, BroadcastPending.ONE_OF_ALL, i, serial)


@jit
def lost(w: Any, server: int, life: int, reason: int) -> None:
    """A node has lost its connection to the bus."""
    node = fanout_at(cast(w).fanouts, server)
    if life != node.life or not node.joined:
        return
    node.joined = False
    if node.reader >= 0:
        task = task_at(cast(w).tasks.data, node.reader)
        task.broken = True
        if task.waits:
            schedule_now(w, BroadcastPending.BROKE, whole(node.reader), whole(task.serial))
        node.reader = -1
    task_at(cast(w).tasks.data, begin(w, Task.JOIN, server, life)).reason = reason
