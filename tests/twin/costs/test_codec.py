"""What codecs and compression cost, and where that is added."""

import pytest

from sim.machine.machine import Machine
from tests.codecs import CODEC_MICROSECONDS, DEFLATE_MICROSECONDS, codec_profile
from tests.costs import cost_of
from tests.strategies import small, small_profile
from twin.costs.codec import (
    CONTEXTS,
    OF_CODECS,
    CodecCosts,
    by_size,
    knows_deflate,
    shape_of,
)
from twin.costs.lacking import lacks
from twin.rules.codecs import payload

PROFILE = codec_profile()


def talking(**changes):
    return small(bus={"kind": "pubsub"}, duration=4.0).vary(publisher={"rate": 10.0, "payload_bytes": 64}, **changes)


def cost(scenario, name, profile=PROFILE):
    return Machine(scenario, profile, 0).cost(name).seconds(64, 0.0, 0)


def test_a_cost_is_linear_between_sizes_and_beyond_them():
    sizes, costs = (10, 20, 40), (1.0, 3.0, 4.0)
    expected = {5: 0.0, 10: 1.0, 15: 2.0, 20: 3.0, 30: 3.5, 40: 4.0, 80: 6.0}
    assert {size: by_size(size, sizes, costs) for size in expected} == expected
    assert by_size(1, sizes, costs) == 0.0


def test_a_publisher_encodes_once_and_each_client_decodes():
    scenario, plain = talking(codec="json"), talking()
    for name, more in (("publisher_send", "codec_encode"), ("client_delivery", "codec_decode")):
        extra = cost(scenario, name) - cost(plain, name)
        bytes_more = PROFILE.curves(name, payload=len(payload("json", 64, 20)))[0](64) - PROFILE.curves(name)[0](64)
        assert extra == pytest.approx(CODEC_MICROSECONDS[more] / 1e6 + bytes_more, rel=1e-9)
    for name in ("publisher_answer", "node_receive", "node_fanout", "node_ack", "bus_command"):
        larger = PROFILE.curves(name, payload=shape_of(scenario).payload)[0](64)
        assert cost(scenario, name) == pytest.approx(larger)


def test_further_messages_of_a_batch_cost_what_further_ones_cost():
    batch = talking(codec="json").vary(publisher={"batch": {"count": 4, "window": 9.0}})
    costs = CodecCosts(PROFILE, batch, 0)
    (one, *_), (four, *_) = (costs.encoded("encode", 64, count) for count in (1, 4))
    assert four(64) - one(64) == pytest.approx(3 * CODEC_MICROSECONDS["codec_encode_more"] / 1e6)
    assert one(1, 1.0) == pytest.approx(CODEC_MICROSECONDS["codec_encode_lone"] / 1e6)
    assert shape_of(batch).count == 4.0
    assert shape_of(batch).payload == len(payload("json", 64, 17, 4))


def test_a_node_compresses_for_each_connection_and_each_client_decompresses():
    scenario, plain = (talking(nodes={"compression": one}).vary(publisher={"payload_bytes": 400}) for one in ({}, None))
    content = shape_of(scenario).content
    assert content == 425
    for name, more, size in (
        ("node_fanout", "deflate_kept", shape_of(scenario).sent),
        ("client_delivery_more", "inflate_kept", 400),
    ):
        bare = PROFILE.curves(name, payload=size)[0](64)
        assert cost(scenario, name) - bare == pytest.approx(DEFLATE_MICROSECONDS[more] / 1e6 * content / 192)
    fresh = scenario.vary(nodes={"compression": {"takeover": False}})
    smaller = PROFILE.curves("node_fanout", payload=shape_of(fresh).sent)[0](64)
    assert cost(fresh, "node_fanout") - smaller == pytest.approx(
        DEFLATE_MICROSECONDS["deflate_fresh"] / 1e6 * content / 192
    )
    assert cost(scenario, "balancer_delivery") < cost(plain, "balancer_delivery")
    assert cost(scenario, "publisher_send") == cost(plain, "publisher_send")
    lone = talking(nodes={"compression": {}})  # what is smaller than the smallest that was measured costs as much
    small_frame = cost(lone, "node_fanout") - cost(talking(), "node_fanout")
    assert small_frame == pytest.approx(DEFLATE_MICROSECONDS["deflate_kept"] / 1e6)


def test_a_node_compresses_for_all_before_it_writes_any():
    plain, scenario = (Machine(talking(nodes={"compression": one}), PROFILE, 0) for one in (None, {}))
    before, now = (machine.cost("node_fanout") for machine in (plain, scenario))
    at_once = before.first_part * before.seconds(64, 0.0, 0)
    later = before.seconds(64, 0.0, 0) - at_once
    assert (1 - now.first_part) * now.seconds(64, 0.0, 0) == pytest.approx(later)


def test_who_gets_a_large_compressed_message_pays_for_the_bytes_that_are_left():
    large = talking(codec="json").vary(publisher={"payload_bytes": 60_000})
    small_frames = large.vary(nodes={"compression": {}})
    shape = shape_of(small_frames)
    assert shape.sent < shape.payload / 2
    assert cost(small_frames, "balancer_delivery") < cost(large, "balancer_delivery")
    assert cost(small_frames, "bus_publish") == cost(large, "bus_publish")


def test_the_size_of_contexts_decides_between_those_that_were_measured():
    def with_cost(kind, seconds):
        known = PROFILE.of("deflate", kind)
        return known | {"deflate_kept": known["deflate_kept"].model_copy(update={"values": [[seconds]] * 3})}

    parts = {kind: with_cost(kind, 1e-6 * (i + 1)) for i, kind in enumerate(CONTEXTS)}
    profile = PROFILE.with_parts({"deflate": parts})

    def kept(window, level):
        scenario = talking(nodes={"compression": {"window_bits": window, "memory_level": level}})
        return CodecCosts(profile, scenario, 0).deflated("deflate", 192)[0](64)

    assert [kept(*context) for context in CONTEXTS.values()] == pytest.approx([1e-6, 2e-6, 3e-6])
    assert 2e-6 < kept(14, 6) < 3e-6


def test_a_profile_without_these_parts_takes_them_as_free_and_says_so():
    old, scenario = small_profile(), talking(codec="msgpack", nodes={"compression": {}})
    assert lacks(old, scenario)[-2:] == ["the codec msgpack", "compression"]
    assert not {"the codec msgpack", "compression"} & set(lacks(PROFILE, scenario))
    assert knows_deflate(PROFILE)
    assert not knows_deflate(old)
    assert cost(scenario, "publisher_send", old) == pytest.approx(
        old.curves("publisher_send", payload=shape_of(scenario).payload)[0](64)
    )
    assert cost_of("publisher_ack") == pytest.approx(cost(scenario, "publisher_ack", old))


def test_every_part_is_said_in_words():
    assert OF_CODECS["codec_encode_more"] == "codec: encode a further message of a batch"
    assert OF_CODECS["inflate_fresh_bytes"] == (
        "permessage-deflate: decompress what a larger frame costs more, with a new context"
    )
