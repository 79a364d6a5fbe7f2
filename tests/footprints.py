"""Host profiles that know what memory nodes take."""

from tests.strategies import small_profile

KNOWN = {
    "start_node": {"node": [20e6], "connection": [1e5]},
    "start_broadcast": {"node": [30e6], "connection": [2e5]},
}
"""By what a node takes part in: its resident bytes, and those of a connection."""
PLACE = 500.0


def memory_profile(node=None, connection=None, few=(), **changes):
    """Return the small profile with the figures above, those of a plain node or further fields changed."""
    plain = {"node": node or KNOWN["start_node"]["node"], "connection": connection or KNOWN["start_node"]["connection"]}
    plain["few"] = list(few)
    known = {"memory": {"asyncio": KNOWN | {"start_node": plain}}, "place_bytes": [PLACE]}
    return small_profile(**known | changes)
