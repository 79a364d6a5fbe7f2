"""Clients that poll, and what answers them."""
