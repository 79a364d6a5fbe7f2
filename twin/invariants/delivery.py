"""What must hold for every message of a record."""

from dataclasses import replace
from math import isfinite

import numpy as np

from twin.invariants.case import STILL_LOGINS, Case, Finding, catch_up, too_short
from twin.measures.base import Array
from twin.measures.broadcast import settles_in
from twin.measures.messages import Rows
from twin.scenario.buses import in_words, those

NO_PROMISE = (
    f"it is promised only with bus.kind {in_words(those(keeps=True))}, clients that recover and do so on a reconnect, "
    "and a slow_consumer.policy other than 'drop'"
)


def published(case: Case) -> Finding:
    """Every delivery is of a message that was published before, under the name that the broker gave it.

    A message for which the broker was asked more than once may also have a name in an earlier epoch: the broker stamped
    it, the acknowledgement was lost, and the broker lost its data.
    """
    messages = case.messages
    rows, known = messages["delivered"], messages["published"]
    order = np.argsort(known.key, kind="stable")
    bad = np.ones(len(rows.t), dtype=bool)
    source = np.full(len(rows.t), -1)
    if len(order):
        found = np.minimum(np.searchsorted(known.key[order], rows.key), len(order) - 1)
        one = order[found]
        exists = known.key[one] == rows.key
        source = np.where(exists, known.at[one], -1)
        named = (known.place[one] < 0) | (known.place[one] == rows.place)
        named |= (known.attempt[one] > 1) & (rows.epoch < known.epoch[one])
        bad = ~(exists & named & (rows.t >= known.t[one]))
    which = np.flatnonzero(bad)

    def say(i: int) -> str:
        j = which[i]
        why = "was never published" if source[j] < 0 else "was published later or under another name"
        return f"client {rows.client[j]} applied message {rows.key[j]} as version {rows.version[j]}, which {why}"

    return case.found("published", rows.at[which], say, lambda i: [source[which[i]]])


def one_name(case: Case) -> Finding:
    """(epoch, version) names one message, for the publisher, every node and every client."""
    tables = [case.messages[name] for name in ("published", "received", "delivered", "acked", "resent", "consistent")]
    place = np.concatenate([rows.place for rows in tables])
    key = np.concatenate([rows.key for rows in tables])
    at = np.concatenate([rows.at for rows in tables])
    named = (place >= 0) & (key >= 0)
    place, key, at = place[named], key[named], at[named]
    order = np.lexsort((at, place))
    place, key, at = place[order], key[order], at[order]
    first = np.searchsorted(place, place, side="left")
    which = np.flatnonzero(key != key[first])

    def say(i: int) -> str:
        j = which[i]
        version = int(case.record.events["version"].iloc[int(at[j])])
        return f"version {version} names message {key[first[j]]} and message {key[j]} in one epoch"

    return case.found("one_name", at[which], say, lambda i: [at[first[which[i]]]])


class _Steps:
    """The positions of each client one after the other: what it applied, and the snapshots to which it jumped."""

    def __init__(self, case: Case) -> None:
        delivered, recovered = case.messages["delivered"], case.messages["recovered"]
        jumps = recovered.where(recovered.how == "snapshot")
        both = [np.concatenate([getattr(delivered, n), getattr(jumps, n)]) for n in Rows.__dataclass_fields__]
        rows = Rows(*both)
        jump = np.arange(len(rows.t)) >= len(delivered.t)
        order = np.lexsort((rows.at, rows.client))
        self.rows, self.jump = rows.where(order), jump[order]
        self.follows = np.zeros(len(rows.t), dtype=bool)
        self.follows[1:] = self.rows.client[1:] == self.rows.client[:-1]

    def before(self, j: int) -> list[int]:
        """Return the row of the record with the position before the j-th, if there is one."""
        return [int(self.rows.at[j - 1])] if self.follows[j] else []


def rising(case: Case) -> Finding:
    """The positions of a client strictly rise, across reconnects and nodes."""
    steps = _Steps(case)
    rows = steps.rows
    bad = np.zeros(len(rows.t), dtype=bool)
    bad[1:] = steps.follows[1:] & (rows.place[1:] <= rows.place[:-1])
    which = np.flatnonzero(bad)

    def say(i: int) -> str:
        j = which[i]
        return f"client {rows.client[j]} applied version {rows.version[j]} after version {rows.version[j - 1]}"

    return case.found("rising", rows.at[which], say, lambda i: steps.before(which[i]))


