"""The rules of `twin.rules` and the arithmetic of the model, compiled from their own source."""

from typing import Any

from sim.compiled.jit import compiled_rule, jit
from sim.compiled.layout import WORDS
from sim.cores import ticked as _ticked
from sim.host import timer_due as _timer_due
from sim.host import wakes_late as _wakes_late
from twin import draws
from twin.cost import after_sleep as _after_sleep
from twin.rules import backoff, balancing, health, heartbeat

_philox = compiled_rule(draws.philox4x32)
uniform = compiled_rule(draws.uniform, philox4x32=_philox)

_delay = compiled_rule(backoff.exponential_delay)
_jittered = compiled_rule(backoff.jittered, WORDS)


@jit
def _no_list(rule: Any, n: int, u: float) -> float:
    """Stand where a list of waits would be asked: `sim.engines` gives scenarios with one to the SimPy model."""
    return 0.0


_reconnect_delay = compiled_rule(
    backoff.reconnect_delay, WORDS, exponential_delay=_delay, jittered=_jittered, list_delay=_no_list
)
_next_wait = compiled_rule(backoff.next_wait, WORDS, reconnect_delay=_reconnect_delay)
wait_after_loss = compiled_rule(backoff.wait_after_loss, WORDS, next_wait=_next_wait)
wait_after_failure = compiled_rule(backoff.wait_after_failure, WORDS, next_wait=_next_wait)

move_behind = compiled_rule(balancing.move_behind)
fewest_first = compiled_rule(balancing.fewest_first)
candidates = compiled_rule(balancing.candidates)
mapped = compiled_rule(balancing.mapped, candidates=candidates)
richest = compiled_rule(balancing.richest)
least_connected = compiled_rule(balancing.least_connected)
hashed = compiled_rule(balancing.hashed)

first_check = compiled_rule(health.first_check)
check_result = compiled_rule(health.ActiveCheck.result, WORDS)
haproxy_retry = compiled_rule(health.haproxy_retry)
peer_usable = compiled_rule(health.PassiveCheck.usable)
peer_chosen = compiled_rule(health.PassiveCheck.chosen)
peer_failed = compiled_rule(health.PassiveCheck.failed)
peer_succeeded = compiled_rule(health.PassiveCheck.succeeded)

beat_after = compiled_rule(heartbeat.beat_after)
after_sleep = compiled_rule(_after_sleep)
timer_due = compiled_rule(_timer_due)
wakes_late = compiled_rule(_wakes_late)
ticked = compiled_rule(_ticked)


@jit
def draw(w: Any, entity: int, purpose: int, n: int) -> float:
    """Return a uniform number of this replication."""
    return uniform(w.seed, w.replication, entity, purpose, n)
