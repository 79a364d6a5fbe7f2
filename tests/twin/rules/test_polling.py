import pytest
from hypothesis import given
from hypothesis import strategies as st

from twin.rules.delivery import Broker, Message, Position, RecoveryAnswer
from twin.rules.polling import (
    RecentMessages,
    cut_by,
    first_poll,
    hold_ends,
    next_poll,
    polls_per_second,
)


def messages(*versions, epoch=1):
    return [Message(epoch, version, 100 * epoch + version) for version in versions]


def filled(*versions, most=1000, epoch=1):
    recent = RecentMessages(most)
    for message in messages(*versions, epoch=epoch):
        recent.add(message)
    return recent


def test_a_node_tells_what_follows_a_position():
    recent = filled(1, 2, 3)
    assert recent.after(1, 1) == tuple(messages(2, 3))
    assert recent.after(0, 0) == recent.after(1, 0) == tuple(messages(1, 2, 3))
    assert recent.after(1, 3) == ()
    assert recent.answer(1, 2) == RecoveryAnswer(True, 1, 3, tuple(messages(3)))
    assert recent.answer(1, 3) == RecoveryAnswer(True, 1, 3)
    assert recent.answer(2, 9) == RecoveryAnswer(True, 2, 9)
    assert filled(5).answer(1, 3) is None


def test_a_client_that_another_node_has_told_more_waits():
    assert filled(1, 2).after(1, 5) == ()
    assert filled(1, 2).after(2, 1) == ()


def test_a_node_that_knows_nothing_asks_the_bus_unless_its_client_is_new():
    recent = RecentMessages()
    assert recent.after(0, 0) == ()
    assert recent.after(1, 4) is None
    assert recent.learn(1, 4)
    assert recent.after(1, 4) == ()
    assert recent.after(1, 3) is None
    assert recent.without_cursor(waits=False) == (1, 4)


def test_who_does_not_say_where_it_is_gets_the_newest_message_or_waits_for_the_next():
    recent = filled(1, 2, 5)
    assert recent.after(*recent.without_cursor(waits=False)) == tuple(messages(5))
    position = recent.without_cursor(waits=True)
    assert recent.after(*position) == ()
    for message in messages(6, 7):
        recent.add(message)
    assert recent.after(*position) == tuple(messages(6, 7))
    empty = RecentMessages()
    assert empty.after(*empty.without_cursor(waits=False)) == empty.after(*empty.without_cursor(waits=True)) == ()


def test_behind_a_hole_a_new_stretch_begins():
    recent = filled(1, 2, 5, 6)
    assert recent.after(1, 4) == tuple(messages(5, 6))
    assert recent.after(1, 3) is None
    assert recent.after(0, 0) is None


def test_what_comes_late_or_again_changes_nothing():
    recent = filled(1, 2, 5)
    assert [recent.add(message) for message in messages(2, 5, 3)] == [False, False, False]
    assert recent.after(1, 4) == tuple(messages(5))
    assert not recent.learn(1, 3)
    assert not recent.learn(1, 5)
    assert (recent.epoch, recent.version) == (1, 5)


def test_a_new_epoch_begins_anew():
    recent = filled(1, 2)
    recent.add(messages(1, epoch=2)[0])
    assert recent.after(2, 0) == recent.after(0, 0) == tuple(messages(1, epoch=2))
    assert recent.after(1, 2) is None


def test_only_the_newest_are_kept():
    recent = filled(*range(1, 11), most=3)
    assert recent.after(1, 7) == tuple(messages(8, 9, 10))
    assert recent.after(1, 6) is None


@given(
    st.lists(st.sampled_from(["publish", "publish", "node 0", "node 1", "miss 0", "crash"]), max_size=60),
    st.lists(st.integers(0, 1), min_size=60, max_size=60),
    st.integers(1, 5),
    st.booleans(),
)
def test_with_a_cursor_a_client_gets_all_in_order_from_whichever_nodes(steps, chosen, most, persist):
    """Nodes lag behind each other, miss messages and keep few; the bus answers what they cannot."""
    broker, nodes, position = Broker(50, 60.0), [RecentMessages(most), RecentMessages(most)], Position()
    waiting = [[], []]
    applied = []

    def poll(node):
        answer = node.answer(position.epoch, position.version)
        if answer is None:
            answer = broker.recover(*position.resume())
            node.learn(answer.epoch, answer.version)
        before = (position.epoch, position.version)
        answered = position.answer(answer)
        applied.extend([("jump", answer.epoch, answer.version)] if answered.snapshot else [])
        applied.extend(("message", one.epoch, one.version) for one in answered.deliver)
        assert (position.epoch, position.version) >= before
        assert not answered.ask

    def read(node):
        for message in waiting[node]:
            nodes[node].add(message)
        waiting[node].clear()

    for n, (step, which) in enumerate(zip(steps, chosen, strict=False)):
        if step == "publish":
            message = broker.publish(n + 1, b"", float(n)).message
            for queue in waiting:
                queue.append(message)
        elif step == "miss 0" and waiting[0]:
            waiting[0].pop()
        elif step == "crash":
            broker.restart(persist)
        elif step.startswith("node"):
            read(int(step[-1]))
        poll(nodes[which])
    message = broker.publish(1000, b"", 1000.0).message
    for node in (0, 1):
        waiting[node].append(message)
        read(node)
    poll(nodes[0])
    assert (position.epoch, position.version) == (broker.epoch, broker.version)
    last = (0, 0)
    for how, epoch, version in applied:
        assert (epoch, version) > last
        if how == "message" and last[0] == epoch:
            assert version == last[1] + 1
        last = (epoch, version)


def test_polls_keep_their_beat():
    assert first_poll(0.25, 2.0) == 0.5
    assert next_poll(3.0, 3.0, 1.0) == next_poll(3.0, 3.1, 1.0) == 4.0
    assert next_poll(3.0, 4.0, 1.0) == 4.0
    assert next_poll(3.0, 5.5, 1.0) == 6.0
    assert next_poll(3.0, 5.5, 0.0) == 5.5


@given(st.floats(0, 100), st.floats(0, 50), st.floats(0.01, 20))
def test_a_poll_never_comes_before_the_answer_and_never_later_than_a_beat(asked, took, interval):
    due = next_poll(asked, asked + took, interval)
    assert due >= asked + took - 1e-9
    assert due <= asked + took + interval + 1e-9


def test_a_hold_that_is_under_way_ends_as_if_all_before_had_been_empty():
    assert hold_ends(-1.0, 30.0, 0.0) == 29.0
    assert hold_ends(-70.0, 30.0, 0.0) == 20.0
    assert hold_ends(-30.0, 30.0, 0.0) == 0.0
    assert hold_ends(0.0, 30.0, 0.0) == 30.0


def test_a_balancer_cuts_what_is_held_as_long_as_it_waits():
    assert [cut_by(hold, 60.0) for hold in (30.0, 60.0, 90.0)] == [False, True, True]


@pytest.mark.parametrize(
    ("transport", "interval", "hold", "rate", "expected"),
    [
        ("websocket", 1.0, 30.0, 2.0, 0.0),
        ("poll", 0.5, 30.0, 2.0, 2.0),
        ("poll", 0.5, 30.0, 0.0, 2.0),
        ("long_poll", 0.0, 30.0, 2.0, 2.0),
        ("long_poll", 0.0, 30.0, 0.01, 1 / 30),
        ("long_poll", 0.0, 30.0, 0.0, 1 / 30),
    ],
)
def test_requests_of_a_client(transport, interval, hold, rate, expected):
    assert polls_per_second(transport, interval, hold, rate) == pytest.approx(expected)
