"""The provenance index in memory: the contract of `adapters.postgres.provenance` in its plainest form."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator

from traceability.ledger.access import ITEM, Reader
from traceability.ledger.index import Indexer
from traceability.ledger.store import Record
from traceability.supply_chain.seen import SeenEvent, see


class MemoryProvenance:
    """Looks at every record for every question."""

    def __init__(
        self, records: Iterable[Record], *, reader: Reader, indexer: Indexer, known_at: int | None = None
    ) -> None:
        kept = [record for record in records if known_at is None or record.position <= known_at]
        self._known_at = max((record.position for record in kept), default=0) if known_at is None else known_at
        self._visible = [
            (record, extent)
            for record in kept
            if (extent := reader.extent(indexer(record.event.parts).visibility)) is not None
        ]
        self._asked: set[str] = set()
        self._seen: dict[int, SeenEvent] = {}

    @property
    def known_at(self) -> int:
        """Return the last position that is taken into account."""
        return self._known_at

    def events(self, tags: Collection[str]) -> list[SeenEvent]:
        """Return the events that carry any of these tags, and what retracts them."""
        self._asked.update(tag.partition(":")[2] for tag in tags)
        wanted = set(tags)
        return self._with_declarations(event for event in self._events() if not wanted.isdisjoint(event.tags))

    def emptyings(self, parents: Collection[str]) -> list[SeenEvent]:
        """Return the events that close everything at once of these parents, and what retracts them."""
        wanted = set(parents)
        return self._with_declarations(
            event for event in self._events() if event.empties and not wanted.isdisjoint(event.tags)
        )

    def all(self) -> list[SeenEvent]:
        """Return every event that the reader may see, as far as it has asked."""
        return list(self._events())

    def _events(self) -> Iterator[SeenEvent]:
        for record, extent in self._visible:
            # What a reader sees of other events does not depend on what it asked for.
            event = self._seen.get(record.position) or see(record, extent, self._asked)
            if event is not None:
                if ITEM not in extent:
                    self._seen[record.position] = event
                yield event

    def _with_declarations(self, events: Iterable[SeenEvent]) -> list[SeenEvent]:
        found = {event.position: event for event in events}
        joined = {event.joined for event in found.values()} - {None}
        for event in self._events():
            if event.view.declaration is not None and event.joined in joined:
                found.setdefault(event.position, event)
        return list(found.values())
