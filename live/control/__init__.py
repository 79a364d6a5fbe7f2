"""Processes of a run: how they start, what they are told, and that none is left behind."""
