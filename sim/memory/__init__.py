"""How much memory nodes take in the model, and what ends one that has a limit."""
