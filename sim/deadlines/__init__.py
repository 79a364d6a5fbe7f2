"""Deadlines of a node's connections, in the model."""
