import pytest
from hypothesis import given
from hypothesis import strategies as st

from twin.rules.frames import answer_body
from twin.rules.poll_wire import answer_head, exchange_bytes, position_of, request_head, target_of

positions = st.tuples(st.integers(0, 2**63), st.integers(0, 2**63))


@given(positions, st.booleans())
def test_a_target_says_where_its_client_is_and_always_has_the_same_length(position, waits):
    target = target_of(position, waits)
    assert position_of(target.partition("&after=")[2]) == position
    assert len(target) == len(target_of((0, 0), not waits))


def test_request_and_answer_byte_by_byte():
    assert request_head(target_of((255, 16), waits=True), "127.0.0.1:12345") == (
        b"GET /messages?wait=1&after=00000000000000ff0000000000000010 HTTP/1.1\r\nHost: 127.0.0.1:12345\r\n\r\n"
    )
    assert target_of(None, waits=False) == "/messages?wait=0"
    assert answer_head(3, 22, "Sun, 06 Nov 1994 08:49:37 GMT") == (
        b"HTTP/1.1 200 OK\r\nX-Node: 3\r\nServer: stormlab\r\nContent-Type: application/octet-stream\r\n"
        b"Content-Length: 22\r\nDate: Sun, 06 Nov 1994 08:49:37 GMT\r\n\r\n"
    )
    assert len(answer_head(3, 22)) == len(answer_head(3, 22, "Sun, 06 Nov 1994 08:49:37 GMT"))


@pytest.mark.parametrize("text", ["", "00", "g" * 32, "+" + "0" * 31, "0" * 33, " " * 32, "0x" + "0" * 30])
def test_what_says_no_position_is_refused(text):
    with pytest.raises(ValueError):
        position_of(text)


def test_an_exchange_is_request_answer_and_messages():
    empty = exchange_bytes(True, [])
    assert empty == len(request_head(target_of((1, 1), waits=True))) + len(answer_head(1, 22)) + 22
    assert exchange_bytes(True, [64, 64]) - empty == answer_body([64, 64]) - answer_body([]) + 1  # one digit more
    assert empty - exchange_bytes(False, []) == len("&after=") + 32
    assert exchange_bytes(True, [], node=10) == empty + 1
