"""The libraries make the bytes that the model counts, and read them back."""

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from live.codec.codecs import CODECS, Codec, codec_of
from twin.rules.chat import ChatLine, chat
from twin.rules.codecs import FIELDS, FORMATS, plain

KINDS = tuple(CODECS)
WORDS = st.text("abcdefgh ", max_size=40) | st.sampled_from(["x" * n for n in (31, 32, 255, 256, 65_535, 65_536)])
NUMBERS = st.integers(0, 2**53 - 1) | st.sampled_from([0, 127, 128, 255, 256, 65_535, 65_536, 2**32 - 1, 2**32])
CHATS = st.lists(st.builds(ChatLine, NUMBERS, WORDS, WORDS, NUMBERS, WORDS), max_size=20)


def read(codec: Codec, data: bytes) -> list[dict[str, Any]]:
    decoded = codec.decode(data)
    if isinstance(decoded, list):
        return decoded
    return [{name: getattr(one, name) for name in FIELDS} for one in decoded.chats]


@pytest.mark.parametrize("kind", KINDS)
@given(chats=CHATS)
def test_a_library_makes_the_bytes_of_the_rule_and_reads_them(kind: str, chats: list[ChatLine]) -> None:
    codec = CODECS[kind]()
    data = codec.encode(chats)
    assert data == FORMATS[kind](chats)
    assert read(codec, data) == [plain(one) for one in chats]
    assert codec.numbers(codec.decode(data)) == [one.number for one in chats]


@pytest.mark.parametrize("kind", KINDS)
def test_what_is_none_of_a_codec_is_a_value_error(kind: str) -> None:
    codec = CODECS[kind]()
    with pytest.raises(ValueError):
        codec.decode(codec.encode([chat(3, 20)])[:-1])


def test_every_codec_of_a_scenario_is_there_and_none_is_none() -> None:
    assert set(CODECS) == set(FORMATS)
    assert codec_of("none") is None
    assert isinstance(codec_of("msgpack"), CODECS["msgpack"])
