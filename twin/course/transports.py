"""What the lab notebook on transports computes and checks, so that it holds no logic itself.

Nothing here knows a world: what has to be simulated is done by a function that the notebook passes.
"""

from collections.abc import Mapping, Sequence

import numpy as np
import pandas as pd

from twin.course.explanations import Journey, Shows
from twin.course.extremes import Extreme
from twin.measures import measure_record
from twin.measures.base import Array
from twin.measures.messages import Messages
from twin.record.record import Record
from twin.rules.frames import message_frame
from twin.rules.handshake import HandshakeRefusal, cut_at, new_key, read_head, refusal_of, request_of
from twin.rules.poll_wire import exchange_bytes
from twin.rules.polling import Transport, polls_per_second
from twin.rules.wire_frames import TEXT, WireFrame, encode_frame, fragments
from twin.scenario.scenario import Scenario

NAMES = {"WebSocket": "transport-websocket", "long poll": "transport-long-poll", "poll": "transport-poll"}
"""The transports that the lab sets side by side, and their scenarios."""
COSTS = (
    *("requests_per_second", "empty_share", "messages_per_answer", "bytes_per_delivery"),
    *("node_cpu_per_delivery", "balancer_cpu_per_delivery", "client_cpu_per_delivery"),
    *("latency_p50", "latency_p90", "latency_p99"),
)
"""Measures of the lab's tables, where a transport has them."""
AGE_LIMIT = 0.5
"""Seconds that `latency_p90` must stay below."""
BYTES_LIMIT = 120.0
"""Bytes a delivery that the harder question allows."""
FAST = 5.0
"""Messages a second in the harder question."""
NEARLY = 0.95
"""Share of an interval from which on a message is nearly a whole one old."""


def delivery_waits(record: Record) -> Array:
    """Return how old each message was when a client applied it, in seconds, in order of the ages."""
    return np.sort(Messages(record).latency)


def polls_of(record: Record, client: int) -> pd.DataFrame:
    """Return the answers that a client that polls got in the run: when, from which node, messages and bytes."""
    polled = record.select("polled")
    mine = polled[(polled["client"] == client) & (polled["t"] >= 0)]
    return mine[["t", "node", "messages", "size"]].reset_index(drop=True)


def failures(record: Record) -> dict[str, int]:
    """Return how often a request of a client that polls failed in the run, by what the client saw."""
    table = record.select("disconnected", "connect_failed")
    seen = table[table["t"] >= 0]["detail"].astype(str).value_counts().sort_index()
    return {str(word): int(count) for word, count in seen.items()}


def costs_table(records: Mapping[str, Record], names: Sequence[str] = COSTS) -> pd.DataFrame:
    """Return some measures of records, one row a measure, one column a record; NaN where one has it not."""
    found = {name: measure_record(record) for name, record in records.items()}
    return pd.DataFrame({name: [of.get(one, np.nan) for one in names] for name, of in found.items()}, index=list(names))


def bytes_by_hand(payload: int, messages: Sequence[int] = (0, 1, 2, 10)) -> pd.DataFrame:
    """Return what goes over a client's connection for so many messages that come together.

    Args:
        payload: bytes of a message.
        messages: how many, one row each.

    Returns:
        Bytes of one request and its answer, those a message, and those of frames of a WebSocket a message.
    """
    rows = {}
    for count in messages:
        whole = exchange_bytes(True, [payload] * count)
        each = whole / count if count else np.nan
        rows[count] = {"request and answer (B)": whole, "a message (B)": each, "WebSocket (B)": message_frame(payload)}
    return pd.DataFrame.from_dict(rows, orient="index").rename_axis("messages")


def traffic(
    transport: Transport, rates: Array, interval: float, hold: float, clients: int, payload: int
) -> tuple[Array, Array]:
    """Return requests a second and bytes a second of all clients at each rate of messages, where nothing takes time.

    Args:
        transport: how messages come.
        rates: messages a second.
        interval: seconds between two polls.
        hold: seconds for which a long poll waits.
        clients: how many.
        payload: bytes of a message.
    """
    requests = np.array([clients * polls_per_second(transport, interval, hold, rate) for rate in rates])
    if transport == "websocket":
        return requests, clients * rates * message_frame(payload)
    empty = exchange_bytes(True, [])
    each = exchange_bytes(True, [payload]) - empty
    return requests, requests * empty + clients * rates * each


def break_even(interval: float) -> float:
    """Return the messages a second from which on long polls are more requests than polls at an interval in seconds."""
    return 1.0 / interval


