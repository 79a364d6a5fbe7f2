"""The disk of a bus that persists. See `sim.broadcast.disk`. What is to go out is a job here."""

from typing import Any

from sim.compiled.broadcast.layout import call_at, cast, job_at
from sim.compiled.broadcast.link import carry_down, forget_asking
from sim.compiled.broadcast.lists import append, drop_job, new_job, pop
from sim.compiled.broadcast.vocabulary import BroadcastPending, BroadcastWork, Carry, Job
from sim.compiled.events.queue import schedule
from sim.compiled.machine.process import resume, resume_with, stop, work
from sim.compiled.rules import after_sleep
from sim.compiled.toolchain.jit import jit, whole
from sim.compiled.vocabulary import Item


@jit
def wrote(w: Any) -> None:
    """A command has written: what comes out from now on waits, until what is ready has been read and is on disk."""
    c = cast(w)
    if c.disk and not c.syncing:
        c.syncing = True
        work(w, c.bus, Item.JOB, BroadcastWork.BUS_SYNC, new_job(w, Job.SYNCED, 0, 0, 0, c.life), -1)


@jit
def out(w: Any, job: int) -> None:
    """Let something go out, when all that was written before is on disk."""
    c = cast(w)
    if c.syncing:
        append(w, c.unsent, job)
    else:
        go_out(w, job)


@jit
def go_out(w: Any, i: int) -> None:
    """Push something, let a reader look, or answer a call."""
    c, job = cast(w), job_at(cast(w).jobs.data, i)
    if job.kind == Job.REPLY:
        call = whole(job.a)
        drop_job(w, i)
        reply(w, call)
    elif job.kind == Job.PUSH and job.node == 0:
        work(w, c.bus, Item.JOB, BroadcastWork.BUS_WORD, i, -1)
    else:
        work(w, c.bus, Item.JOB, BroadcastWork.BUS_PUBLISH, i, -1)


@jit
def answer(w: Any, call: int) -> None:
    """Answer a call, behind what has to be on disk before."""
    if cast(w).syncing:
        append(w, cast(w).unsent, new_job(w, Job.REPLY, call, 0, 0, 0))
    else:
        reply(w, call)


@jit
def reply(w: Any, i: int) -> None:
    """Send the answer to a call."""
    forget_asking(w, i)
    carry_down(w, whole(call_at(cast(w).calls.data, i).link), Carry.ANSWER, i, 0)


@jit
def synced(w: Any) -> None:
    """The log is with the kernel: wait for the disk, off the core."""
    c = cast(w)
    stop(w, c.bus)
    wait = after_sleep(c.disk_at_once, c.disk_rested, 0.0, w.now - c.disk_idle_since)
    schedule(w, wait, BroadcastPending.ON_DISK, whole(c.life), 0)


@jit
def on_disk(w: Any, life: int) -> None:
    """The log is on disk, if the server lives."""
    c = cast(w)
    if life == c.life:
        c.disk_idle_since = w.now
        resume_with(w, c.bus, Item.JOB, BroadcastWork.NO_COST, new_job(w, Job.RELEASE, 0, 0, 0, life), -1)


@jit
def release(w: Any) -> None:
    """The server has its core again: let go out what waits."""
    c = cast(w)
    c.syncing = False
    while c.unsent.first >= 0:
        go_out(w, pop(w, c.unsent))


@jit
def lose(w: Any) -> None:
    """The server has died: nothing that waits goes out."""
    c = cast(w)
    c.syncing = False
    while c.unsent.first >= 0:
        drop_job(w, pop(w, c.unsent))
    resume(w, c.bus)
