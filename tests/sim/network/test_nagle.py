"""What waits for an acknowledgement in the model."""

import pytest
import simpy

from sim import simulate
from sim.network.nagle import Nagle
from tests.strategies import small, small_profile
from twin.measures.messages import Messages
from twin.rules.nagle import DELAYED_ACK


def at(env, t, do):
    env.timeout(t).callbacks.append(lambda _: do())


def sent(events, until=1.0):
    """Return when frames went out of a connection on which a frame is sent, or an answer comes, at given times."""
    env, out = simpy.Environment(), []

    def pass_on(bundles):
        out.extend((round(env.now, 6), frame) for _, frames in bundles for frame in frames)

    nagle = Nagle(env, pass_on)
    tunnel = object()
    for t, what in events:
        if what == "answer":
            at(env, t, lambda: nagle.answered(tunnel))
        else:
            at(env, t, lambda what=what: nagle.send([(tunnel, [what])]))
    env.run(until=until)
    return out


def test_what_goes_one_way_waits_for_nothing():
    assert sent([(0.01, "a"), (0.02, "b")]) == [(0.01, "a"), (0.02, "b")]


def test_after_an_answer_the_second_frame_waits_for_a_late_acknowledgement():
    events = [(0.1, "a"), (0.101, "answer"), (0.11, "b"), (0.12, "c"), (0.13, "d"), (0.16, "e")]
    assert sent(events) == [(0.1, "a"), (0.11, "b"), (0.15, "c"), (0.15, "d"), (0.16, "e")]


def test_a_further_answer_carries_the_acknowledgement():
    events = [(0.1, "a"), (0.101, "answer"), (0.11, "b"), (0.12, "c"), (0.125, "answer"), (0.13, "d")]
    assert sent(events) == [(0.1, "a"), (0.11, "b"), (0.125, "c"), (0.165, "d")]


def run(**changes):
    base = {"clients": {"count": 1}, "nodes": {"count": 1}, "host": {"cores": 4}, "duration": 4.0}
    base |= {"bus": {"kind": "pubsub"}, "publisher": {"rate": 100.0, "stop": 3.5}}
    return simulate(small(**base).vary(**changes), 0, small_profile())


def late(record):
    return int((Messages(record).latency > 0.005).sum())


def test_a_broadcast_waits_only_where_clients_speak_too():
    speaking = {"clients": {"sends": {"rate": 1.0}}}
    assert late(run(nodes={"nodelay": False})) == 0
    assert late(run(**speaking)) == 0
    found = run(nodes={"nodelay": False}, **speaking)
    words = (found.select("arrived")["t"] < 3.4).sum()
    assert words >= 3
    # after each of them: one message at once, then three that wait 30, 20 and 10 ms
    assert late(found) == 3 * words
    assert Messages(found).latency[-1] == pytest.approx(DELAYED_ACK - 0.01, abs=0.004)


def test_what_clients_send_waits_where_they_are_broadcast_to():
    speaking = {"clients": {"sends": {"rate": 100.0}, "nodelay": False}, "publisher": {"rate": 2.0}}
    record = run(**speaking)
    came = record.select("arrived").set_index("version")["t"]
    waits = (came - record.select("sent").set_index("version")["t"]).dropna()
    heard = (record.select("delivered")["t"] < 3.4).sum()
    assert heard >= 6
    assert (waits > 0.005).sum() == pytest.approx(3 * heard, abs=3)
    assert waits.max() < DELAYED_ACK
