import os

import pytest
from hypothesis import given
from hypothesis import strategies as st
from websockets.frames import Frame, Opcode

from twin.rules.frames import frame_bytes
from twin.rules.wire_frames import (
    BINARY,
    CLOSE,
    CONTINUATION,
    INVALID_DATA,
    PING,
    PONG,
    PROTOCOL_ERROR,
    TEXT,
    TOO_BIG,
    FrameError,
    MessageAssembler,
    WireFrame,
    decode_frame,
    encode_frame,
    fragments,
    masked,
)

KEY = bytes.fromhex("37fa213d")


@pytest.mark.parametrize(
    ("wire", "frame", "key"),
    [
        ("810548656c6c6f", WireFrame(TEXT, b"Hello"), b""),
        ("818537fa213d7f9f4d5158", WireFrame(TEXT, b"Hello", masked=True), KEY),
        ("010348656c", WireFrame(TEXT, b"Hel", fin=False), b""),
        ("80026c6f", WireFrame(CONTINUATION, b"lo"), b""),
        ("890548656c6c6f", WireFrame(PING, b"Hello"), b""),
        ("8a8537fa213d7f9f4d5158", WireFrame(PONG, b"Hello", masked=True), KEY),
        ("827e0100" + "ab" * 256, WireFrame(BINARY, b"\xab" * 256), b""),
        ("827f0000000000010000" + "cd" * 65_536, WireFrame(BINARY, b"\xcd" * 65_536), b""),
    ],
)
def test_the_examples_of_the_rfc_byte_by_byte(wire, frame, key):
    data = bytes.fromhex(wire)
    assert encode_frame(frame, key) == data
    assert decode_frame(data + b"next") == (frame, b"next")


@given(st.sampled_from([TEXT, BINARY, CONTINUATION]), st.integers(0, 70_000), st.booleans(), st.booleans())
def test_websockets_writes_the_same_bytes(opcode, size, fin, has_mask):
    payload = os.urandom(size)
    ours = WireFrame(opcode, payload, fin, has_mask)
    theirs = Frame(Opcode(opcode), payload, fin).serialize(mask=has_mask, extensions=[])
    read, rest = decode_frame(theirs)
    assert (read, rest) == (ours, b"")
    at = len(theirs) - size - 4
    assert encode_frame(ours, theirs[at : at + 4] if has_mask else b"") == theirs
    assert len(encode_frame(ours)) == frame_bytes(size)


@given(st.binary(max_size=300), st.binary(min_size=4, max_size=4))
def test_a_mask_taken_twice_is_none(payload, key):
    assert masked(masked(payload, key), key) == payload
    assert masked(payload, bytes(4)) == payload


def test_a_mask_has_four_bytes():
    with pytest.raises(ValueError, match="3 bytes"):
        masked(b"x", b"abc")


@given(st.binary(max_size=400), st.integers(0, 420))
def test_a_frame_is_read_when_all_of_it_is_there(payload, cut):
    data = encode_frame(WireFrame(BINARY, payload), KEY)
    found = decode_frame(data[:cut])
    assert (found is None) == (cut < len(data))


@pytest.mark.parametrize(
    ("wire", "code", "says"),
    [
        ("c100", PROTOCOL_ERROR, "reserved"),
        ("9100", PROTOCOL_ERROR, "reserved"),
        ("8300", PROTOCOL_ERROR, "0x3"),
        ("8b00", PROTOCOL_ERROR, "0xb"),
        ("0900", PROTOCOL_ERROR, "control"),
        ("897e0080", PROTOCOL_ERROR, "control"),
        ("827e007d", PROTOCOL_ERROR, "shortest"),
        ("827f000000000000ffff", PROTOCOL_ERROR, "shortest"),
        ("827fffffffffffffffff", PROTOCOL_ERROR, "shortest"),
        ("827f0000000000100001", TOO_BIG, "1048577"),
    ],
)
def test_what_is_no_frame_is_refused_as_soon_as_its_head_tells(wire, code, says):
    with pytest.raises(FrameError, match=says) as error:
        decode_frame(bytes.fromhex(wire))
    assert error.value.code == code


def together(frames, from_client=False, most=1000):
    assembler = MessageAssembler(from_client, most)
    return [whole for frame in frames if (whole := assembler.take(frame)) is not None]


@given(st.binary(max_size=60), st.integers(1, 20), st.integers(0, 5))
def test_fragments_make_the_message_whatever_control_frames_come_between(payload, size, place):
    frames = fragments(payload, BINARY, size)
    assert [frame.opcode for frame in frames] == [BINARY] + [CONTINUATION] * (len(frames) - 1)
    assert all(len(frame.payload) <= size for frame in frames)
    frames.insert(min(place, len(frames)), WireFrame(PING, b"?"))
    assert together(frames) == [payload]


def test_a_text_may_be_cut_within_a_character():
    word = "über"
    assert together(fragments(word.encode(), TEXT, 1)) == [word]


@pytest.mark.parametrize(
    ("frames", "from_client", "code", "says"),
    [
        ([WireFrame(TEXT, b"x")], True, PROTOCOL_ERROR, "a client's frame is masked, and this one is not"),
        ([WireFrame(TEXT, b"x", masked=True)], False, PROTOCOL_ERROR, "a server's frame is not masked, and this one"),
        ([WireFrame(CLOSE)], True, PROTOCOL_ERROR, "masked"),
        ([WireFrame(CONTINUATION, b"x")], False, PROTOCOL_ERROR, "no first fragment"),
        ([WireFrame(TEXT, b"x", fin=False), WireFrame(TEXT, b"y")], False, PROTOCOL_ERROR, "before"),
        ([WireFrame(TEXT, b"\xff")], False, INVALID_DATA, "UTF-8"),
        (fragments(bytes(1001), BINARY, 500), False, TOO_BIG, "1000"),
    ],
)
def test_frames_that_make_no_message_are_refused(frames, from_client, code, says):
    with pytest.raises(FrameError, match=says) as error:
        together(frames, from_client)
    assert error.value.code == code


def test_a_message_of_just_the_limit_is_taken():
    assert together(fragments(bytes(1000), BINARY, 300)) == [bytes(1000)]
