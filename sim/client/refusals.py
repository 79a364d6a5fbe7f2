"""What a client makes of an HTTP status other than 101, whoever has answered."""

from sim.connection import Attempt
from sim.ports import ClientPart, Next
from twin.rules.refusal import after_answer
from twin.scenario.rates import Refusals


class AfterRefusal(ClientPart):
    """Stops after some statuses, and waits as long as it is asked to.

    Args:
        settings: `clients.refusals`.
    """

    def __init__(self, settings: Refusals) -> None:
        self.settings = settings

    def turned_away(self, attempt: Attempt, status: int) -> Next | None:
        """Say what follows an answer."""
        asked: float | None = attempt.headers.get("retry_after")
        return after_answer(status, asked, self.settings.fatal, self.settings.retry_after)
