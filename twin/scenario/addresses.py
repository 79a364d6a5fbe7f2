"""Which address a client connects from, and how it says who it is."""

CLIENT_ID, ATTEMPT = "X-Client-Id", "X-Attempt"
"""Headers of a handshake in which a client says its number and how often it has tried to connect, from 1."""


def source_address(client: int, addresses: int) -> str:
    """Return the loopback address of a client: 127.0.k.1, another /24 for each k from 1 to `addresses`."""
    return f"127.0.{client % addresses + 1}.1" if addresses > 1 else "127.0.0.1"
