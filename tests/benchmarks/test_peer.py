"""The plain storm on this engine's queue and on cimba's: timers, attempts, a server with a queue that has an end.

Every client waits, tries, and is refused when the server's queue is full; then it waits longer, with full jitter. Both
sides draw the same numbers from the same addresses, so both must count the same attempts, refusals and events and end
at the same time. Run with `-s` to see the figures; `STORMLAB_PEER=20000,1000000` takes other numbers of clients.
"""

import os
import time
from types import SimpleNamespace

import cimba
import numba
import numpy as np
import pytest

from sim.compiled.engine import KernelRun
from sim.compiled.events.queue import (
    FROM_HEAP,
    FROM_WHEEL,
    NOTHING,
    pop_fifo,
    pop_heap,
    schedule_constant,
    schedule_timer,
    turn_to_next,
)
from sim.compiled.memory.layout import event_at, timed_at
from tests.strategies import small, small_profile

SIZES = [int(n) for n in os.environ.get("STORMLAB_PEER", "20000,200000").split(",")]
BASE, CAP = 1.0, 30.0
ROOM = 1000
LEAST_RATIO = 1.0
SERVICE = 0
"""The queue of constant delays that stands for the server."""


@numba.njit
def wait_of(client, tries):
    """Return the wait of a client before its next attempt: full jitter, from a number made of client and attempt."""
    bits = (client * 2654435761 + tries * 40503 + 12345) & 0xFFFFFFFF
    bits = ((bits ^ (bits >> 15)) * 2246822519) & 0xFFFFFFFF
    bits = ((bits ^ (bits >> 13)) * 3266489917) & 0xFFFFFFFF
    bits = bits ^ (bits >> 16)
    return (bits + 0.5) / 4294967296.0 * min(CAP, BASE * 2.0 ** min(tries, 10))


@numba.njit(error_model="numpy")
def storm(w, tries):
    """Run the storm; return attempts, refusals, events and the time of the last one."""
    attempts = refusals = events = waiting = 0
    for client in range(len(tries)):
        schedule_timer(w, wait_of(client, 0), client, 0)
    while True:
        source = turn_to_next(w)
        if source == NOTHING:
            return attempts, refusals, events, w.now
        events += 1
        if source in (FROM_WHEEL, FROM_HEAP):
            if source == FROM_WHEEL:
                client = int(timed_at(w.soon, w.soon_first).a)
                w.soon_first += 1
            else:
                client = int(event_at(w.heap, 0).a)
                pop_heap(w)
            attempts += 1
            tries[client] += 1
            if waiting == ROOM:
                refusals += 1
                schedule_timer(w, wait_of(client, tries[client]), client, 0)
                continue
            waiting += 1
            if waiting == 1:
                schedule_constant(w, SERVICE, 0, 0, 0)
        else:
            pop_fifo(w, source)
            waiting -= 1
            if waiting > 0:
                schedule_constant(w, SERVICE, 0, 0, 0)


def ours(clients, service):
    """Return what the storm counted on this engine's queue, and how long that took."""
    scenario = small(duration=3600.0, clients={"count": clients, "connect_rate": 1e5, "reconnect": {"cap": CAP}})
    run = KernelRun(scenario, 0, small_profile(), full=False)
    run.kept["fifos"]["delay"] = service
    tries = np.zeros(clients, np.int64)
    began = time.perf_counter()
    found = storm(run.world[0], tries)
    return found, time.perf_counter() - began


class Server(cimba.Model):
    """cimba's side: the server, and what is counted."""

    clients: cimba.Param[int]
    service: cimba.Param[float]
    waiting: int = 0
    tried: int = 0
    refused: int = 0
    served: int = 0
    last: float = 0.0
    attempts: cimba.Output[float]
    refusals: cimba.Output[float]
    events: cimba.Output[float]
    end: cimba.Output[float]

    @cimba.on_start
    def begin(self):
        for number in range(self.clients):
            one = cimba.spawn(Client, home=self, number=number)
            cimba.schedule(one.knock, wait_of(number, 0))

    @cimba.event
    def done(self):
        self.served += 1
        self.last = cimba.now()
        self.waiting -= 1
        if self.waiting > 0:
            cimba.schedule(self.done, self.service)

    @cimba.on_end
    def measure(self):
        self.attempts = self.tried
        self.refusals = self.refused
        self.events = self.tried + self.served
        self.end = self.last


class Client(cimba.Model):
    """cimba's side: a client, whose timer is an event of the engine."""

    home: cimba.Ref[Server]
    number: int = 0
    tries: int = 0

    @cimba.event
    def knock(self):
        home = self.home
        home.tried += 1
        self.tries += 1
        if home.waiting == ROOM:
            home.refused += 1
            cimba.schedule(self.knock, wait_of(self.number, self.tries))
        else:
            home.waiting += 1
            if home.waiting == 1:
                cimba.schedule(home.done, home.service)


def theirs(clients, service):
    """Return what the storm counted in cimba, and how long its run took."""
    model = Server()
    model.clients, model.service = clients, service
    experiment = cimba.Experiment(model, window=cimba.Window.until_idle())
    began = time.perf_counter()
    results = experiment.run()
    took = time.perf_counter() - began
    of = results[model]
    counted = SimpleNamespace(**{name: float(np.ravel(np.asarray(getattr(of, name)))[0]) for name in COUNTED})
    return tuple(getattr(counted, name) for name in COUNTED), took


COUNTED = ("attempts", "refusals", "events", "end")


@pytest.mark.timeout(900)
def test_the_plain_storm_is_the_same_and_not_slower_than_with_cimba():
    ours(100, 0.01)
    theirs(100, 0.01)  # both have compiled now
    for clients in SIZES:
        service = 60.0 / clients
        pairs = [(ours(clients, service), theirs(clients, service)) for _ in range(3)]
        (mine, _), (other, _) = pairs[0]
        assert mine == pytest.approx(other, rel=1e-9)
        fast, slow = (min(pair[side][1] for pair in pairs) for side in (0, 1))
        rates = " and ".join(f"{mine[2] / took / 1e6:.1f} M events/s" for took in (fast, slow))
        print(f"\n{clients} clients, {mine[2]} events: {rates} of cimba, {slow / fast:.1f} x")  # noqa: T201
        assert slow / fast >= LEAST_RATIO
