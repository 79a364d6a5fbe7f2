"""How messages are gathered, compressed and counted in the model."""
