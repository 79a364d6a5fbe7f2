"""A thread for each connection, with `websockets.sync`: what belongs to this runtime."""

PROGRAM = "live.node.threads"
"""What the process of a node runs."""

PACKAGES = ("websockets",)
"""Packages whose versions say what a node ran on."""
