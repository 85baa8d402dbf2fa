"""The provenance index in memory: the contract of `adapters.postgres.provenance` in its plainest form."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator, Mapping

from traceability.ledger.access import ITEM, Reader
from traceability.ledger.index import Indexer
from traceability.ledger.store import Record
from traceability.supply_chain.seen import SeenEvent, counting, see, things_named, with_declarations
from traceability.supply_chain.windows import Window


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

    def events(self, tags: Collection[str], during: Mapping[str, Window] | None = None) -> list[SeenEvent]:
        """Return the events that carry any of these tags, and what retracts them."""
        wanted = {*tags, *(during or ())}
        self._asked |= things_named(wanted)
        found = self.all()
        return with_declarations([event for event in found if not wanted.isdisjoint(event.tags)], found)

    def known(self, things: Collection[str], as_of: int | None = None) -> set[str]:
        """Return those of these things that an event that counts names, or names a member of."""
        tags = {tag: thing for thing in things for tag in (f"item:{thing}", f"lot:{thing}")}
        told = [event for event in counting(self.events(tags)) if as_of is None or event.occurred_at <= as_of]
        return {tags[tag] for event in told for tag in event.tags.intersection(tags)}

    def ties(
        self, tags: Collection[str], during: Mapping[str, Window] | None = None
    ) -> list[tuple[SeenEvent, Collection[str]]]:
        """Return the events that count and may tie things together, each with those of the tags that it carries."""
        wanted = {*tags, *(during or ())}
        found = counting(self.events(wanted))
        return [(event, event.tags.intersection(wanted)) for event in found if event.ties]

    def emptyings(self, parents: Collection[str]) -> list[SeenEvent]:
        """Return the events that close everything at once of these parents, and what retracts them."""
        found = self.all()
        emptyings = [e for e in found if e.empties and any(f"item:{parent}" in parents for parent in e.parents)]
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
