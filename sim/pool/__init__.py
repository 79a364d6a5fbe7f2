"""Pools of connections to a store, in the model."""