def contiguous(case: Case) -> Finding:
    """What a client applies next is the following version, unless a snapshot covers the gap; a client that does not
    recover must have noted the gap.
    """
    steps = _Steps(case)
    rows = steps.rows
    expected = np.ones(len(rows.t), dtype=np.int64)
    expected[1:] = np.where(steps.follows[1:], rows.version[:-1] + 1, 1)
    other = np.zeros(len(rows.t), dtype=bool)
    other[1:] = steps.follows[1:] & (rows.epoch[1:] != rows.epoch[:-1])
    bad = ((rows.version != expected) | other) & ~steps.jump
    if not case.scenario.clients.recovers:
        bad &= ~_noted(case, steps)
    which = np.flatnonzero(bad)

    def say(i: int) -> str:
        j = which[i]
        behind = f"version {rows.version[j - 1]}" if steps.follows[j] else "nothing"
        return f"client {rows.client[j]} applied version {rows.version[j]} right after {behind}, without a snapshot"

    return case.found("contiguous", rows.at[which], say, lambda i: steps.before(which[i]))


def _noted(case: Case, steps: _Steps) -> Array:
    """Tell for each step whether its client noted a gap between the step before and it."""
    gaps, rows = case.messages["gap"], steps.rows
    apart = len(case.record.events) + 1
    marks = np.sort(gaps.client * apart + gaps.at)
    here = rows.client * apart + rows.at
    before = np.where(steps.follows, np.concatenate([[0], here[:-1]]), rows.client * apart)
    return np.asarray(np.searchsorted(marks, here, side="left") > np.searchsorted(marks, before, side="left"))


def once(case: Case) -> Finding:
    """A client applies a message at most once, under whatever name."""
    rows = case.messages["delivered"]
    order = np.lexsort((rows.at, rows.key, rows.client))
    client, key, at = rows.client[order], rows.key[order], rows.at[order]
    which = np.flatnonzero((client[1:] == client[:-1]) & (key[1:] == key[:-1]) & (key[1:] >= 0)) + 1
    return case.found(
        "once",
        at[which],
        lambda i: f"client {client[which[i]]} applied message {key[which[i]]} more than once",
        lambda i: [at[which[i] - 1]],
    )


def reached(case: Case) -> Finding:
    """With a stream, every message that the broker acknowledged reaches every client that stayed: by the end it has
    applied it or holds a snapshot that covers it, unless it or the bus came back too shortly before.
    """
    scenario = case.scenario
    clients = scenario.clients
    recovers = clients.recovers and (clients.transport.polls or clients.recovery.on_reconnect)
    if not scenario.bus.traits.keeps or not recovers or scenario.slow_consumer.policy == "drop":
        return Finding(skipped=NO_PROMISE)
    if case.healed_at > case.end:
        return Finding(skipped="a fault was not over by the end of the record")
    if case.logins_over > case.end:
        return Finding(skipped=STILL_LOGINS)
    return _missing(case, "reached", max(case.healed_at, -case.end))


def at_head(case: Case) -> Finding:
    """Once all is well again, every connected client gets past each message published from then on."""
    if not isfinite(case.quiet_from) and case.scenario.faults:
        return Finding(skipped=too_short(case))
    if case.logins_over > case.end:
        return Finding(skipped=STILL_LOGINS)
    since = max(case.quiet_from + catch_up(case.scenario), -case.end)
    return _missing(case, "at_head", since, published_from=since)


def _missing(case: Case, invariant: str, since: float, published_from: float = -np.inf) -> Finding:
    """Return the (client, message) that had `catch_up` seconds and nothing in the way, and did not come together."""
    messages = case.messages
    places, when, acknowledged = messages.names
    connected_at, home = case.last_contact
    since = max(since, case.logins_over)
    grace = catch_up(case.scenario) if invariant == "reached" else settles_in(case.scenario)
    expected = acknowledged & (when >= published_from)
    stayed = (home >= 0) & ~case.gave_up
    start = np.maximum(np.nan_to_num(connected_at, nan=np.inf)[:, None], np.maximum(when, since)[None, :])
    lost = np.isinf(messages.covered) & expected[None, :] & stayed[:, None] & (start + grace <= case.end)
    who, what = np.nonzero(lost)
    source = messages["published"]
    by_place = {int(place): int(at) for place, at in zip(source.place, source.at, strict=True)}
    broken = [by_place[int(places[j])] for j in what]
    delivered = messages["delivered"]

    def last(i: int) -> list[int]:
        mine = delivered.at[delivered.client == who[i]]
        return [int(mine[-1])] if len(mine) else []

    found = case.found(
        invariant,
        broken,
        lambda i: (
            f"client {who[i]} stayed connected but never got version {case.record.events['version'].iloc[broken[i]]}, "
            "which the broker had acknowledged"
        ),
        last,
    )
    shown = [replace(violation, client=int(who[i])) for i, violation in enumerate(found.violations)]
    return Finding(found.count, shown)
