"""When what is small waits for an acknowledgement."""

from twin.rules.nagle import DELAYED_ACK, INTERACTIVE, Receiver


def test_what_goes_one_way_is_acknowledged_at_once():
    receiver = Receiver()
    assert [receiver.received(0.01 * n) for n in range(30)] == [0.0] * 30


def test_an_answer_soon_after_makes_it_wait_for_the_next_answer():
    receiver = Receiver()
    receiver.received(1.0)
    receiver.sent(1.0 + INTERACTIVE / 2)
    assert receiver.received(1.1) == DELAYED_ACK
    receiver.sent(1.101)
    assert receiver.received(1.2) == DELAYED_ACK


def test_what_is_sent_long_after_is_no_answer():
    receiver = Receiver()
    receiver.sent(0.0)
    assert receiver.received(0.5) == 0.0
    receiver.sent(0.5 + INTERACTIVE)
    assert receiver.received(0.6) == 0.0


def test_a_timer_that_had_to_do_it_ends_the_wait_for_answers():
    receiver = Receiver()
    receiver.received(1.0)
    receiver.sent(1.001)
    assert receiver.received(1.01) == DELAYED_ACK
    receiver.timed_out()
    assert receiver.received(1.06) == 0.0
