"""A client that has a session: what it shows at a handshake, and what it makes of the answer."""

import base64
import re
import time
from typing import TYPE_CHECKING, Any

from websockets.asyncio.client import ClientConnection
from websockets.http11 import Response

from live.client.part import ClientPart, Next
from twin.rules.session import OnRefusal, after_refusal

if TYPE_CHECKING:
    from live.ports import Swarm

_REASON = re.compile(r'error_description="([a-z]+)"')


class ClientSession(ClientPart):
    """One client's session over all its connections.

    Args:
        swarm: with the list of events.
        number: of the client.
        config: of the lab: passwords by user's name, on_refusal.
    """

    def __init__(self, swarm: "Swarm", number: int, config: dict[str, Any]) -> None:
        self.swarm = swarm
        self.number = number
        users = list(config["passwords"].items())
        self.user: tuple[str, str] = users[number % len(users)]
        self.on_refusal: OnRefusal = config["on_refusal"]
        self.token = ""

    def before_connect(self, headers: dict[str, str]) -> None:
        """Show the token, or name and password."""
        if self.token:
            headers["Authorization"] = f"Bearer {self.token}"
        else:
            basic = base64.b64encode(":".join(self.user).encode()).decode()
            headers["Authorization"] = f"Basic {basic}"

    def connected(self, connection: ClientConnection, node: int) -> None:
        """Keep the token of a 101."""
        assert connection.response is not None
        self.token, generation, how = connection.response.headers["X-Session"].split()
        name = self.token.partition(".")[0]
        own = (name,) if how == "started" else (name, int(generation) <= 0)
        self.swarm.events.append((time.monotonic(), f"session_{how}", self.number, node, -1, int(generation), own))

    def refused(self, response: Response) -> Next:
        """Decide after a refusal by a node: log in at once, say; one by the balancer says nothing about the session."""
        if "X-Node" not in response.headers:
            return "retry"
        then = after_refusal(response.status_code, bool(self.token), self.on_refusal)
        if self.token and then != "retry":
            node, name = int(response.headers["X-Node"]), self.token.partition(".")[0]
            challenge = _REASON.search(response.headers.get("WWW-Authenticate", ""))
            own = (name, challenge[1] if challenge is not None else "")
            self.swarm.events.append((time.monotonic(), "session_lost", self.number, node, -1, -1, own))
            self.token = ""
        return "at once" if then == "login" else then


def attach(swarm: "Swarm", config: dict[str, Any]) -> None:
    """Give each client of a swarm its side of the sessions."""
    swarm.equip(lambda client: ClientSession(swarm, client.number, config["sessions"]))
