"""Memory and sizes of permessage-deflate."""

import zlib

import pytest
from hypothesis import given
from hypothesis import strategies as st

from twin.rules.codecs import payload
from twin.rules.deflate import DeflatedSizes, Deflater, DeflateSettings, alone, deflate_memory, inflate_memory


def test_the_memory_of_a_context_is_that_of_the_manual_of_zlib():
    assert deflate_memory(15, 8) == (128 + 128) * 1024
    assert deflate_memory(9, 1) == 2048 + 1024
    assert inflate_memory(15) == (32 + 7) * 1024
    assert DeflateSettings(12, 5, True).kept_bytes == 32 * 1024 + 11 * 1024
    assert DeflateSettings(12, 5, False).kept_bytes == 0


@given(st.lists(st.binary(max_size=300), min_size=1, max_size=6), st.integers(9, 15), st.integers(1, 9), st.booleans())
def test_what_is_sent_can_be_read_with_the_same_window(messages, window, level, takeover):
    deflater = Deflater(DeflateSettings(window, level, takeover))
    reader = zlib.decompressobj(wbits=-window)
    for data in messages:
        if not takeover:
            reader = zlib.decompressobj(wbits=-window)
        assert reader.decompress(deflater(data) + b"\x00\x00\xff\xff") == data


def test_the_example_of_the_rfc_has_its_bytes():
    # source: RFC 7692, 7.2.3.1 and 7.2.3.2: "Hello", and the same again with the context of the first
    deflater = Deflater(DeflateSettings(15, 8, True))
    assert deflater(b"Hello") == bytes.fromhex("f248cdc9c90700")
    assert deflater(b"Hello") == bytes.fromhex("f200110000")


def test_a_kept_context_finds_more_and_a_small_window_less():
    def sizes(window, takeover):
        found = DeflatedSizes(DeflateSettings(window, 8, takeover), lambda n: payload("json", 200, n))
        return [found(number) for number in range(1, 41)]

    kept, fresh, narrow = sizes(15, True), sizes(15, False), sizes(9, True)
    assert kept[0] == fresh[0] == alone(DeflateSettings(15, 8, False), payload("json", 200, 1))
    assert sum(kept[20:]) < sum(narrow[20:]) < sum(fresh[20:]) < 20 * len(payload("json", 200, 1))


def test_sizes_may_be_asked_for_in_any_order():
    settings = DeflateSettings(12, 5, True)
    forward, backward = (DeflatedSizes(settings, lambda n: payload("json", 64, n)) for _ in range(2))
    last = backward(9)
    assert [forward(number) for number in range(1, 10)] == [backward(number) for number in range(1, 10)]
    assert forward(9) == pytest.approx(last)
