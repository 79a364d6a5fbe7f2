"""What the relay costs that stands between a node and the bus where a fault cuts or slows that way."""

RELAY_PARTS = {"relay_frame": "relay: pass on what has come at a time in one direction"}
"""A profile without it is a good one: the relay then costs nothing."""
