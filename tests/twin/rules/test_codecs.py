"""What codecs make of messages, byte by byte; `tests/live/codec/test_codecs.py` holds it to the libraries."""

import json

import pytest

from twin.rules.chat import ChatLine
from twin.rules.codecs import FORMATS, as_json, as_msgpack, as_protobuf, filling, payload

ONE = ChatLine(300, "a", "bc", 5, "hi")


def test_json_is_an_array_of_objects_without_white_space():
    assert as_json([ONE]) == b'[{"number":300,"room":"a","sender":"bc","sent":5,"text":"hi"}]'
    assert [one["number"] for one in json.loads(as_json([ONE, ONE]))] == [300, 300]


def test_messagepack_says_types_and_lengths_in_one_byte_where_they_are_small():
    expected = b"\x91\x85" + b"\xa6number\xcd\x01\x2c" + b"\xa4room\xa1a" + b"\xa6sender\xa2bc" + b"\xa4sent\x05"
    assert as_msgpack([ONE]) == expected + b"\xa4text\xa2hi"


def test_protocol_buffers_number_fields_and_leave_the_defaults_out():
    # source of the varint: 300 is AC 02 (protobuf.dev, "Encoding", base 128 varints: 150 is 96 01)
    fields = b"\x08\xac\x02" + b"\x12\x01a" + b"\x1a\x02bc" + b"\x20\x05" + b"\x2a\x02hi"
    assert as_protobuf([ONE]) == b"\x0a" + bytes([len(fields)]) + fields
    assert as_protobuf([ChatLine(150, "", "", 0, "")]) == b"\x0a\x03\x08\x96\x01"
    assert as_protobuf([ChatLine(0, "", "", 0, "")]) == b"\x0a\x00"


def test_names_of_fields_are_what_protocol_buffers_save():
    sizes = {kind: len(payload(kind, 64, 1)) for kind in FORMATS}
    assert sizes["protobuf"] < sizes["msgpack"] < sizes["json"] == sizes["orjson"]


@pytest.mark.parametrize("codec", FORMATS)
def test_a_batch_of_a_codec_holds_as_many_messages_in_their_order(codec):
    together = len(payload(codec, 64, 1, 10))
    assert together == pytest.approx(sum(len(payload(codec, 64, number)) for number in range(1, 11)), rel=0.02)
    assert payload(codec, 64, 1, 2) != payload(codec, 64, 2, 2)


def test_without_a_codec_messages_are_a_filling():
    assert payload("none", 300, 7) == filling(300)
    assert payload("none", 300, 7, 3) == filling(900)
    assert filling(260)[250:253] == b"\xfa\x00\x01"
    assert len(set(filling(251))) == 251
