"""What a process of a run notes, until the lab collects it (`live.control.collecting.collect`).

Own columns of events (`twin.record.events`) are values here and not packed yet: the types of events take 25 ms to load,
and the start of a node is measured.
"""

Own = str | tuple[str | int | bool, ...]
"""An event's own columns: their values in the order of the event's fields, or its only one, a text, as it stands."""
Event = tuple[float, str, int, int, int, int, Own]
"""Time by the host's monotonic clock, name, client, node, attempt, version, own columns."""
