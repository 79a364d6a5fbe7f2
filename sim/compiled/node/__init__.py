"""The compiled nodes."""
