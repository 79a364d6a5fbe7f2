"""The bytes that the model counts are those that nodes, clients and the bus really send."""

import time

from hypothesis import given
from hypothesis import strategies as st
from websockets.frames import Frame, Opcode

from live.broadcast import wire
from live.broadcast.broker import Topic, body, run_prefix
from live.control.resp import encode
from twin.rules.delivery import Message, RecoveryAnswer
from twin.rules.frames import answer_body, frame_bytes, message_frame, pushed_message, pushed_word

PAYLOADS = st.integers(0, 70_000)


def sent(data):
    return len(Frame(Opcode.BINARY, data).serialize(mask=False, extensions=[]))


def pushed(channel, data):
    """Return what Valkey writes to a subscriber: an array of bulk strings, like a command."""
    return len(encode("message", channel, data))


@given(PAYLOADS)
def test_a_message_has_the_bytes_that_a_node_writes_and_the_bus_pushes(payload):
    data, topic = body(Message(1_700_000_000_000_000, 7, 7, bytes(payload))), Topic(run_prefix(), 0, 1.0)
    assert message_frame(payload) == sent(data)
    assert pushed_message(payload) == pushed(topic.fresh, data) == pushed(topic.again, data)


@given(st.lists(PAYLOADS, max_size=5))
def test_an_answer_has_the_bytes_that_a_node_writes(payloads):
    messages = tuple(Message(1, i, i, bytes(payload)) for i, payload in enumerate(payloads, 1))
    data = wire.answer(RecoveryAnswer(True, 1, len(messages), messages))
    assert answer_body(payloads) == len(data)
    assert frame_bytes(answer_body(payloads)) == sent(data)


@given(st.integers(1, 1000), st.integers(0, 10**9))
def test_a_word_has_the_bytes_that_the_bus_pushes_to_the_publisher(node, version):
    acks, epoch = Topic(run_prefix(), 0, 1.0).acks, int(time.time() * 1e6)
    assert pushed_word("ack", node, version) == pushed(acks, f"ack {node} {epoch} {version}")
    assert pushed_word("alive", node, 0) == pushed(acks, f"alive {node}")
    assert pushed_word("bye", node, 0) == pushed(acks, f"bye {node}")
