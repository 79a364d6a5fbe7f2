import pytest

from sim import simulate
from tests.sim import digests
from tests.strategies import small, small_profile
from twin.record.record import Record

MOST_EVENTS = 12_000
"""Events of a run that is repeated in every test run by the SimPy model; `python -m tests.sim.digests` repeats all."""

RUNS = [
    (name, engine)
    for name, known in digests.stored().items()
    for engine in digests.engines(name)
    if engine == "compiled" or known["events"] <= MOST_EVENTS
]


def test_every_shipped_scenario_has_digests_and_no_other_has():
    assert list(digests.stored()) == digests.names()
    assert all(set(known) == {"events", *map(str, digests.SEEDS)} for known in digests.stored().values())


@pytest.mark.parametrize(("name", "engine"), RUNS, ids=["-".join(one) for one in RUNS])
def test_the_model_makes_the_same_record_as_ever(name, engine):
    seed = digests.SEEDS[0]
    found = digests.digest(digests.run(name, seed, engine))
    assert found == digests.stored()[name][str(seed)], "if that is meant: python -m tests.sim.digests --write"


def test_the_digest_sees_the_last_bit_of_a_time_and_every_column():
    record = simulate(small(), profile=small_profile())
    of = digests.digest(record)
    for column in digests.COLUMNS:
        events = record.events.copy()
        last = events[column].iloc[-1]
        one = last * (1 + 2**-52) if column == "t" else last + (1 if events[column].dtype.kind == "i" else "x")
        events.loc[events.index[-1], column] = one
        assert digests.digest(Record.of_frame(events, record.provenance)) != of, column


def test_a_word_that_was_renamed_keeps_its_digest(monkeypatch):
    record = simulate(small(), profile=small_profile())
    of = digests.digest(record)
    events = record.events.replace({"event": {"connected": "opened"}})
    assert digests.digest(Record.of_frame(events, record.provenance)) != of
    monkeypatch.setattr(digests, "RENAMED", {"connected": "opened"})
    assert digests.digest(Record.of_frame(events, record.provenance)) == of
