"""What nodes and clients say to each other comes back as it was said."""

from hypothesis import given
from hypothesis import strategies as st

from live.broadcast import broker, wire
from twin.rules.delivery import Message, RecoveryAnswer

NUMBERS = st.integers(0, 2**63)
MESSAGES = st.builds(Message, NUMBERS, NUMBERS, NUMBERS, st.binary(max_size=40))


@given(MESSAGES)
def test_a_message_keeps_its_names_and_its_payload(one: Message) -> None:
    data = broker.body(one)
    assert broker.message(data) == one
    assert broker.place(data) == (one.epoch, one.version, one.key)
    assert len(data) - len(one.payload) < wire.LARGEST_HEADER


@given(st.builds(RecoveryAnswer, st.booleans(), NUMBERS, NUMBERS, st.lists(MESSAGES, max_size=4).map(tuple)))
def test_an_answer_keeps_its_messages_in_order(found: RecoveryAnswer) -> None:
    assert wire.read_answer(wire.answer(found)) == found


@given(NUMBERS, NUMBERS)
def test_a_position_is_kept(epoch: int, version: int) -> None:
    assert wire.read_place(wire.question(epoch, version)) == (epoch, version)
    assert wire.read_place(wire.standing(epoch, version)) == (epoch, version)


def test_the_bytes_on_the_wire_are_those_of_the_description() -> None:
    """A node of another release of the lab must understand them: big-endian, the first byte a letter."""
    assert wire.question(1, 2) == b"R" + bytes(7) + b"\x01" + bytes(7) + b"\x02"
    assert wire.standing(1, 2) == b"A" + bytes(7) + b"\x01" + bytes(7) + b"\x02"
    one = Message(3, 4, 5, b"xy")
    data = broker.body(one)
    answer = wire.answer(RecoveryAnswer(True, 6, 7, (one, one)))
    head = b"S\x01" + bytes(7) + b"\x06" + bytes(7) + b"\x07" + bytes(3) + b"\x02"
    assert answer == head + 2 * (len(data).to_bytes(4, "big") + data)
    assert wire.answer(RecoveryAnswer(False, 6, 7, ()))[:2] == b"S\x00"
