"""What is written down: every event as a row, or only what the measures of connections need.

The second is exact, too: times of losses and returns are kept one by one, everything else is counted as it comes.
"""

from typing import Any

from sim.compiled.memory.layout import client_at, f8_at, i8_at, loss_at, row_at
from sim.compiled.toolchain.jit import jit, whole
from sim.compiled.vocabulary import Event
from twin.measures.connection import PEAK_WINDOW


@jit
def note(w: Any, t: float, event: int, client: int, node: int, attempt: int, detail: int) -> None:
    """Write down an event; -1 and no word stand for "does not apply"."""
    if client >= 0 and not w.full:
        count(w, t, event, client, node, detail)
        return
    row = row_at(w.rows.data, w.rows.used)
    row.t = t
    row.event = event
    row.client = client
    row.node = node
    row.attempt = attempt
    row.detail = detail
    w.rows.used += 1
    if event == Event.FAULT:
        w.least_connected = min(w.least_connected, w.connected)


@jit
def count(w: Any, t: float, event: int, client: int, node: int, detail: int) -> None:
    """Count an event of a client."""
    if event == Event.ATTEMPT_CONNECT:
        if t >= 0.0:
            i8_at(w.tries, window_of(w, t)).v += 1
        if t >= w.first_fault:
            w.tried += 1
            see_attempt(w, t)
    elif event == Event.CONNECTED:
        w.connected += 1
        i8_at(w.curve, bin_of(w, t)).v += 1
        i8_at(w.held, node - 1).v += 1
        who = client_at(w.clients, client)
        if t >= w.first_fault:
            f8_at(w.last_rise, w.connected).v = t
            if who.loss >= 0:
                loss_at(w.losses.data, who.loss).back = t
        who.loss = -2 if who.loss != -1 else -1
    elif event == Event.DISCONNECTED:
        w.connected -= 1
        i8_at(w.curve, bin_of(w, t)).v -= 1
        i8_at(w.held, node - 1).v -= 1
        if t >= w.first_fault:
            w.least_connected = min(w.least_connected, w.connected)
            lose(w, t, client)
    elif event == Event.CONNECT_FAILED:
        if t >= w.first_fault:
            i8_at(w.failed, detail).v += 1
    elif event == Event.GAVE_UP:
        w.gave_up += 1


@jit
def lose(w: Any, t: float, client: int) -> None:
    """Keep when a client lost its connection; -1 marks a client that never has, -2 one that is back."""
    who = client_at(w.clients, client)
    if who.loss == -1:
        w.affected += 1
    who.loss = w.losses.used
    loss = loss_at(w.losses.data, w.losses.used)
    loss.t = t
    loss.back = -1.0
    loss.client = client
    w.losses.used += 1


@jit
def see_attempt(w: Any, t: float) -> None:
    """Count the attempts of the last moments and keep the peak."""
    ring = w.window
    f8_at(ring.data, (ring.first + ring.n) & ring.mask).v = t
    ring.n += 1
    while f8_at(ring.data, ring.first).v + PEAK_WINDOW <= t:
        ring.first = (ring.first + 1) & ring.mask
        ring.n -= 1
    w.peak = max(w.peak, ring.n)


@jit
def window_of(w: Any, t: float) -> int:
    """Return the window in which `t` lies."""
    k = min(whole(t / PEAK_WINDOW), w.n_edges - 1)
    while k > 0 and f8_at(w.edges, k).v > t:
        k -= 1
    while k + 1 < w.n_edges and f8_at(w.edges, k + 1).v <= t:
        k += 1
    return k


@jit
def bin_of(w: Any, t: float) -> int:
    """Return the first point of the curve that is not before `t`; one more than all if there is none."""
    k = whole(t / w.curve_step) if t > 0.0 else 0
    k = min(k, w.n_times)
    while k > 0 and f8_at(w.times, k - 1).v >= t:
        k -= 1
    while k < w.n_times and f8_at(w.times, k).v < t:
        k += 1
    return k
