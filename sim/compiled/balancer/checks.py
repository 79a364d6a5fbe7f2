"""What the balancer knows of its servers: checks, and marks. See `sim.balancer.balancer` (`check`, `mark`)."""

from typing import Any

from sim.compiled.balancer.balancer import answer, cut, released, remove_waiting
from sim.compiled.balancer.choice import mark_for_choice, release
from sim.compiled.events.queue import schedule, schedule_first, schedule_now
from sim.compiled.memory.chains import tunnel_behind, waiting_behind
from sim.compiled.memory.layout import attempt_at, b1_at, checker_at, node_at, tunnel_at
from sim.compiled.memory.pools import drop_attempt, failure
from sim.compiled.node import node
from sim.compiled.notes import note
from sim.compiled.rules import check_result
from sim.compiled.toolchain.jit import jit, whole
from sim.compiled.vocabulary import Event, Pending, Word


@jit
def mark(w: Any, server: int, up: bool, detail: int) -> None:
    """Mark a server up or down, and cut its tunnels if that is configured; a reloaded process cuts only its own."""
    b1_at(w.up, server).v = up
    mark_for_choice(w, server, up)
    note(w, w.now, Event.MARKED_UP if up else Event.MARKED_DOWN, -1, server + 1, -1, detail)
    if up or not w.shutdown:
        return
    i = whole(node_at(w.nodes, server).tunnels.first)
    while i >= 0:
        tunnel = tunnel_at(w.tunnels.data, i)
        following = tunnel_behind(w.tunnels.data, i)
        if tunnel.generation == w.generation:
            released(w, i)
            cut(w, i)
        i = following
    i = whole(node_at(w.nodes, server).waiting.first)
    while i >= 0:
        attempt = attempt_at(w.attempts.data, i)
        following = waiting_behind(w.attempts.data, i)
        if attempt.generation == w.generation:
            remove_waiting(w, i)
            release(w, whole(attempt.server), attempt.generation)
            answer(w, i, failure(Word.REFUSED_502))
            drop_attempt(w, i)
        i = following


@jit
def start_checks(w: Any) -> None:
    """Start the checks of a new balancer process; given marks stand in for them."""
    if w.nginx or w.marks_given:
        return
    for server in range(w.n_nodes):
        place = w.generation * w.n_nodes + server
        checker = checker_at(w.checkers, place)
        checker.server = server
        checker.generation = w.generation
        checker.fall = w.fall
        checker.rise = w.rise
        checker.streak = 0
        checker.up = True
        checker.fresh = w.generation > 0
        checker.serial = 0
        schedule_first(w, Pending.CHECK_BEGINS, place, 0)


@jit
def check_due(w: Any, place: int) -> None:
    """Check a server, unless the process that checks is gone."""
    checker = checker_at(w.checkers, place)
    if checker.generation != w.generation:
        return
    if node.listening(w, whole(checker.server)):
        node.probe(w, place)
    else:
        checked(w, place, False)


@jit
def judge(w: Any, place: int, serial: int) -> None:
    """A check is answered or too late, whichever comes first."""
    checker = checker_at(w.checkers, place)
    if checker.serial == serial and not checker.judged:
        checker.judged = True
        schedule_now(w, Pending.CHECK_JUDGED, place, 0)


@jit
def checked(w: Any, place: int, passed: bool) -> None:
    """A check has its result."""
    checker = checker_at(w.checkers, place)
    if checker.life != w.life or checker.generation != w.generation:
        return
    ready = node_at(w.nodes, checker.server).ready
    change: Any = check_result(checker, passed and ready)  # words are numbers here
    if change > 0:
        mark(w, whole(checker.server), change == Word.UP, Word.CHECK)
    schedule(w, w.inter + w.check_overhead, Pending.CHECK_DUE, place, 0)
