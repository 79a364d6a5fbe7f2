import pytest
import simpy

from sim.fanout import Habit
from sim.host import Cores, Cost, Process
from sim.world import World
from tests.strategies import COST, small, small_profile
from twin.profile import COLD_AFTER, Curve, Part

LONE, WARM = 0.0002, 0.00002


def habit(env):
    """Return a cost that is ten times as large for a process that comes to it cold."""
    return Habit(env, Cost([Curve([1, 16], [LONE, WARM])], first_part=0.5))


def test_what_has_not_been_done_for_a_while_is_cold_even_in_a_process_that_is_busy():
    env = simpy.Environment()
    process, cost, times = Process(Cores(env, 1, 1.0)), habit(env), []

    def done(_):
        times.append(env.now)

    process.work(cost, done)
    process.work(Cost.constant(2 * COLD_AFTER), done)
    process.work(cost, done)
    env.run()
    assert times == pytest.approx([LONE, LONE + 2 * COLD_AFTER, 2 * LONE + 2 * COLD_AFTER])


def test_what_is_done_again_at_once_is_warm_and_in_between_it_depends_on_the_pause():
    env = simpy.Environment()
    process, cost = Process(Cores(env, 1, 1.0)), habit(env)
    for _ in range(3):
        process.work(cost)
    env.run()
    first = LONE + (LONE - WARM) * LONE / COLD_AFTER + WARM  # the second began LONE after the first
    assert env.now == pytest.approx(first + WARM + (LONE - WARM) * (first - LONE) / COLD_AFTER, rel=1e-3)


def cluster(**parts):
    """Two clients of one node hear one message at 1 s over a stream; every part costs `COST` but those given."""
    profile = small_profile()
    some = {name: Part(levels=[16], values=[[seconds]]) for name, seconds in parts.items()}
    data = {"clients": {"count": 2}, "nodes": {"count": 1}, "bus": {"kind": "stream", "lease": 100.0}}
    scenario = small(**data, publisher={"start": 1.0, "messages": 1}, host={"cores": 8, "placement": "free"})
    one = World(scenario, 0, small_profile(parts=profile.parts | some))
    one.run()
    return {event: [t for t, name, client, *_ in one.rows if name == event and (event != "received" or client < 0)]
            for event in ("published", "received", "delivered", "acked", "consistent")}  # fmt: skip


@pytest.mark.parametrize(
    ("part", "later"),
    [
        ("node_poll", {"received", "delivered", "acked", "consistent"}),
        ("node_receive", {"received", "delivered", "acked", "consistent"}),
        ("node_fanout", {"delivered", "acked", "consistent"}),
        ("node_ack", {"acked", "consistent"}),
        ("node_answer", set()),
        ("bus_command", {"acked", "consistent"}),
        ("publisher_ack", {"acked", "consistent"}),
        ("balancer_delivery", {"delivered"}),
        ("client_delivery", {"delivered"}),
    ],
)
def test_each_part_delays_what_comes_after_it_and_nothing_else(part, later):
    usual, then = cluster(), cluster(**{part: 11 * COST})
    assert {event for event in usual if then[event] != pytest.approx(usual[event], abs=COST / 10)} == later
    for event in later:
        assert min(then[event]) >= min(usual[event]) + 9 * COST
