import base64

import pytest
from hypothesis import given
from hypothesis import strategies as st
from websockets.client import ClientProtocol
from websockets.datastructures import Headers
from websockets.server import ServerProtocol
from websockets.uri import parse_uri

from twin.rules.handshake import (
    END,
    MOST_HEAD,
    Head,
    accept_value,
    answer_of,
    cut_at,
    is_answer_to,
    is_key,
    new_key,
    read_head,
    refusal_of,
    request_of,
)

KEY = "dGhlIHNhbXBsZSBub25jZQ=="
"""Of the RFC's example, section 1.3."""


def asked(change=("", ""), **options):
    """The head of the example's request, with one text replaced by another."""
    data = request_of("server.example.com", "/chat", KEY, **options).decode().replace(*change).encode()
    return read_head(data)[0]


def test_the_key_of_the_rfc_gives_the_accept_value_of_the_rfc():
    assert new_key(b"the sample nonce") == KEY
    assert accept_value(KEY) == "s3pPLMBiTxaQ9kYGzzhZRbK+xOo="


def test_request_and_answer_byte_by_byte():
    assert request_of("server.example.com", "/chat", KEY, "http://example.com") == (
        b"GET /chat HTTP/1.1\r\n"
        b"Host: server.example.com\r\n"
        b"Origin: http://example.com\r\n"
        b"Upgrade: websocket\r\n"
        b"Connection: Upgrade\r\n"
        b"Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n"
        b"Sec-WebSocket-Version: 13\r\n"
        b"\r\n"
    )
    assert answer_of(KEY) == (
        b"HTTP/1.1 101 Switching Protocols\r\n"
        b"Upgrade: websocket\r\n"
        b"Connection: Upgrade\r\n"
        b"Sec-WebSocket-Accept: s3pPLMBiTxaQ9kYGzzhZRbK+xOo=\r\n"
        b"\r\n"
    )


@given(st.binary(min_size=16, max_size=16))
def test_a_server_of_websockets_lets_in_who_asks_like_this_and_says_the_same(nonce):
    key = new_key(nonce)
    server = ServerProtocol()
    server.receive_data(request_of("localhost", "/", key))
    (request,) = server.events_received()
    response = server.accept(request)
    assert response.status_code == 101
    assert response.headers["Sec-WebSocket-Accept"] == accept_value(key)


def test_who_asks_as_websockets_does_is_let_in_and_takes_the_answer():
    client = ClientProtocol(parse_uri("ws://localhost:8000/chat"))
    client.send_request(client.connect())
    head, rest = read_head(b"".join(client.data_to_send()))
    assert rest == b""
    assert refusal_of(head, origins=(None,)) is None
    client.receive_data(answer_of(head.headers["sec-websocket-key"]))
    assert client.handshake_exc is None
    (response,) = client.events_received()
    assert isinstance(response.headers, Headers)


@pytest.mark.parametrize(
    ("change", "status", "says"),
    [
        (("GET", "POST"), 405, "'POST'"),
        (("HTTP/1.1", "HTTP/1.0"), 400, "'HTTP/1.0'"),
        (("Host: server.example.com\r\n", ""), 400, "Host"),
        (("Upgrade: websocket\r\n", ""), 426, "Upgrade"),
        (("Upgrade: websocket", "Upgrade: h2c"), 426, "Upgrade"),
        (("Connection: Upgrade", "Connection: keep-alive"), 426, "Connection"),
        (("Version: 13", "Version: 8"), 426, "'8'"),
        (("Sec-WebSocket-Version: 13\r\n", ""), 426, "''"),
        ((KEY, "dGhlIHNhbXBsZQ=="), 400, "dGhlIHNhbXBsZQ=="),
        ((KEY, "no Base64, but 24 bytes."), 400, "no Base64"),
        ((f"Sec-WebSocket-Key: {KEY}\r\n", ""), 400, "''"),
    ],
)
def test_what_a_server_must_refuse(change, status, says):
    refusal = refusal_of(asked(change))
    assert (refusal.status, says in refusal.why) == (status, True)


