"""The message events of a record as arrays: who applied what when, and where each client stood."""

from dataclasses import dataclass
from functools import cached_property

import numpy as np
import pandas as pd

from twin.measures.base import Array
from twin.record import MESSAGE_EVENTS, Record

_EPOCHS_APART = 1 << 40


@dataclass(frozen=True)
class Rows:
    """Message events of one name, in order of time; arrays of shape (rows,).

    `place` orders all (epoch, version) as one number, -1 without a version; `key` is the publisher's number of the
    message, -1 where the event names none; `word` is that of the detail that says how; `registered` is its fourth word
    as a number (`published` only), -1 without one; `at` is the row in the record.
    """

    t: Array
    client: Array
    node: Array
    attempt: Array
    version: Array
    epoch: Array
    key: Array
    place: Array
    word: Array
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
        events = record.events
        at = np.flatnonzero(events["event"].isin(MESSAGE_EVENTS).to_numpy())
        table = events.iloc[at]
        event, names = pd.factorize(table["event"])
        detail, texts = pd.factorize(table["detail"])
        words = [str(text).split() for text in texts]
        epochs = np.array([_number(parts, 0) for parts in words], dtype=np.int64)
        keys = np.array([_number(parts, 1) for parts in words], dtype=np.int64)
        thirds = np.array([parts[2] if len(parts) > 2 else "" for parts in words], dtype=object)
        seconds = np.array([parts[1] if len(parts) > 1 else "" for parts in words], dtype=object)
        fourths = np.array([_number(parts, 3) for parts in words], dtype=np.int64)
        order = np.unique(epochs)
        epoch, version = epochs[detail], table["version"].to_numpy()
        place = np.where(version >= 0, np.searchsorted(order, epoch) * _EPOCHS_APART + version, -1)
        columns = [table[name].to_numpy() for name in ("t", "client", "node", "attempt")]
        self._rows: dict[str, Rows] = {}
        for name in MESSAGE_EVENTS:
            mask = event == list(names).index(name) if name in names else np.zeros(len(at), dtype=bool)
            codes = detail[mask]
            gap_or_answer = name in ("gap", "recovered")
            t, client, node, attempt = (column[mask] for column in columns)
            self._rows[name] = Rows(
                t,
                client,
                node,
                attempt,
                version[mask],
                epoch[mask],
                np.full(len(codes), -1) if gap_or_answer else keys[codes],
                place[mask],
                (seconds if gap_or_answer else thirds)[codes],
                fourths[codes],
                at[mask],
            )

    def __getitem__(self, name: str) -> Rows:
        return self._rows[name]

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
    def names(self) -> tuple[Array, Array, Array]:
        """Every (epoch, version) that was acknowledged by the broker or applied by a client, and was published.

        Returns:
            places in order, when the message was published (s), and whether the broker acknowledged it to the
            publisher; each of shape (names,).
        """
        published, delivered = self["published"], self["delivered"]
        stamped = published.place >= 0
        place = np.concatenate([published.place[stamped], delivered.place])
        when = np.concatenate([published.t[stamped], self.published_at(delivered.key)])
        real = ~np.isnan(when)
        places, first = np.unique(place[real], return_index=True)
        return places, when[real][first], np.isin(places, published.place[stamped])

    @cached_property
    def applied(self) -> Array:
        """When each client first applied each name, seconds, infinite where it did not; shape (clients, names)."""
        places, _, _ = self.names
        delivered = self["delivered"]
        times = np.full((self.record.scenario.clients.count, len(places)), np.inf)
        if len(places):
            rank = np.minimum(np.searchsorted(places, delivered.place), len(places) - 1)
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
        jumps = recovered.where(recovered.word == "snapshot")
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


def _number(words: list[str], place: int) -> int:
    return int(words[place]) if len(words) > place and words[place].isdigit() else -1
