"""What is compiled from the rules' own source gives what the source gives."""

from types import SimpleNamespace

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from sim.compiled import rules
from sim.compiled.memory.layout import RULE
from sim.compiled.toolchain.jit import for_python
from sim.compiled.vocabulary import Word
from tests.strategies import reconnects
from twin import draws
from twin.rules import backoff, balancing, heartbeat, output_buffer

WHOLE = st.integers(0, 2**31 - 1)
UNIFORM = st.floats(0.0, 1.0, exclude_max=True)
COMPILED = SimpleNamespace(**{name: for_python(rule) for name, rule in vars(rules).items() if hasattr(rule, "py_func")})
"""The rules as functions that Python can call."""


@given(seed=st.integers(0, 2**63 - 1), replication=WHOLE, entity=WHOLE, purpose=st.integers(1, 12), n=WHOLE)
def test_the_same_address_gives_the_same_number(seed, replication, entity, purpose, n):
    address = (seed, replication, entity, purpose, n)
    assert COMPILED.uniform(*address) == draws.uniform(*address)


@given(rule=reconnects(), steps=st.lists(st.tuples(st.booleans(), st.floats(0.0, 10.0), UNIFORM), max_size=12))
def test_a_client_waits_the_same(rule, steps):
    """Words are numbers in the compiled rule, and the client's memory is a record."""
    memory = np.zeros(1, np.dtype([("waits", "i4"), ("failed", "i4"), ("previous", "f8")]))
    given_rule = np.zeros(1, RULE)
    for name in ("base", "factor", "cap", "spread", "stable_time", "max_attempts"):
        given_rule[name] = getattr(rule, name)
    for name in ("policy", "jitter", "first"):
        given_rule[name] = Word.of(getattr(rule, name))
    delays = np.array([backoff.bounds(delay) for delay in rule.delays], np.float64).reshape(-1, 2).T.copy()
    given_rule["lows"], given_rule["highs"] = (column.ctypes.data for column in delays)
    given_rule["n_delays"], given_rule["stops"] = len(rule.delays), rule.then == "stop"
    memory["previous"] = rule.base
    expected = backoff.Backoff(rule.rule())
    for lost, uptime, u in steps:
        if lost:
            assert COMPILED.wait_after_loss(memory[0], given_rule[0], uptime, u) == expected.after_loss(uptime, u)
        else:
            assert COMPILED.wait_after_failure(memory[0], given_rule[0], u) == expected.after_failure(u)


@given(
    limits=st.tuples(st.sampled_from([0, 50_000]), st.sampled_from([0, 20_000, 10**6]), st.integers(0, 2)),
    size=st.sampled_from([100, 8000, 16_440, 16_441, 100_000]),
    steps=st.lists(st.tuples(st.integers(0, 30), st.floats(0.0, 1.0), st.integers(0, 2)), max_size=12),
)
def test_what_waits_for_a_subscriber_counts_the_same(limits, size, steps):
    state = np.zeros(1, np.dtype([(name, "i8") for name in ("waiting", "size", "added", "origin", "seen", "since")]))
    state["since"] = -1
    kept = np.array([limits], np.dtype([(name, "i8") for name in ("hard_bytes", "soft_bytes", "soft_seconds")]))
    expected, waiting, second = output_buffer.OutputBuffer(*limits), 0, 0
    for n, share, pause in steps:
        for _ in range(n):
            waiting += size
            found = COMPILED.add_to_buffer(state[0], kept[0], size, waiting, second)
            assert found == expected.add(size, waiting, second)
        second += pause
        assert COMPILED.exceeds(state[0], kept[0], second) == expected.look(second)
        waiting = int(waiting * share)
        if expected.waiting:
            COMPILED.leave_buffer(state[0], waiting)
            expected.leave(waiting)
        assert all(state[0][name] == getattr(expected, name) for name in state.dtype.names)


@given(now=st.floats(0.0, 1e4), every=st.sampled_from([0.1, 0.3, 1.0]), phase=UNIFORM)
def test_the_bus_looks_at_the_same_times(now, every, phase):
    assert COMPILED.until_look(now, every, phase) == output_buffer.until_look(now, every, phase)
    assert COMPILED.second_of(now, phase) == output_buffer.second_of(now, phase)


@given(
    servers=st.lists(st.tuples(st.booleans(), st.integers(0, 5)), min_size=1, max_size=8),
    avoid=st.integers(-1, 7),
    number=st.integers(0, 2**32 - 1),
)
def test_choices_are_the_same(servers, avoid, number):
    usable, connections = ([pair[i] for pair in servers] for i in (0, 1))
    avoid = min(avoid, len(servers) - 1)
    arrays = SimpleNamespace(usable=np.array(usable), connections=np.array(connections))
    order = list(range(len(servers), -1, -1))
    order[-1] = len(servers) + 1
    moved = np.array(order)
    assert COMPILED.fewest_first(arrays.usable, avoid, arrays.connections, moved) == balancing.fewest_first(
        usable, avoid, connections, order
    )
    COMPILED.move_behind(moved, 0)
    balancing.move_behind(order, 0)
    assert moved.tolist() == order
    assert COMPILED.hashed(arrays.usable, avoid, number) == balancing.hashed(usable, avoid, number)
    assert COMPILED.mapped(arrays.usable, number) == balancing.mapped(usable, number)


@given(first=st.floats(0.0, 30.0), interval=st.floats(0.1, 30.0), now=st.floats(0.0, 3600.0))
def test_the_next_ping_is_at_the_same_time(first, interval, now):
    assert COMPILED.beat_after(first, interval, now) == heartbeat.beat_after(first, interval, now)