def test_who_speaks_another_version_is_told_which_one_is_spoken():
    assert refusal_of(asked(("Version: 13", "Version: 8"))).headers == (("Sec-WebSocket-Version", "13"),)
    assert dict(refusal_of(asked(("Upgrade: websocket\r\n", ""))).headers)["Upgrade"] == "websocket"


def test_a_page_of_another_site_is_not_let_in():
    foreign = asked(origin="https://evil.example")
    assert refusal_of(foreign) is None
    assert refusal_of(foreign, origins=("https://example.com",)).status == 403
    assert refusal_of(asked(origin="https://example.com"), origins=("https://example.com",)) is None
    assert refusal_of(asked(), origins=("https://example.com",)).status == 403
    assert refusal_of(asked(), origins=(None, "https://example.com")) is None


def test_names_and_tokens_may_be_written_in_any_case_and_among_others():
    assert refusal_of(asked(("Connection: Upgrade", "CONNECTION: keep-alive, uPGRADE"))) is None
    assert refusal_of(asked(("Upgrade: websocket", "upgrade: WebSocket"))) is None


def test_an_answer_to_another_key_opens_nothing():
    head, rest = read_head(answer_of(KEY) + b"\x81\x05Hello")
    assert rest == b"\x81\x05Hello"
    assert is_answer_to(head, KEY)
    assert not is_answer_to(head, new_key(bytes(16)))
    assert not is_answer_to(Head("HTTP/1.1 200 OK", head.headers), KEY)
    assert not is_answer_to(Head(head.line, {**head.headers, "upgrade": "h2c"}), KEY)
    assert not is_answer_to(Head(head.line, {**head.headers, "connection": "close"}), KEY)


def test_a_head_is_read_when_its_end_is_there():
    whole = request_of("h", "/", KEY)
    assert [read_head(whole[:cut]) for cut in (0, 10, len(whole) - 1)] == [None] * 3
    assert read_head(b"GET / HTTP/1.1\r\nA: 1\r\na:2\r\n\r\n")[0].headers == {"a": "1, 2"}


@pytest.mark.parametrize(
    ("data", "says"),
    [
        (b"x" * (MOST_HEAD + 1), "more than 8192"),
        (b"GET / HTTP/1.1\r\nno colon" + END, "'no colon'"),
        (b"GET / HTTP/1.1\r\n folded: x" + END, "folded"),
        ("GET /ä HTTP/1.1".encode() + END, "ASCII"),
    ],
)
def test_what_is_no_head_is_told_in_a_sentence(data, says):
    with pytest.raises(ValueError, match=says):
        read_head(data)
    with pytest.raises(ValueError, match="16"):
        new_key(b"short")


@given(st.text(max_size=40))
def test_a_key_is_the_base64_of_sixteen_bytes(text):
    try:
        expected = len(base64.b64decode(text, validate=True)) == 16
    except ValueError:
        expected = False
    assert is_key(text) == expected


def test_only_a_deadline_ends_who_sends_a_byte_now_and_then():
    drip = [(float(second), 1) for second in range(1, 1000)]
    assert cut_at(drip, 200, deadline=10.0) == 10.0
    assert cut_at(drip, 200, deadline=0.0, idle=5.0) is None
    assert cut_at(drip, 200, deadline=250.0, idle=5.0) is None
    assert cut_at([], 200, deadline=10.0, idle=5.0) == 5.0
    assert cut_at([(1.0, 100)], 200, deadline=10.0, idle=5.0) == 6.0
    assert cut_at([(1.0, 100), (7.0, 100)], 200, deadline=10.0, idle=5.0) == 6.0
    assert cut_at([(1.0, 100), (5.0, 100)], 200, deadline=10.0, idle=5.0) is None
    assert cut_at([(1.0, 100)], 200, deadline=0.0) is None
