"""A client that has a session: what it shows at a handshake, and what it makes of the answer."""

import base64
import re
import time
from typing import TYPE_CHECKING, Any

from websockets.http11 import Response

from twin.rules.session import Next, OnRefusal, after_refusal

if TYPE_CHECKING:
    from live.ports import Swarm

_REASON = re.compile(r'error_description="([a-z]+)"')


class ClientSession:
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

    def headers(self) -> dict[str, str]:
        """Return what to show: the token, or name and password."""
        if self.token:
            return {"Authorization": f"Bearer {self.token}"}
        basic = base64.b64encode(":".join(self.user).encode()).decode()
        return {"Authorization": f"Basic {basic}"}

    def admitted(self, response: Response, node: int) -> None:
        """Keep the token of a 101."""
        self.token, generation, how = response.headers["X-Session"].split()
        name = self.token.partition(".")[0]
        detail = name if int(generation) > 0 else f"{name} trusted"
        event = (time.monotonic(), f"session_{how}", self.number, node, -1, int(generation), detail)
        self.swarm.events.append(event)

    def refused(self, response: Response) -> Next:
        """Return what to do after a refusal by a node; one by the balancer says nothing about the session."""
        if "X-Node" not in response.headers:
            return "retry"
        then = after_refusal(response.status_code, bool(self.token), self.on_refusal)
        if self.token and then != "retry":
            node, name = int(response.headers["X-Node"]), self.token.partition(".")[0]
            challenge = _REASON.search(response.headers.get("WWW-Authenticate", ""))
            detail = f"{name} {challenge[1]}" if challenge is not None else name
            self.swarm.events.append((time.monotonic(), "session_lost", self.number, node, -1, -1, detail))
            self.token = ""
        return then


def join(swarm: "Swarm", config: dict[str, Any]) -> None:
    """Give each client of a swarm its side of the sessions."""
    for client in swarm.clients:
        client.member = ClientSession(swarm, client.number, config)