def nearly_missed(record: Record) -> Shows:
    """Return a mechanism: a client asks just before each message, or each second one, comes, so that it is nearly an
    interval old in the next answer.
    """
    published = record.select("published")
    when = dict(zip(published["version"].astype(int), published["t"], strict=True))
    interval = record.scenario.clients.transport.interval

    def shows(journey: Journey) -> tuple[bool, str]:
        mine = journey.events[(journey.events["event"] == "delivered") & (journey.events["t"] >= interval)]
        late = np.array([t - when[int(v)] for t, v in zip(mine["t"], mine["version"], strict=True) if int(v) in when])
        if not len(late):
            return False, "has got no message"
        oldest = float(np.quantile(late, 0.9))
        return oldest >= NEARLY * interval, f"gets one message in ten when it is {oldest:.2f} s old or older"

    return shows


def gentlest(lab: Scenario) -> Extreme:
    """Return the lab's question: how rarely may clients poll so that nine of ten messages are young enough?

    Args:
        lab: the scenario in which clients poll.
    """
    return Extreme(
        scenario=lab,
        setting="clients.transport.interval in s",
        varied=lambda interval: lab.vary(clients={"transport": {"interval": interval}}),
        measure="latency_p90",
        bound=AGE_LIMIT,
        least=0.05,
        most_allowed=5.0,
        interval="range",
        hint="A message waits for the next poll, for any part of an interval: which part do nine of ten stay below?",
    )


def harder(lab: Scenario) -> Extreme:
    """Return the harder question: how often may clients poll so that a delivery costs few bytes, at more messages?

    Args:
        lab: the scenario in which clients poll.
    """
    other = lab.vary(publisher={"rate": FAST})
    return Extreme(
        scenario=other,
        setting="clients.transport.interval in s",
        varied=lambda interval: other.vary(clients={"transport": {"interval": interval}}),
        measure="bytes_per_delivery",
        bound=BYTES_LIMIT,
        least=0.05,
        most_allowed=5.0,
        largest=False,
        interval="range",
        hint="All messages of an answer share its head and that of the request. How many must there be?",
        lab=lab,
    )


KEY = new_key(b"the sample nonce")
"""The key of the example in RFC 6455, section 1.3."""
REQUEST = request_of("server.example.com", "/chat", KEY, origin="http://example.com")


def refusals_table() -> pd.DataFrame:
    """Return what a server says to the request of the example and to others, each with one thing changed."""
    changes = {
        "as it is": (b"", b""),
        "another method": (b"GET", b"POST"),
        "HTTP/1.0": (b"HTTP/1.1", b"HTTP/1.0"),
        "no upgrade": (b"Upgrade: websocket\r\n", b""),
        "an old version": (b"Version: 13", b"Version: 8"),
        "a short key": (KEY.encode(), b"c2hvcnQ="),
        "a page of another site": (b"http://example.com", b"http://evil.example"),
    }
    rows = {}
    for name, (old, new) in changes.items():
        read = read_head(REQUEST.replace(old, new, 1))
        assert read is not None
        refusal = refusal_of(read[0], ["http://example.com"]) or HandshakeRefusal(101, "")
        said = ", ".join(f"{header}: {value}" for header, value in refusal.headers)
        rows[name] = {"answer": refusal.status, "why": refusal.why, "besides": said}
    return pd.DataFrame.from_dict(rows, orient="index")


def frames_table(text: str = "Hello", key: bytes = bytes.fromhex("37fa213d")) -> pd.DataFrame:
    """Return the bytes of a text as frames: of a server, of a client, which masks it, and in two fragments.

    Args:
        text: what is sent; with the key it is that of RFC 6455, section 5.7.
        key: of the mask.
    """
    payload = text.encode()
    first, second = fragments(payload, TEXT, -(-len(payload) // 2))
    shown = {
        "from a server": encode_frame(WireFrame(TEXT, payload)),
        "from a client, masked": encode_frame(WireFrame(TEXT, payload), key),
        "first fragment": encode_frame(first),
        "last fragment": encode_frame(second),
    }
    rows = {name: {"bytes": len(data), "hexadecimal": data.hex(" ")} for name, data in shown.items()}
    return pd.DataFrame.from_dict(rows, orient="index")


def slow_table(pause: float = 4.0, deadline: float = 10.0, idle: float = 5.0) -> pd.DataFrame:
    """Return when a server cuts a client that sends one byte of its request every `pause` seconds, with no limit, with
    one for the pause between two bytes, and with one for the whole; the seconds of the three are arguments.
    """
    arrivals = [(pause * k, 1) for k in range(1, len(REQUEST) + 1)]
    rules = {
        "no limit": cut_at(arrivals, len(REQUEST), 0.0),
        f"{idle:g} s between two bytes": cut_at(arrivals, len(REQUEST), 0.0, idle),
        f"{deadline:g} s for the whole": cut_at(arrivals, len(REQUEST), deadline),
    }
    ends = pause * len(REQUEST)
    rows = {name: {"holds the connection for (s)": ends if cut is None else cut} for name, cut in rules.items()}
    return pd.DataFrame.from_dict(rows, orient="index")
