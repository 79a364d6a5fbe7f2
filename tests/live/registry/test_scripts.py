"""The Lua scripts do in a real Valkey what the rule class does: the same generations, the same verdicts."""

import time
from collections.abc import Callable, Iterator
from itertools import count
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from live.broadcast.bus import Bus, client_of
from live.control.process import Stage
from live.machine import placement
from live.registry.scripts import SCRIPTS, Slots, alive, replied
from twin.rules.registry import Leases

pytestmark = pytest.mark.live
_numbers = count()

SLOT = st.integers(1, 3)
STEP = (
    st.tuples(st.just("register"), SLOT, st.sampled_from(["v1", "v2"]), st.sampled_from([0, 0, 3]))
    | st.tuples(st.just("beat"), SLOT, st.integers(0, 4), st.integers(0, 100))
    | st.tuples(st.just("leave"), SLOT, st.integers(0, 4))
    | st.tuples(st.just("end"), SLOT)
    | st.tuples(st.just("forget"), SLOT)
)
LONG = 600.0


class Real:
    """The real registry behind the interface of the rule class."""

    def __init__(self, client: Any, ttl: float = LONG) -> None:
        self.client = client
        self.slots = Slots(f"r{next(_numbers)}:", 3, ttl)
        for text in SCRIPTS.values():
            client.script_load(text)

    def do(self, *command: Any) -> Any:
        return self.client.execute_command(*command)

    def register(self, slot: int, version: str, before: int = 0) -> int:
        return int(self.do(*self.slots.register(slot, f"h:{slot}", version, before)))

    def beat(self, slot: int, generation: int, connections: int) -> tuple[str, list[int]]:
        return replied(self.do(*self.slots.beat(slot, generation, connections, 5)))

    def members(self) -> dict[int, Any]:
        return alive(self.do(*self.slots.members()), 100.0)


@pytest.fixture(scope="module")
def client() -> Iterator[Any]:
    with Stage() as stage:
        bus = Bus(stage, placement.free_ports(1)[0], [])
        bus.wait_ready(10)
        with client_of(bus.address) as one:
            yield one


@settings(max_examples=60, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(steps=st.lists(STEP, max_size=30))
def test_random_steps_give_the_same_generations_verdicts_and_members(client: Any, steps: list[Any]) -> None:
    real, rule = Real(client), Leases(LONG)
    for step in steps:
        slot = step[1]
        if step[0] == "register":
            assert real.register(slot, *step[2:]) == rule.register(slot, f"h:{slot}", step[2], 0.0, step[3])
        elif step[0] == "beat":
            verdict, counts = real.beat(slot, step[2], step[3])
            assert verdict == rule.beat(slot, step[2], step[3], 5, 0.0)
            if verdict == "renewed":
                assert counts == [one.connections for one in rule.members(0.0).values()]
        elif step[0] == "leave":
            assert bool(real.do(*real.slots.leave(slot, step[2]))) == rule.leave(slot, step[2])
        elif step[0] == "forget":  # what a server without its data knows
            real.client.delete(*real.slots.names)
            rule.forget()
        else:  # what the server does when a lease has ended
            real.client.delete(real.slots.slot(slot))
            rule.held.pop(slot, None)
        found = {slot: (m.generation, m.address, m.version, m.connections, m.cpu) for slot, m in real.members().items()}
        expected = rule.members(0.0)
        assert found == {s: (m.generation, m.address, m.version, m.connections, m.cpu) for s, m in expected.items()}


def test_a_lease_ends_by_itself_and_a_late_heartbeat_does_not_revive_it(
    client: Any, until: Callable[..., None]
) -> None:
    real = Real(client, ttl=1.0)
    began = time.monotonic()
    assert real.register(1, "v1") == 1
    until(lambda: time.monotonic() > began + 0.5)
    assert real.beat(1, 1, 3) == ("renewed", [3])
    renewed = time.monotonic()
    until(lambda: not real.members())
    assert time.monotonic() > renewed + 0.95  # the heartbeat has moved its end
    assert real.beat(1, 1, 3) == ("expired", [])
    assert real.members() == {}
    assert real.register(1, "v1") == 2
    assert real.beat(1, 1, 3) == ("replaced", [])
    assert real.members()[1].generation == 2


def test_times_are_on_the_clock_of_who_asks(client: Any, until: Callable[..., None]) -> None:
    real = Real(client)
    began = time.monotonic()
    real.register(2, "v1")
    registered = time.monotonic()
    until(lambda: time.monotonic() > registered + 0.1)
    beaten = time.monotonic()
    real.beat(2, 1, 3)
    member = real.members()[2]  # it is 100 s for who asks
    ago = time.monotonic()
    assert 100.0 - (ago - began) - 0.01 <= member.since <= 99.91
    assert 100.0 - (ago - beaten) - 0.01 <= member.at <= 100.0
    assert member.since < member.at


def test_registrations_and_refused_heartbeats_are_logged(client: Any) -> None:
    real = Real(client)
    real.register(1, "v1")
    real.beat(1, 1, 0)
    real.register(1, "v1")
    real.beat(1, 1, 0)
    entries = [fields for _, fields in client.xrange(real.slots.log)]
    assert [(fields[b"kind"], fields[b"slot"], fields[b"generation"]) for fields in entries] == [
        (b"registered", b"1", b"1"),
        (b"registered", b"1", b"2"),
        (b"fenced", b"1", b"1"),
    ]
