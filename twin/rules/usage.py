"""When the CPU time of a run is read, in both worlds."""

BEFORE_END = 0.02
"""Seconds before the end of a run at which it is read for the last time: what follows the end, such as the writing of
events, is none of the run's."""
