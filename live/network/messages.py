"""What the lab orders a link to do, and what a link is told first."""

from live.control.messages import ControlMessage, Struct


class LinkSettings(Struct):
    """The settings of a link.

    Attributes:
        port: where it listens, on loopback.
        host, to_port: where the node does.
    """

    port: int
    host: str
    to_port: int


class Drop(ControlMessage):
    """An order: let nothing pass (`on`), or let it pass again."""

    on: bool
