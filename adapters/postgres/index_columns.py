"""Index rows of many events in columns, from hashes that were made without the names."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from adapters.postgres.index_sums import word
from adapters.postgres.packed import Array
from traceability.ledger.index import HashedRows, Visibility, event_id_tag, tag_digest

_HASH = ">i8"


class HashedBatch:
    """Collects the rows of events; an event is known by its ordinal, from 0."""

    def __init__(self) -> None:
        self.event_ids: list[bytes] = []
        self.visibilities: list[Visibility] = []
        self.hashes: list[bytes] = []
        self._counts: list[int] = []
        self._times: list[bytes] = []
        self._events: list[bytes] = []
        self._words: list[tuple[str | None, str | None]] = []
        self._marks = _Groups()
        self._kinds: list[int] = []
        self._opens: list[bool] = []
        self._edges = _Groups()
        self._inputs: list[bool] = []

    def add(self, event_id: bytes, found: HashedRows) -> None:
        """Take in an event: its id (16 bytes), and its rows."""
        hashes, visibility = found.hashes, found.visibility
        self.event_ids.append(event_id)
        self.visibilities.append(visibility)
        self.hashes += hashes
        self._counts.append(len(hashes))
        self._times.append(found.occurred_at)
        self._events.append(found.event)
        self._words.append((visibility.biz_step, found.disposition))
        if (marks := found.marks) is not None:
            self._marks.add(len(self._counts) - 1, marks.parent, marks.children)
            self._kinds.append(ord(marks.kind.value))
            self._opens.append(marks.opens)
        if (edges := found.edges) is not None:
            self._edges.add(len(self._counts) - 1, edges.via, edges.nodes)
            self._inputs.extend(edges.inputs)

    def tables(self, visibilities: Array) -> dict[str, tuple[Array, list[Array]]]:
        """Return for each table the ordinals of its rows, and their columns (`index_sums.COLUMNS`).

        The ids of the visibilities are given.
        """
        ordinals, none = np.arange(len(self._counts)), np.zeros(len(self._counts), np.int64)
        times = np.array(self._times, "S26").astype("datetime64[us]").astype(np.int64)
        words = np.array([word(*pair) for pair in self._words], np.int64)
        tagged = np.concatenate([np.repeat(ordinals, self._counts), ordinals])
        found_by = [tag_digest(event_id_tag(event_id.hex())) for event_id in self.event_ids]
        tags = _numbers([*self.hashes, *found_by])
        marked, marks = self._marks.rows()
        joined, edges = self._edges.rows()
        kinds, opens = (self._marks.spread(np.array(column, np.int64)) for column in (self._kinds, self._opens))
        return {
            "posting": (tagged, [tags, visibilities[tagged]]),
            "mark": (marked, [*marks, kinds, opens, times[marked], visibilities[marked]]),
            "edge": (joined, [*edges, np.array(self._inputs, np.int64), times[joined], visibilities[joined]]),
            "sighting": (ordinals, [times, visibilities, _numbers(self._events), none, words]),
        }


class _Groups:
    """Rows of which an event has several that share one hash."""

    def __init__(self) -> None:
        self._ordinals: list[int] = []
        self._shared: list[bytes] = []
        self._own: list[bytes] = []
        self._counts: list[int] = []

    def add(self, ordinal: int, shared: bytes, own: Sequence[bytes]) -> None:
        self._ordinals.append(ordinal)
        self._shared.append(shared)
        self._own.extend(own)
        self._counts.append(len(own))

    def spread(self, column: Array) -> Array:
        """Repeat what is said once an event for each of its rows."""
        return np.repeat(column, self._counts)

    def rows(self) -> tuple[Array, list[Array]]:
        """Return the ordinals of the rows, and their own and shared hashes."""
        ordinals = self.spread(np.array(self._ordinals, np.int64))
        return ordinals, [_numbers(self._own), self.spread(_numbers(self._shared))]


def _numbers(hashes: Sequence[bytes]) -> Array:
    return np.frombuffer(b"".join(hashes), _HASH)
