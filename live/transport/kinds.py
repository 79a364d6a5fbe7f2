"""How messages come to clients: the programs of their processes, listed here."""

PROGRAMS = {"websocket": "live.client.client", "poll": "live.transport.client", "long_poll": "live.transport.client"}
"""Module that a process of clients runs; it gets its settings as `live.control.given` says."""
