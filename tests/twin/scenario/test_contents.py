"""What is in the publisher's messages."""

import pytest

from live.broadcast.broker import body
from tests.strategies import small
from twin.rules.codecs import payload
from twin.rules.delivery import Message
from twin.rules.frames import answer_body, frame_bytes
from twin.scenario.contents import USUAL_EPOCH


def published(**changes):
    return small(bus={"kind": "pubsub"}, duration=4.0).vary(
        publisher={"rate": 10.0, "payload_bytes": 80}, codec="json", **changes
    )


def test_a_content_is_what_a_node_passes_on():
    contents = published().contents
    message = Message(USUAL_EPOCH, 3, 3, payload("json", 80, 3))
    assert contents.content(3) == body(message)
    assert contents.frame(3) == frame_bytes(len(body(message)))


def test_a_batch_has_its_messages_in_it():
    contents = published().vary(publisher={"batch": {"count": 5, "window": 1.0}}).contents
    assert contents.payload(2) == payload("json", 80, 6, 5)


def test_compressed_frames_are_smaller_and_smallest_with_a_kept_context():
    plain, fresh, kept = (
        published(nodes={"compression": compression}).contents
        for compression in (None, {"takeover": False}, {"takeover": True})
    )
    assert kept.frame(30) < fresh.frame(30) < plain.frame(30)
    assert kept.frame(1) == fresh.frame(1)


def test_an_answer_is_compressed_as_the_first_of_its_connection():
    plain, fresh = (published(nodes={"compression": one}).contents for one in (None, {"takeover": False}))
    size = answer_body([len(plain.payload(number)) for number in (1, 2)])
    assert plain.answer_frame(size, (1, 2)) == frame_bytes(size)
    assert fresh.answer_frame(size, (1, 2)) < frame_bytes(size)


def test_what_is_known_to_one_replication_is_known_to_the_next():
    scenario = published(nodes={"compression": {}})
    assert scenario.contents is scenario.vary(seed=5).contents
    assert scenario.contents is not scenario.vary(codec="msgpack").contents


def test_the_largest_payload_bounds_every_one():
    scenario = published().vary(publisher={"batch": {"count": 3, "window": 1.0}})
    assert max(len(scenario.contents.payload(n)) for n in range(1, 14)) <= scenario.largest_payload
    assert small().largest_payload == 0
    assert pytest.approx(scenario.largest_payload, rel=0.1) == len(scenario.contents.payload(2))
