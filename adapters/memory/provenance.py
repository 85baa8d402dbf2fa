"""The provenance index in memory: the contract of `adapters.postgres.provenance` in its plainest form."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator

from traceability.ledger.access import ITEM, Reader
from traceability.ledger.index import Indexer
from traceability.ledger.store import Record
from traceability.supply_chain.seen import SeenEvent, see, things_named, with_declarations


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
        self._asked |= things_named(tags)
        wanted = set(tags)
        found = self.all()
        return with_declarations([event for event in found if not wanted.isdisjoint(event.tags)], found)

    def emptyings(self, parents: Collection[str]) -> list[SeenEvent]:
        """Return the events that close everything at once of these parents, and what retracts them."""
        wanted = set(parents)
        found = self.all()
        emptyings = [event for event in found if event.empties and not wanted.isdisjoint(event.tags)]
        return with_declarations(emptyings, found)

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
