"""What must hold for connections."""

from math import inf, isfinite

import numpy as np

from twin.invariants.case import STILL_LOGINS, Case, Finding, Violation, too_short
from twin.measures.registry import churns

_STATES = ("attempt_connect", "connected", "connect_failed", "disconnected", "gave_up")
_MAY_FOLLOW = {
    "": {"attempt_connect"},
    "attempt_connect": {"connected", "connect_failed"},
    "connected": {"disconnected"},
    "connect_failed": {"attempt_connect", "gave_up"},
    "disconnected": {"attempt_connect", "gave_up"},
    "gave_up": set(),
}


def states(case: Case) -> Finding:
    """Every client is at each moment connected, between two connections, or has given up: its events follow each other
    as these states allow, and it leaves the node to which it connected.
    """
    table = case.record.select(*_STATES)
    count = case.scenario.clients.count
    client = table["client"].to_numpy()
    order = np.argsort(client, kind="stable")
    at = table.index.to_numpy()[order]
    who, node = client[order], table["node"].to_numpy()[order]
    event = table["event"].to_numpy(dtype=object)[order]
    codes = {"": -1} | {name: i for i, name in enumerate(_STATES)}
    allowed = np.zeros((len(codes), len(_STATES)), dtype=bool)
    for earlier, after in _MAY_FOLLOW.items():
        for name in after:
            allowed[codes[earlier], codes[name]] = True
    code = np.array([codes[name] for name in event], dtype=int)
    same = np.zeros(len(code), dtype=bool)
    same[1:] = who[1:] == who[:-1]
    last = np.where(same, np.concatenate([[-1], code[:-1]]), -1)
    moved = np.zeros(len(code), dtype=bool)
    moved[1:] = same[1:] & (code[1:] == codes["disconnected"]) & (node[1:] != node[:-1])
    which = np.flatnonzero(~allowed[last, code] | moved | (who < 0) | (who >= count))

    def say(i: int) -> str:
        j = which[i]
        earlier = event[j - 1] if same[j] else "nothing"
        return f"client {who[j]}: {event[j]} cannot follow {earlier}" + (" on another node" if moved[j] else "")

    found = case.found("states", at[which], say, lambda i: [at[which[i] - 1]] if same[which[i]] else [])
    absent = np.setdiff1d(np.arange(count), who)
    never = [Violation("states", f"client {one} does not appear", case.end, int(one)) for one in absent[:5]]
    return Finding(found.count + len(absent), [*found.violations, *never])


def balancer_count(case: Case) -> Finding:
    """At the end the connections of the nodes, as the clients see them, are those that the balancer counts.

    Only when nothing is under way: no attempt, and no fault that is not over.
    """
    if case.scenario.clients.transport.polls:
        return Finding(skipped="clients that poll have no connections to nodes")
    if case.cuts_idle:  # one that it has just cut the client does not know of yet
        return Finding(skipped="the balancer cuts idle connections")
    if churns(case.scenario):  # nor of one that its node has just ended
        return Finding(skipped="nodes end connections all along")
    faults = case.scenario.faults
    if not case.scenario.balancer.hard_stop_after and any(fault.kind == "reload" for fault in faults):
        return Finding(skipped="a reload left connections to a process that is not asked")
    counts = case.record.select("server_connections")
    if not len(counts):
        return Finding(skipped="the balancer does not tell its connections")
    if case.healed_at + 1.0 > case.end:
        return Finding(skipped="a fault was not over one second before the end of the record")
    states_now = case.record.select(*_STATES).groupby("client")["event"].last()
    if states_now.isin(["attempt_connect"]).any():
        return Finding(skipped="clients were connecting at the end of the record")
    _, home = case.last_contact
    broken, said = [], []
    for at, node, count in zip(counts.index, counts["node"], counts["count"], strict=True):
        ours = int(np.sum(home == node))
        if count != ours:
            broken.append(int(at))
            said.append(f"the balancer counts {count} connections of node {node}, the clients {ours}")
    return case.found("balancer_count", broken, lambda i: said[i])


def back(case: Case) -> Finding:
    """Within `within` seconds of the last fault every client is connected or has given up.

    Where nodes end connections all along, the balancer cuts what nodes hold, or a disturbance lets heartbeats fail, a
    client has the same time after each loss.
    """
    if case.scenario.faults and not isfinite(case.quiet_from):
        return Finding(skipped=too_short(case))
    if case.cuts_idle:
        return Finding(skipped="the balancer cuts idle connections")
    if case.scenario.balancer.limited:
        return Finding(skipped="the balancer has limits")
    if not case.some_node_is_up:
        return Finding(skipped="no node was up at the end of the record")
    if churns(case.scenario) and case.scenario.nodes.backlog < case.scenario.clients.count:
        return Finding(skipped="those who come back all along may find a full accept queue each time")
    if not isfinite(max(case.logins_over, 0.0)):
        return Finding(skipped=STILL_LOGINS)
    _, home = case.last_contact
    away = np.flatnonzero((home < 0) & ~case.gave_up)
    table = case.record.select(*_STATES)
    last = {int(client): int(at) for at, client in zip(table.index, table["client"], strict=True)}
    all_along = churns(case.scenario) or case.cuts_holds or bool(case.record.void)
    latest = case.end - case.within if all_along else inf
    lost = table[table["event"].eq("disconnected")].groupby("client")["t"].last()
    known = [int(client) for client in away if int(client) in last and lost.get(client, -inf) <= latest]
    return case.found(
        "back",
        [last[client] for client in known],
        lambda i: f"client {known[i]} is not connected at the end, although nothing stands in its way",
    )
