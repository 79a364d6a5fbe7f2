"""Clients that come in the run."""
