"""How fast a core is just now: the pace beside a measurement is that of warm caches, as in the looks at the cores."""

from itertools import count
from types import SimpleNamespace

import pytest

from live.machine import speed


def test_a_pace_is_read_once_the_caches_are_warm(monkeypatch: pytest.MonkeyPatch) -> None:
    done, clock = count(), [0]

    def handshake(near: object, far: object) -> None:
        cold = next(done) < speed.WARMING * speed._ROUNDS
        clock[0] += 1_000_000 if cold else 1_000

    monkeypatch.setattr(speed, "_handshake", handshake)
    monkeypatch.setattr(speed, "time", SimpleNamespace(thread_time_ns=lambda: clock[0]))
    assert speed.reading() == pytest.approx(speed._ROUNDS * 1e-6)
    assert next(done) == (speed.WARMING + speed.READ) * speed._ROUNDS


def test_an_interrupt_does_not_pass_for_a_slow_core(monkeypatch: pytest.MonkeyPatch) -> None:
    done, clock = count(), [0]

    def handshake(near: object, far: object) -> None:
        clock[0] += 50_000 if next(done) % (5 * speed._ROUNDS) == 0 else 1_000

    monkeypatch.setattr(speed, "_handshake", handshake)
    monkeypatch.setattr(speed, "time", SimpleNamespace(thread_time_ns=lambda: clock[0]))
    assert speed.reading() == pytest.approx(speed._ROUNDS * 1e-6)
