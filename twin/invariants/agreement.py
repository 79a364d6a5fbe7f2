"""What must hold for acknowledgements: between a node, the publisher and the promise of consistency."""

import numpy as np

from twin.invariants.case import Case, Finding
from twin.measures.base import Array
from twin.measures.messages import Rows

_APART = 1024
"""More than the nodes that a scenario may have: a place and a node make one number."""


def acked_received(case: Case) -> Finding:
    """A node acknowledges only what it has received. What a node received that has ended is not on record: it is left
    out.
    """
    acked, received = case.messages["acked"], case.messages["received"]
    received = received.where(received.client < 0)
    killed = [fault.node or -1 for fault in case.scenario.faults if fault.kind in ("kill", "restart", "drain")]
    killed += sorted(case.stopped)
    index, first = _first(received)
    mine = _pair(acked)
    found = np.searchsorted(index, mine)
    if len(index):
        place = np.minimum(found, len(index) - 1)
        good = (index[place] == mine) & (first[place] <= acked.t)
    else:
        good = np.zeros(len(mine), dtype=bool)
    which = np.flatnonzero(~good & ~np.isin(acked.node, killed))
    return case.found(
        "acked_received",
        acked.at[which],
        lambda i: (
            f"node {acked.node[which[i]]} acknowledged version {acked.version[which[i]]}, which it had not received"
        ),
    )


def _pair(rows: Rows) -> Array:
    """Return place and node as one number."""
    return np.asarray(rows.place * _APART + rows.node)


def _first(rows: Rows) -> tuple[Array, Array]:
    index, first = np.unique(_pair(rows), return_index=True)
    return index, rows.t[first]


def consistent_acked(case: Case) -> Finding:
    """A message is declared consistent once, and only when the threshold of nodes has acknowledged it.

    Under `all` a node is no longer waited for when its registration has run out. Only a fault of that node, or of the
    bus, can bring that about, its end, or logins, which let a node do nothing else; so without sessions each node of
    the start that no fault has touched by then, and that has not ended, must have acknowledged, and at least one.
    """
    declared, acked, published = (case.messages[name] for name in ("consistent", "acked", "published"))
    assert case.scenario.publisher is not None or not len(declared.t)
    nodes = dict(zip(published.place.tolist(), published.registered.tolist(), strict=True))
    index, first = np.unique(_pair(acked), return_index=True)
    place, node, row = index // _APART, index % _APART, acked.at[first]
    order = np.lexsort((row, place))
    place, node, row = place[order], node[order], row[order]
    seen: set[int] = set()
    broken, said = [], []
    for at, t, name, version in zip(declared.at, declared.t, declared.place, declared.version, strict=True):
        low, high = np.searchsorted(place, name, "left"), np.searchsorted(place, name, "right")
        have = int(np.searchsorted(row[low:high], at))
        need = _needed(case, nodes.get(int(name), 0))
        missing = _untouched(case, float(t)) - set(node[low : low + have].tolist())
        if nodes.get(int(name), 0) < case.scenario.nodes.count:  # which of them were registered is not on record
            missing = set()
        if int(name) in seen or have < need or missing or int(name) not in nodes:
            broken.append(int(at))
            again = ", a second time" if int(name) in seen else ""
            without = f", without node {', '.join(map(str, sorted(missing)))}" if missing and have >= need else ""
            said.append(
                f"version {version} was declared consistent with {have} acknowledgements of {need}{without}{again}"
            )
        seen.add(int(name))
    return case.found("consistent_acked", broken, lambda i: said[i])


_OF_ONE_NODE = frozenset({"kill", "hang", "restart", "drain", "join", "partition", "bus_cut", "delay", "blackhole"})
_OF_NO_NODE = frozenset({"stall", "reload"})


def _untouched(case: Case, t: float) -> set[int]:
    """Return the nodes that `all` waits for at time `t`, in seconds, whatever has happened: those no fault touched."""
    publisher, faults = case.scenario.publisher, [one for one in case.scenario.faults if one.at <= t]
    if publisher is None or publisher.threshold != "all" or not _may_leave(case):
        return set()
    if case.scenario.sessions.store != "none":  # a node that checks passwords gives no signs of life meanwhile
        return set()
    if any(one.kind not in _OF_ONE_NODE | _OF_NO_NODE for one in faults):  # the signs of life of all may be missing
        return set()
    touched = {one.node for one in faults if one.node is not None}
    return set(range(1, case.scenario.nodes.count + 1)) - touched - case.stopped


def _may_leave(case: Case) -> bool:
    """Tell whether a node may be registered no longer while a message waits for it."""
    scenario = case.scenario
    return bool(scenario.faults) or scenario.autoscaling is not None or scenario.sessions.store != "none"


def _needed(case: Case, registered: int) -> int:
    publisher = case.scenario.publisher
    assert publisher is not None
    if isinstance(publisher.threshold, int):
        return publisher.threshold
    if publisher.threshold == "majority":
        return registered // 2 + 1
    return 1 if _may_leave(case) else max(1, registered)
