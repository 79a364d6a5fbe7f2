"""Random numbers for the clients whose timers are due next: for many at once they cost a fraction each.

A number hangs only on its address (`twin.draws`), so it does not matter when it is drawn; who needs another one draws
it.
"""

from typing import Any

from sim.compiled.memory.arrays import integers, numbers
from sim.compiled.memory.layout import client_at, f8_at, i8_at, timed_at
from sim.compiled.rules import draw, uniform
from sim.compiled.toolchain.jit import jit, whole
from twin.draws import Purpose

MANY = 256
"""Clients for which numbers are drawn at once, a power of two."""
RECONNECT = int(Purpose.RECONNECT)


@jit
def draw_ahead(w: Any) -> None:
    """Draw the next number for the reconnect policy of each of the clients whose timers are due next."""
    n = min(MANY, w.soon_n - w.soon_first)
    who, counts, drawn = integers(w.ahead_who, MANY), integers(w.ahead_counts, MANY), numbers(w.ahead_drawn, MANY)
    for k in range(n):
        who[k] = timed_at(w.soon, w.soon_first + k).a
    for k in range(n):
        counts[k] = client_at(w.clients, who[k]).draws
    seed, replication = w.seed, w.replication
    for k in range(n):
        drawn[k] = uniform(seed, replication, who[k], RECONNECT, counts[k])


@jit
def draw_next(w: Any, c: int) -> float:
    """Return a client's next uniform number for its reconnect policy."""
    who = client_at(w.clients, c)
    n = whole(who.draws)
    who.draws += 1
    place = (w.soon_first - 1) & (MANY - 1)
    if i8_at(w.ahead_who, place).v == c and i8_at(w.ahead_counts, place).v == n:
        return f8_at(w.ahead_drawn, place).v
    return draw(w, c, RECONNECT, n)
