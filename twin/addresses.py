"""Which address a client connects from."""


def source_address(client: int, addresses: int) -> str:
    """Return the loopback address of a client: 127.0.k.1, another /24 for each k from 1 to `addresses`."""
    return f"127.0.{client % addresses + 1}.1" if addresses > 1 else "127.0.0.1"
