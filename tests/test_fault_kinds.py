"""A kind of fault is registered in the room on which it acts: whoever adds one touches neither scheduler."""

import ast
from pathlib import Path

import live.faults
import sim.faults
from sim.ports import Effect
from sim.world import World
from tests.strategies import small, small_profile
from twin.scenario.faults import KINDS, Fault

ROOT = Path(__file__).parents[1]
PREDICTED_ONLY = {"outage"}


def test_every_kind_is_registered_in_both_worlds():
    assert set(sim.faults.KINDS) == set(KINDS)
    assert set(live.faults.KINDS) == set(KINDS) - PREDICTED_ONLY


def test_a_kind_is_registered_in_the_same_room_of_both_worlds():
    for kind in set(KINDS) - PREDICTED_ONLY:
        rooms = [world.faults.KINDS[kind].__module__.split(".")[1:] for world in (sim, live)]
        assert rooms[0] == rooms[1], kind


def test_neither_scheduler_names_a_kind():
    for path in ("sim/faults.py", "live/faults.py"):
        tree = ast.parse((ROOT / path).read_text())
        words = {node.value for node in ast.walk(tree) if isinstance(node, ast.Constant)}
        assert not words & set(KINDS), path


class Noise(Effect):
    """Something that is done to nobody."""

    def __init__(self, cluster, fault):
        self.kind = fault.kind
        self.done = cluster.done

    def begin(self):
        self.done.append("begin")
        yield from ()

    def end(self):
        self.done.append("end")
        yield from ()
        return True


def test_a_kind_of_a_test_is_scheduled_noted_and_healed(monkeypatch):
    monkeypatch.setitem(sim.faults.KINDS, "noise", Noise)
    world = World(small(duration=4.0), 0, small_profile())
    world.done = []
    fault = Fault(kind="reload", at=1.0).model_copy(update={"kind": "noise", "duration": 2.0})
    world.env.process(sim.faults.inject(world, fault))
    noted = [(t, event, detail) for t, event, *_, detail in world.run() if event in ("fault", "healed")]
    assert noted == [(1.0, "fault", "noise"), (3.0, "healed", "noise")]
    assert world.done == ["begin", "end"]
