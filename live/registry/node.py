"""A node's part of the registry: it registers once it listens, and leaves before it drains."""

import asyncio
from typing import TYPE_CHECKING, Any

from live.control.messages import on
from live.node.base import FENCED, Node
from live.node.drain import close_oldest
from live.node.part import NodePart
from live.registry.messages import SignAt

if TYPE_CHECKING:
    from live.registry.member import Membership


class Registered(NodePart):
    """A node's place in the registry.

    Args:
        node: which one.
        settings: of `live.registry.member.Membership`.
    """

    member: "Membership"
    signs: "asyncio.Task[None]"

    def __init__(self, node: Node, settings: dict[str, Any]) -> None:
        self.node = node
        self.settings = settings
        self.has_left = False
        self.orders = on(SignAt, lambda order: self.member.on_grid(order.at))

    def listening(self) -> None:
        """Load what a member needs, which is no part of the node's start, and register."""
        from live.broadcast.link import keep_alive
        from live.registry.member import Membership

        server = self.node.server
        self.member = Membership(
            self.node.number,
            self.settings,
            lambda: len(server.connections),
            lambda count, pace: close_oldest(server, count, pace),
            self._fenced,
        )
        self.signs = keep_alive(self.member.keep())

    async def leaving(self) -> None:
        """Give the slot up."""
        self.has_left = True
        self.signs.cancel()
        await self.member.leave()

    def ended(self) -> None:
        """So does a node that is told to end at once; it does not wait for an answer."""
        if not self.has_left and hasattr(self, "member"):
            self.signs.cancel()
            self.member.give_up()

    def _fenced(self) -> None:
        self.node.status = FENCED
        self.node.order(self.node.drain_and_end(0.0, 0.0))


def attach(node: Node, config: dict[str, Any]) -> None:
    """Add it to a node."""
    node.add(Registered(node, config["registry"]))
