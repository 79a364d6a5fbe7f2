"""How messages are encoded, compressed and counted in the live world."""
