"""What a client makes of an HTTP status other than 101, whoever has answered."""

from typing import TYPE_CHECKING, Any

from websockets.http11 import Response

from live.client.part import ClientPart, Next
from twin.rules.refusal import after_answer, seconds_of

if TYPE_CHECKING:
    from live.ports import Swarm


class AfterRefusal(ClientPart):
    """Stops after some statuses, and waits as long as it is asked to.

    Args:
        fatal: the statuses.
        honours: whether it waits as long as a `Retry-After` asks for.
    """

    def __init__(self, fatal: list[int], honours: bool) -> None:
        self.fatal = fatal
        self.honours = honours

    def refused(self, response: Response) -> Next | None:
        """Say what follows an answer."""
        asked = seconds_of(response.headers.get("Retry-After"))
        return after_answer(response.status_code, asked, self.fatal, self.honours)


def attach(swarm: "Swarm", config: dict[str, Any]) -> None:
    """Let each client of a swarm do so."""
    settings = config["refusals"]
    swarm.equip(lambda client: AfterRefusal(settings["fatal"], settings["retry_after"]))
