"""Decision rules as pure functions and small state machines, without clocks, sockets or randomness of their own.

The SimPy model and the live cluster call the same code. Nothing here imports anything but the standard library.
"""
