"""Presets in a scenario: the name of a client library or balancer where a table of settings could stand."""

from collections.abc import Callable
from typing import Any, Literal

from twin.rules.presets import BALANCERS, CLIENTS
from twin.scenario.balancer.kinds import DEFAULT
from twin.scenario.fields import refused, show

ClientPreset = Literal["centrifuge-js", "socket.io", "phoenix", "signalr", "nats", "websockets", "classic"]


def _named(value: Any, table: dict[str, dict[str, Any]]) -> Any:
    """Return the settings that a name stands for; anything but a text is returned as it is.

    Raises:
        ValueError: there is no such preset.
    """
    if not isinstance(value, str):
        return value
    if value not in table:
        raise refused("", show(value), f"a table of settings, or one of {', '.join(map(repr, table))}")
    return table[value]


def preset(part: Literal["reconnect", "heartbeat", "refusals"]) -> Callable[[Any], Any]:
    """Return what turns the name of a client library into its settings for `part`."""
    table = {name: dict(getattr(one, part)) for name, one in CLIENTS.items()}
    return lambda value: _named(value, table)


def balancer_preset(value: Any) -> Any:
    """Return the settings that a balancer's name stands for."""
    return _named(value, {name: dict(one) for name, one in BALANCERS.items()})


def spelled_out(data: dict[str, Any]) -> dict[str, Any]:
    """Return a scenario's data with tables in place of known names, so that overrides can change a part of them.

    A balancer whose kind is left out is of the kind `DEFAULT`. What is wrong stays, for the validation to say so.
    """
    balancer = data.get("balancer")
    if isinstance(balancer, str) and balancer in BALANCERS:
        data = {**data, "balancer": dict(BALANCERS[balancer])}
    elif isinstance(balancer, dict) and "kind" not in balancer:
        data = {**data, "balancer": {"kind": DEFAULT, **balancer}}
    clients = data.get("clients")
    if isinstance(clients, dict):
        named = {
            part: dict(getattr(CLIENTS[clients[part]], part))
            for part in ("reconnect", "heartbeat", "refusals")
            if isinstance(clients.get(part), str) and clients[part] in CLIENTS
        }
        data = {**data, "clients": {**clients, **named}}
    return data
