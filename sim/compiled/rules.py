"""The rules of `twin.rules` and the arithmetic of the model, compiled from their own source."""

from typing import Any

from sim.compiled.memory.arrays import first_not_below, numbers
from sim.compiled.toolchain.jit import compiled_rule, jit
from sim.compiled.vocabulary import Word
from sim.machine.cores import contention_step as _contention_step
from sim.machine.cores import ticked as _ticked
from sim.machine.timers import timer_due as _timer_due
from sim.machine.timers import wakes_late as _wakes_late
from sim.machine.timers import warm_after_sleep as _warm_after_sleep
from twin import draws
from twin.costs.curve import after_sleep as _after_sleep
from twin.rules import (
    backoff,
    balancing,
    consistency,
    drain,
    frames,
    health,
    heartbeat,
    output_buffer,
    ring,
    rotation,
    slow_consumer,
)

BALANCE = int(draws.Purpose.BALANCE)
WORDS = Word.texts()

_philox = compiled_rule(draws.philox4x32, within=True)
uniform = compiled_rule(draws.uniform, within=True, philox4x32=_philox)

_power = compiled_rule(backoff.power)


@jit
def _quick_power(factor: float, n: int) -> float:
    """Return a power; of 2, the usual one, it is the same number with hardly any arithmetic."""
    return float(1 << n) if factor == 2.0 and n < 62 else _power(factor, n)


_delay = compiled_rule(backoff.exponential_delay, power=_quick_power)
_jittered = compiled_rule(backoff.jittered, WORDS)


_listed_delay = compiled_rule(backoff.listed_delay)


@jit
def _list_delay(rule: Any, n: int, u: float) -> Any:
    """Return the wait of a list that stands at two addresses."""
    return _listed_delay(numbers(rule.lows, rule.n_delays), numbers(rule.highs, rule.n_delays), rule.stops, n, u)


_reconnect_delay = compiled_rule(
    backoff.reconnect_delay, WORDS, exponential_delay=_delay, jittered=_jittered, list_delay=_list_delay
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

_full_hash = compiled_rule(ring.full_hash)
nearest = compiled_rule(ring.nearest, bisect_left=first_not_below)
consistent_choice = compiled_rule(ring.consistent_choice, full_hash=_full_hash, nearest=nearest)
point_drawn = compiled_rule(ring.point_drawn)
less_loaded = compiled_rule(ring.less_loaded)

_divided = compiled_rule(rotation.divided)
_stand = compiled_rule(rotation.stand, WORDS)
_queue = compiled_rule(rotation.queue, WORDS, stand=_stand)
_fetch = compiled_rule(rotation.fetch, WORDS)
_least = compiled_rule(rotation.least, WORDS)
_first_of_all = compiled_rule(rotation.first_of_all, WORDS, least=_least, fetch=_fetch)
begin_rotation = compiled_rule(rotation.begin, WORDS, stand=_stand)
mark_in_rotation = compiled_rule(rotation.mark, WORDS, divided=_divided, queue=_queue)
whose_turn = compiled_rule(
    rotation.whose_turn,
    WORDS,
    mark=mark_in_rotation,
    first_of_all=_first_of_all,
    switch=compiled_rule(rotation.switch, WORDS),
    advance=compiled_rule(rotation.advance),
    queue=_queue,
    stand=_stand,
)

first_check = compiled_rule(health.first_check)
check_result = compiled_rule(health.ActiveCheck.result, WORDS)
haproxy_retry = compiled_rule(health.haproxy_retry)
peer_usable = compiled_rule(health.PassiveCheck.usable)
peer_chosen = compiled_rule(health.PassiveCheck.chosen)
peer_failed = compiled_rule(health.PassiveCheck.failed)
peer_succeeded = compiled_rule(health.PassiveCheck.succeeded)

beat_after = compiled_rule(heartbeat.beat_after)
after_sleep = compiled_rule(_after_sleep)
warm_after_sleep = compiled_rule(_warm_after_sleep)
timer_due = compiled_rule(_timer_due)
wakes_late = compiled_rule(_wakes_late)
ticked = compiled_rule(_ticked)
contention_step = compiled_rule(_contention_step)

close_after = compiled_rule(drain.close_after)

retry_delay = compiled_rule(consistency.retry_delay)
next_failure = compiled_rule(consistency.next_failure)
is_too_large = compiled_rule(slow_consumer.is_too_large)
offer = compiled_rule(slow_consumer.Outlet.offer, WORDS)
pay = compiled_rule(slow_consumer.Outlet.pay)

_span = compiled_rule(output_buffer.span)
_first_block = compiled_rule(output_buffer.first_block, span=_span)
_blocks_begun = compiled_rule(output_buffer.blocks_begun, span=_span)
counted = compiled_rule(output_buffer.counted, span=_span, first_block=_first_block, blocks_begun=_blocks_begun)
second_of = compiled_rule(output_buffer.second_of)
exceeds = compiled_rule(output_buffer.exceeds, counted=counted)
add_to_buffer = compiled_rule(output_buffer.add, blocks_begun=_blocks_begun, exceeds=exceeds)
leave_buffer = compiled_rule(output_buffer.leave, span=_span, first_block=_first_block)
until_look = compiled_rule(output_buffer.until_look)


@jit
def draw(w: Any, entity: int, purpose: int, n: int) -> float:
    """Return a uniform number of this replication."""
    return uniform(w.seed, w.replication, entity, purpose, n)


@jit
def draw_of_balancer(w: Any) -> float:
    """Return the balancer's next uniform number."""
    w.balance_draws += 1
    return draw(w, 0, BALANCE, w.balance_draws - 1)


two_drawn = compiled_rule(balancing.two_drawn, drawn=draw_of_balancer)
frame_bytes = compiled_rule(frames.frame_bytes)
