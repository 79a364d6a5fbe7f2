"""Where a host profile keeps a part: `parts[room][kind][name]`, and how profiles of before come to that.

A room can be of several kinds: a balancer is HAProxy, nginx or Envoy, a node has a runtime. What a part costs is
measured of each kind by itself. Which room a part belongs to is said by the beginning of its name.
"""

from typing import Any

from twin.costs.codec import USUAL_CODEC, USUAL_CONTEXT
from twin.scenario.balancer.kinds import DEFAULT, KINDS
from twin.scenario.runtimes import RUNTIME

VERSION = 2
"""Of the layout. A profile without a version is of the first one: all parts by name in `parts`, those that were
measured with nginx in `nginx_parts`."""

USUAL = {"client": "asyncio", "balancer": DEFAULT, "node": RUNTIME, "bus": "valkey"}
USUAL |= {"publisher": "asyncio", "registrar": "asyncio", "relay": "asyncio", "store": "embedded"}
USUAL |= {"codec": USUAL_CODEC, "deflate": USUAL_CONTEXT}
"""Room -> the kind that is meant where none is named, and the only one of rooms that have no others."""

ELSEWHERE = {"exit": "node", "start": "node", "inflate": "deflate"} | dict.fromkeys(KINDS, "balancer")
"""First word of a name -> its room, where it is not the room itself."""

FIRST_LAYOUT = {"haproxy": "parts", "nginx": "nginx_parts", "envoy": "envoy_parts"}
"""Kind of balancer -> field of a profile of the first layout in which its parts were, or would have been."""


def room_of(name: str) -> str:
    """Return the room that a part belongs to."""
    first = name.split("_", 1)[0]
    return ELSEWHERE.get(first, first)


def laid_out(parts: dict[str, Any], balancer: str = DEFAULT) -> dict[str, dict[str, dict[str, Any]]]:
    """Return parts by their names as room -> kind -> name -> part.

    Args:
        parts: all of one kind of each room.
        balancer: the kind of the balancer.
    """
    found: dict[str, dict[str, dict[str, Any]]] = {}
    for name, part in parts.items():
        room = room_of(name)
        kind = balancer if room == "balancer" else USUAL.get(room, "")
        found.setdefault(room, {}).setdefault(kind, {})[name] = part
    return found


def behind_each(parts: dict[str, Any]) -> dict[str, dict[str, dict[str, Any]]]:
    """Return parts by room and kind where those of the balancer cost the same with each kind of it."""
    shared = {name: part for name, part in parts.items() if name.startswith("balancer")}
    own = laid_out(parts)
    return own | {"balancer": dict.fromkeys(KINDS, shared) | own.get("balancer", {})}


def migrated(data: dict[str, Any]) -> dict[str, Any]:
    """Return what a profile file holds in the layout of today; what is not understood stays as it is."""
    if "version" in data:
        return data
    fields = {kind: data.get(field) for kind, field in FIRST_LAYOUT.items()}
    rest = {name: value for name, value in data.items() if name not in FIRST_LAYOUT.values()}
    flat = fields.pop(DEFAULT)
    if not isinstance(flat, dict):
        return data
    parts = laid_out(flat)
    for kind, own in fields.items():
        if own is None:
            continue
        if not isinstance(own, dict):
            return data
        if own:
            parts.setdefault("balancer", {})[kind] = own
    return {"version": VERSION, **rest, "parts": parts}
