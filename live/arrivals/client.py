"""The clients of a process that come in the run."""

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from live.ports import Swarm


def attach(swarm: "Swarm", config: dict[str, Any]) -> None:
    """Let those clients of a swarm wait for their time; the warm-up is over without them."""
    swarm.come_later({int(number): at for number, at in config["arrivals"].items()})
