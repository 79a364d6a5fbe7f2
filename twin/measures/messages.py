"""The message events of a record as arrays: who applied what when, and where each client stood."""

from dataclasses import dataclass
from functools import cached_property

import numpy as np

from twin.measures.base import Array
from twin.record.columns import Own
from twin.record.record import MESSAGE_EVENTS, Record

_EPOCHS_APART = 1 << 40


@dataclass(frozen=True)
class Rows:
    """Message events of one name, in order of time; arrays of shape (rows,).

    `place` orders all (epoch, version) as one number, -1 without a version; `epoch`, `key`, `how` and `registered` are
    the own columns of the event, where it has them (-1 or "" else); `at` is the row in the record.
    """

    t: Array
    client: Array
    node: Array
    attempt: Array
    version: Array
    epoch: Array
    key: Array
    place: Array
    how: Array
    registered: Array
    at: Array

    def where(self, mask: Array) -> "Rows":
        """Return some of the rows."""
        return Rows(*(getattr(self, name)[mask] for name in self.__dataclass_fields__))


class Messages:
    """The message events of a record.

    Args:
        record: of either world.
    """

    def __init__(self, record: Record) -> None:
        self.record = record
        self._rows: dict[str, Rows] = {}

    def __getitem__(self, name: str) -> Rows:
        if name not in self._rows:
            self._rows[name] = self._read(name)
        return self._rows[name]

    def _read(self, name: str) -> Rows:
        at = self.record.columns.where(name)
        events, own = self.record.columns.at(at), self._own[name]
        epochs = own.of_texts("epoch")
        places = np.searchsorted(self._epochs, epochs) * _EPOCHS_APART
        return Rows(
            events.t,
            events.client,
            events.node,
            events.attempt,
            events.version,
            own.detail.say(epochs),
            _column(own, "key", -1),
            np.where(events.version >= 0, own.detail.say(places) + events.version, -1),
            _column(own, "how", ""),
            _column(own, "registered", -1),
            at,
        )

    @cached_property
    def _own(self) -> dict[str, Own]:
        """The own columns of each message event."""
        return {name: self.record.columns.own(name) for name in MESSAGE_EVENTS}

    @cached_property
    def _epochs(self) -> Array:
        """Every epoch that is named, in order."""
        return np.unique(np.concatenate([own.of_texts("epoch") for own in self._own.values()]))

    @cached_property
    def known(self) -> tuple[Array, Array]:
        """The publisher's numbers of the messages in order, and when each was published, seconds."""
        published = self["published"]
        order = np.argsort(published.key, kind="stable")
        keys, first = np.unique(published.key[order], return_index=True)
        return keys, published.t[order][first]

    def published_at(self, key: Array) -> Array:
        """Return when each message was published, in seconds; NaN for one that never was."""
        keys, times = self.known
        if not len(keys):
            return np.full(len(key), np.nan)
        found = np.minimum(np.searchsorted(keys, key), len(keys) - 1)
        return np.where(keys[found] == key, times[found], np.nan)

    @cached_property
    def published_of(self) -> Array:
        """When the message of each delivery was published, in seconds; NaN for one that never was."""
        own = self._own["delivered"]
        return own.detail.say(self.published_at(own.of_texts("key")))

    @cached_property
    def latency(self) -> Array:
        """Seconds from a message's publication to its delivery, for each one of a message that was published; sorted,
        as percentiles are taken more than once.
        """
        latency = self["delivered"].t - self.published_of
        return np.sort(latency[~np.isnan(latency)], kind="stable")  # those of one message are in order already

    @cached_property
    def names(self) -> tuple[Array, Array, Array]:
        """Every (epoch, version) that was acknowledged by the broker or applied by a client, and was published.

        Returns:
            places in order, when the message was published (s), and whether the broker acknowledged it to the
            publisher; each of shape (names,).
        """
        published, delivered = self["published"], self["delivered"]
        stamped = published.place >= 0
        place = np.concatenate([published.place[stamped], delivered.place])
        when = np.concatenate([published.t[stamped], self.published_of])
        real = ~np.isnan(when)
        place, when = place[real], when[real]
        heads, _ = _runs(place)
        places, first = np.unique(place[heads], return_index=True)
        return places, when[heads][first], np.isin(places, published.place[stamped])

    @cached_property
    def applied(self) -> Array:
        """When each client first applied each name, seconds, infinite where it did not; shape (clients, names)."""
        places, _, _ = self.names
        delivered = self["delivered"]
        times = np.full((self.record.scenario.clients.count, len(places)), np.inf)
        if len(places):
            heads, lengths = _runs(delivered.place)
            of_heads = np.minimum(np.searchsorted(places, delivered.place[heads]), len(places) - 1)
            rank = np.repeat(of_heads, lengths)
            fits = (places[rank] == delivered.place) & (delivered.client >= 0) & (delivered.client < len(times))
            # rows are in order of time: written backwards, the first one stays
            times[delivered.client[fits][::-1], rank[fits][::-1]] = delivered.t[fits][::-1]
        return times

    @cached_property
    def covered(self) -> Array:
        """When each client first stood at or behind each name, by applying or by a snapshot; shape (clients, names)."""
        places, _, _ = self.names
        times = self.applied.copy()
        if not len(places):
            return times
        recovered = self["recovered"]
        jumps = recovered.where(recovered.how == "snapshot")
        rank = np.searchsorted(places, jumps.place, side="right") - 1
        for client, place, t in zip(jumps.client, rank, jumps.t, strict=True):
            if place >= 0 and 0 <= client < len(times):
                times[client, place] = min(times[client, place], t)
        return np.minimum.accumulate(times[:, ::-1], axis=1)[:, ::-1]

    @cached_property
    def head(self) -> Array:
        """When the head of the sequence reached each name, seconds; shape (names,), never falling."""
        _, when, _ = self.names
        return np.minimum.accumulate(when[::-1])[::-1]


def _runs(values: Array) -> tuple[Array, Array]:
    """Return where each run of equal values begins, and how long it is: deliveries of a message mostly follow each
    other, and a run is looked up once.
    """
    heads = np.flatnonzero(np.concatenate([np.ones(min(1, len(values)), bool), values[1:] != values[:-1]]))
    return heads, np.diff(heads, append=len(values))


def _column(own: Own, name: str, absent: int | str) -> Array:
    """Return an own column, one value in every row in place of one that the event does not have."""
    if any(column.name == name for column in own.of.columns):
        return own.values(name)
    return np.broadcast_to(np.array(absent, object if absent == "" else np.int64), len(own.detail.places))
