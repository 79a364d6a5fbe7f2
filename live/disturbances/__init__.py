"""Runs that something outside their schedule disturbs on purpose, and what has to come of them."""
