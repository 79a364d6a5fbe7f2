"""Deadlines of a live node's connections."""
