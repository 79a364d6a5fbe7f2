"""The message events of a record as arrays: who applied what when, and where each client stood."""

from dataclasses import dataclass
from functools import cached_property

import numpy as np

from twin.measures.base import Array
from twin.record.columns import Words
from twin.record.record import MESSAGE_EVENTS, Record

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
        self._details = _Details(record.columns.detail.at(record.columns.event.isin(*MESSAGE_EVENTS)))
        self._rows: dict[str, Rows] = {}

    def __getitem__(self, name: str) -> Rows:
        if name not in self._rows:
            self._rows[name] = self._read(name)
        return self._rows[name]

    def _read(self, name: str) -> Rows:
        at, read = self.record.columns.where(name), self._details
        events, gap_or_answer = self.record.columns.at(at), name in ("gap", "recovered")
        say = events.detail.say
        return Rows(
            events.t,
            events.client,
            events.node,
            events.attempt,
            events.version,
            say(read.epoch),
            np.full(len(at), -1) if gap_or_answer else say(read.second),
            np.where(events.version >= 0, say(read.place) + events.version, -1),
            say(read.word_2 if gap_or_answer else read.word_3),
            say(read.fourth),
            at,
        )

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
        details = self.record.columns.detail.at(self["delivered"].at)
        return details.say(self.published_at(self._details.second))

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


def _runs(values: Array) -> tuple[Array, Array]:
    """Return where each run of equal values begins, and how long it is: deliveries of a message mostly follow each
    other, and a run is looked up once.
    """
    heads = np.flatnonzero(np.concatenate([np.ones(min(1, len(values)), bool), values[1:] != values[:-1]]))
    return heads, np.diff(heads, append=len(values))


class _Details:
    """What the words of details mean, read once for each text and not for each event; arrays of shape (texts,).

    `epoch`, `second` and `fourth` are the first, second and fourth word as numbers, -1 without one, `word_2` and
    `word_3` the words themselves, and `place` is where the epoch begins among the places of all.
    """

    def __init__(self, details: Words) -> None:
        words: list[list[str]] = [[] for _ in details.texts]
        used = details.used()
        for i in used.tolist():
            words[i] = details.texts[i].split()
        self.epoch, self.second, self.fourth = (
            np.array([_number(parts, i) for parts in words], np.int64) for i in (0, 1, 3)
        )
        self.word_2, self.word_3 = (
            np.array([parts[i] if len(parts) > i else "" for parts in words], object) for i in (1, 2)
        )
        self.place = np.searchsorted(np.unique(self.epoch[used]), self.epoch) * _EPOCHS_APART


def _number(words: list[str], place: int) -> int:
    return int(words[place]) if len(words) > place and words[place].isdigit() else -1
