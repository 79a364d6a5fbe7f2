"""What must hold for sessions."""

import numpy as np

from twin.invariants.case import Case, Finding

LATE = 0.25
"""Seconds between a step of the store and the client's note of it, at most."""

UNHEARD = frozenset({"timeout", "reset", "502"})
"""Ends of an attempt whose answer did not come; behind a slow link to the store a node's 503 is one, too."""


def owned_once(case: Case) -> Finding:
    """No session is owned twice: it belongs to one client, each of its generations is given out once, a later one is
    higher, and who has lost a session does not resume it.
    """
    table = case.record.select("session_started", "session_resumed", "session_lost")
    last: dict[str, tuple[int, int, int]] = {}  # session: client, generation, row
    gone: dict[str, int] = {}
    broken: list[int] = []
    said: list[str] = []
    before: list[int] = []
    columns = (table[name].to_numpy() for name in ("event", "client", "version", "session", "trusted"))
    for at, event, client, generation, name, trusted in zip(table.index.to_numpy(), *columns, strict=True):
        if event == "session_lost":
            gone[name] = int(at)
            continue
        if trusted:  # nobody asked the store
            continue
        problem, witness = "", -1
        if name in gone:
            problem, witness = "had lost it", gone[name]
        elif name in last:
            owner, known, witness = last[name]
            if owner != client:
                problem = f"takes it from client {owner}"
            elif generation <= known:
                problem = f"gets generation {generation} after {known}"
        elif event == "session_resumed":
            problem = "was never given it"
        if problem:
            broken.append(int(at))
            said.append(f"session {name}: client {client} {problem}")
            before.append(witness)
        last[name] = int(client), int(generation), int(at)
    return case.found("owned_once", np.array(broken, dtype=int), lambda i: said[i], lambda i: [before[i]])


def not_outlived(case: Case) -> Finding:
    """Nobody resumes a session that has been out of use for longer than its expiry: unless connections count as use,
    since its last handshake, else since its client was connected last. The handshake counts from its dial.

    Left out are those whose last use is not on record: a node behind a dead link goes on with the sessions of who has
    left it, and an attempt whose answer did not come may have used its session.
    """
    sessions = case.scenario.sessions
    names = ("session_started", "session_resumed", "disconnected", "attempt_connect", "connect_failed")
    dark = {fault.node for fault in case.scenario.faults if fault.kind == "blackhole"}
    slow = any(fault.kind in ("partition", "delay") for fault in case.scenario.faults)
    unheard = {*UNHEARD, "503"} if slow else UNHEARD
    table = case.record.select(*names)
    used: dict[int, tuple[float, int]] = {}
    broken: list[int] = []
    before: list[int] = []
    dialled: dict[int, float] = {}
    columns = (table[name].to_numpy() for name in ("t", "event", "client", "node", "reason", "trusted"))
    for at, t, event, client, node, reason, trusted in zip(table.index.to_numpy(), *columns, strict=True):
        if event == "attempt_connect":
            dialled[client] = t
            continue
        if event == "connect_failed":
            if reason in unheard:
                used.pop(client, None)
            continue
        asked = dialled.pop(client, t)
        if (
            event == "session_resumed"
            and client in used
            and not trusted
            and asked - used[client][0] > sessions.expiry + LATE
        ):
            broken.append(int(at))
            before.append(used[client][1])
        if (event != "disconnected" and not trusted) or (event == "disconnected" and sessions.refresh):
            used[client] = t, int(at)
        if event == "disconnected" and node in dark:
            used.pop(client, None)

    def say(i: int) -> str:
        return f"a session is resumed after more than {sessions.expiry:g} s without use"

    return case.found("not_outlived", np.array(broken, dtype=int), say, lambda i: [before[i]])
