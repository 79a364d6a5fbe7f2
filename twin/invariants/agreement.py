"""What must hold for acknowledgements: between a node, the publisher and the promise of consistency."""

import numpy as np

from twin.invariants.case import Case, Finding
from twin.measures.base import Array
from twin.measures.messages import Rows

_APART = 1024
"""More than the nodes that a scenario may have: a place and a node make one number."""


def acked_received(case: Case) -> Finding:
    """A node acknowledges only what it has received. What a killed node received is not on record: it is left out."""
    acked, received = case.messages["acked"], case.messages["received"]
    received = received.where(received.client < 0)
    killed = [fault.node or -1 for fault in case.scenario.faults if fault.kind in ("kill", "restart", "drain")]
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

    A node that died is not waited for under `all`; so in a run with faults `all` asks for one acknowledgement here.
    """
    declared, acked, published = (case.messages[name] for name in ("consistent", "acked", "published"))
    assert case.scenario.publisher is not None or not len(declared.t)
    nodes = dict(zip(published.place.tolist(), published.registered.tolist(), strict=True))
    index, first = np.unique(_pair(acked), return_index=True)
    place, row = index // _APART, acked.at[first]
    order = np.lexsort((row, place))
    place, row = place[order], row[order]
    seen: set[int] = set()
    broken, said = [], []
    for at, name, version in zip(declared.at, declared.place, declared.version, strict=True):
        low, high = np.searchsorted(place, name, "left"), np.searchsorted(place, name, "right")
        have = int(np.searchsorted(row[low:high], at))
        need = _needed(case, nodes.get(int(name), 0))
        if int(name) in seen or have < need or int(name) not in nodes:
            broken.append(int(at))
            again = ", a second time" if int(name) in seen else ""
            said.append(f"version {version} was declared consistent with {have} acknowledgements of {need}{again}")
        seen.add(int(name))
    return case.found("consistent_acked", broken, lambda i: said[i])


def _needed(case: Case, registered: int) -> int:
    publisher = case.scenario.publisher
    assert publisher is not None
    if isinstance(publisher.threshold, int):
        return publisher.threshold
    if publisher.threshold == "majority":
        return registered // 2 + 1
    return 1 if case.scenario.faults else max(1, registered)
