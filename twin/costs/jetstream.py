"""What a broadcast over a NATS server costs: the parts of a host profile that `./lab calibrate` measures where the
server is installed, and that a profile need not know.
"""

from twin.scenario.buses import BusKind

JETSTREAM_PARTS = {
    "bus_jetstream_stamp": "bus: keep a message in the stream and acknowledge it (NATS), without those to whom it goes",
    "bus_jetstream_publish": "bus: deliver a message of the stream to one consumer (NATS)",
    "bus_jetstream_word": "bus: pass a node's word on to the publisher (NATS)",
    "bus_jetstream_command": "bus: read a word of a node, or a message that is sent again (NATS)",
    "bus_jetstream_ack": "bus: read a node's acknowledgement of a message of the stream (NATS)",
    "bus_jetstream_read": "bus: answer a question for what came after a position (NATS)",
    "bus_jetstream_replicate": "bus: what a message costs the leader of a stream with two followers more (NATS)",
    "bus_jetstream_follow": "bus: keep a message as a follower (NATS)",
    "publisher_jetstream_send": "publisher: wake up at its time, and send a message to the stream",
    "publisher_jetstream_answer": "publisher: read the stream's acknowledgement",
    "publisher_jetstream_ack": "publisher: read one word of a node from a NATS server, and count it",
    "node_jetstream_receive": "node: read one message that the consumer has delivered",
    "node_jetstream_ack": "node: send one word or acknowledgement to a NATS server",
    "node_jetstream_answer": "node: read what tells that the server has read that",
}

_OF_JETSTREAM = {name.replace("_jetstream", ""): name for name in JETSTREAM_PARTS}

OVER: dict[BusKind, dict[str, str]] = {"jetstream": _OF_JETSTREAM}
"""Kind of bus -> part of a broadcast over Valkey -> the part that stands in its place."""


def role_of(name: str) -> str:
    """Return the part over Valkey in whose place a part stands; its own name if it stands for itself."""
    return name.replace("_jetstream", "")
