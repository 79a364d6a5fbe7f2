"""What must hold for the nodes' pools of connections."""

import numpy as np

from twin.invariants.case import Case, Finding

LATE = 2.0
"""Seconds that a node may take for its own work beside what a use waits and asks for."""
LONGEST_DRAWN = 37.0
"""No exponential time is drawn above so many times its mean: -ln(2**-53)."""
_EVENTS = ("borrow_asked", "borrowed", "borrow_failed", "given_back", "leaked", "node_stopped")


def pool_bounded(case: Case) -> Finding:
    """No pool has more connections out than its size, what has leaked included, and each is out for one use that has
    asked for it and got no other.
    """
    pool = case.scenario.nodes.pool
    if pool is None:
        return Finding()
    broken: list[int] = []
    said: list[str] = []
    out: dict[int, set[int]] = {}
    asked: dict[int, set[int]] = {}
    for at, event, node, use in _rows(case):
        mine, waits = out.setdefault(node, set()), asked.setdefault(node, set())
        problem = ""
        if event == "node_stopped":
            mine.clear()
            waits.clear()
        elif event == "borrow_asked":
            waits.add(use)
        elif event in ("borrowed", "borrow_failed"):
            if use not in waits:
                problem = f"{event} without having asked"
            waits.discard(use)
            if event == "borrowed":
                mine.add(use)
                if len(mine) > pool.size:
                    problem = f"the pool has {len(mine)} of {pool.size} connections out"
        elif event in ("given_back", "leaked"):
            if use not in mine:
                problem = f"{event} what it does not have"
            if event == "given_back":
                mine.discard(use)
        if problem:
            broken.append(at)
            said.append(f"node {node}, use {use}: {problem}")
    return case.found("pool_bounded", np.array(broken, dtype=int), lambda i: said[i])


def borrow_ends(case: Case) -> Finding:
    """Each use that asked gets a connection or is told that it gets none, and then gives it back or has leaked: within
    the wait timeout and the longest service time. Left out are nodes whose process ended or hung.
    """
    pool = case.scenario.nodes.pool
    if pool is None:
        return Finding()
    service = pool.service.mean * (LONGEST_DRAWN if pool.service.distribution == "exponential" else 1.0)
    acted_on = {fault.node for fault in case.scenario.faults if fault.node is not None}
    under_way: dict[tuple[int, int], tuple[int, str]] = {}
    for at, event, node, use in _rows(case):
        if event == "node_stopped":
            acted_on.add(node)
        elif event in ("borrow_asked", "borrowed"):
            under_way[node, use] = at, event
        else:
            under_way.pop((node, use), None)
    t = case.record.events["t"].to_numpy()
    allowed = {"borrow_asked": pool.timeout + LATE, "borrowed": service + LATE}
    late = [
        (at, node, use, event)
        for (node, use), (at, event) in under_way.items()
        if node not in acted_on and t[at] + allowed[event] < case.end
    ]

    def say(i: int) -> str:
        _, node, use, event = late[i]
        what = "neither got a connection nor was refused one" if event == "borrow_asked" else "kept its connection"
        return f"node {node}, use {use} {what} for more than {allowed[event]:g} s"

    return case.found("borrow_ends", np.array([at for at, *_ in late], dtype=int), say)


def _rows(case: Case) -> "zip[tuple[int, str, int, int]]":
    """Return the place, event, node and use of each event of the pools, in order."""
    table = case.record.select(*_EVENTS)
    columns = [table[name].tolist() for name in ("event", "node", "version")]
    return zip(table.index.tolist(), *columns, strict=True)
