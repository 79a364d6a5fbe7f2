"""Pools of connections to a store, in real nodes."""
