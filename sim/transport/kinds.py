"""How messages come to clients in the model: the kinds of clients, listed here."""

from sim.client.client import Client
from sim.transport.client import PollingClient

TRANSPORTS: dict[str, type[Client]] = {"websocket": Client, "poll": PollingClient, "long_poll": PollingClient}
