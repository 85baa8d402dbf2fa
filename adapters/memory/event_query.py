"""Queries for events over records in memory: the contract of `adapters.postgres.event_query` in its plainest form."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from functools import partial
from types import MappingProxyType
from typing import Final

from adapters.memory.vocabularies import MemoryVocabularies
from traceability.gs1.epcis.query.event_query import (
    EventQuery,
    FoundEvent,
    Order,
    Page,
    Place,
    QueryTooLargeError,
    asked_hash,
    called,
    matches,
    visible_parts,
)
from traceability.gs1.epcis.query.field_order import FieldOrder, goes_on, page_of
from traceability.gs1.epcis.query.master_data import meant, resolve
from traceability.gs1.epcis.view import EPCIS_TYPES, view_of
from traceability.ledger.access import Reader
from traceability.ledger.index import Indexer
from traceability.ledger.store import Record

NO_GLNS: Final[Mapping[str, str]] = MappingProxyType({})


class MemoryEventQueries:
    """Looks at every record for every page."""

    def __init__(
        self, records: Callable[[], Sequence[Record]], *, indexer: Indexer, glns: Mapping[str, str] = NO_GLNS
    ) -> None:
        self._records = records
        self._indexer = indexer
        self._glns = glns

    def page(
        self, query: EventQuery, *, reader: Reader, size: int, after: Place | None = None, known_at: int | None = None
    ) -> Page:
        """Return up to `size` events that meet the query as far as `reader` may see them, from the start or a place."""
        records = self._records()
        bounds = (None if after is None else after.head, known_at)
        head = min(len(records), *(len(records) if bound is None else bound for bound in bounds))
        said = partial(MemoryVocabularies, records, indexer=self._indexer, reader=reader, glns=self._glns)
        resolved = resolve(query, lambda condition: meant(condition, said(known_at=head, personal=False)))
        if resolved is None:
            return Page([], None)
        query = resolved
        found = []
        for record in records[:head]:
            extent = reader.extent(self._indexer(record.event.parts).visibility)
            event_id, recorded_at = record.event.event_id, record.event.recorded_at
            if extent is None or record.event.type not in EPCIS_TYPES or event_id is None or recorded_at is None:
                continue
            parts = visible_parts(record.event.parts, extent, query)
            view = view_of(parts, called=called(event_id), event_hash=asked_hash(parts, extent, query))
            if matches(view, recorded_at, query):
                found.append((view.occurred_at, FoundEvent(record.position, event_id, recorded_at, parts)))
        if after is None and query.most is not None and len(found) > query.most:
            raise QueryTooLargeError
        if query.sorted_by is not None:
            return _sorted_page([event for _, event in found], query, head=head, size=size, after=after)
        by_time = query.order is Order.EVENT_TIME
        found.sort(key=lambda one: (one[0] if by_time else 0, one[1].position), reverse=query.descending)
        found = found[: query.limit]
        given = 0 if after is None else after.given
        page = found[given : given + size]
        if len(found) <= given + size:
            return Page([event for _, event in page], None)
        occurred_at, last = page[-1]
        return Page([event for _, event in page], Place(head, occurred_at, last.position, given + size))


def _sorted_page(found: Sequence[FoundEvent], query: EventQuery, *, head: int, size: int, after: Place | None) -> Page:
    sorting = FieldOrder(query)
    sorting.add(found)
    order, events = sorting.positions(), {event.position: event for event in found}
    start, end = page_of(order, query, size=size, after=after)
    return Page([events[position] for position in order[start:end]], goes_on(order, query, head=head, end=end))
