"""What a broadcast costs: the parts of a host profile that `./lab calibrate` measures for it."""

from collections.abc import Sequence

from twin.costs.jetstream import role_of

SMALL_PAYLOAD = 64
"""Bytes of the payload with which the parts of a broadcast are measured."""

PAYLOADS = (65_536, 524_288)
"""Bytes of the payloads with which it is measured what a larger one costs more."""

BROADCAST_PARTS = {
    "publisher_send": "publisher: wake up at its time, and send a message to the bus",
    "publisher_answer": "publisher: read the bus's answer",
    "publisher_ack": "publisher: read one word of a node, and count it",
    "bus_stamp": "bus: stamp a message and answer, without those to whom it goes",
    "bus_publish": "bus: send a message to one subscriber or reader",
    "bus_command": "bus: read and answer a command that has nobody to go to",
    "bus_read": "bus: read and answer a question for what came after a position",
    "node_receive": "node: read one message that the bus has pushed",
    "node_poll": "node: ask for what follows its cursor, and take the answer apart, whatever it holds",
    "node_ack": "node: send one command to the bus",
    "node_answer": "node: read the bus's answer to a command",
    "node_fanout": "node: write one message to one client",
    "node_fanout_more": "node: one further message that is written together with another",
    "node_read": "node: read a frame of a client",
    "balancer_delivery": "balancer: relay a message from the node to the client",
    "balancer_delivery_more": "balancer: one further message that is relayed together with another",
    "client_delivery": "client: read a message and apply it",
    "client_delivery_more": "client: one further message that is read together with another",
    "client_send": "client: send a frame",
}

PAYLOAD_PARTS = {
    "publisher_send_bytes": "publisher: send a larger payload to the bus",
    "bus_stamp_bytes": "bus: read and keep a larger payload",
    "bus_publish_bytes": "bus: send a larger payload to one subscriber or reader",
    "node_receive_bytes": "node: read a larger payload from the bus",
    "node_fanout_bytes": "node: write a larger payload to one client",
    "balancer_delivery_bytes": "balancer: relay a larger payload",
    "client_delivery_bytes": "client: read a larger payload",
}
"""What a message costs more with each of `PAYLOADS` than with a small one."""

BROADCAST_PARTS |= PAYLOAD_PARTS

DISK_PARTS = {"bus_sync": "bus: write its log and have it on disk, once for all that it has read at a time"}
"""What a bus that persists does besides. A profile without it is a good one: the disk then costs nothing."""


def payload_part(name: str) -> str | None:
    """Return which of `PAYLOAD_PARTS` says what a larger payload costs more in a part, None if it carries none.

    Of a bus that is not Valkey it is taken to cost as much more.
    """
    larger = role_of(name).removesuffix("_more") + "_bytes"
    return larger if larger in PAYLOAD_PARTS else None


def of_payload(size: int, more: Sequence[float]) -> float:
    """Return what a message with a payload of `size` bytes costs more than a small one, in seconds.

    Between the sizes that were measured, and beyond them, the cost goes with the bytes: it is copied.

    Args:
        size: bytes of the payload.
        more: seconds that each of `PAYLOADS` costs more.
    """
    known = [(SMALL_PAYLOAD, 0.0), *zip(PAYLOADS, more, strict=True)]
    beyond = 1
    while beyond < len(known) - 1 and known[beyond][0] < size:
        beyond += 1
    (low, cost), (high, dear) = known[beyond - 1], known[beyond]
    return max(0.0, cost + (dear - cost) * (size - low) / (high - low))
