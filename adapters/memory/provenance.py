"""The provenance index in memory: the contract of `adapters.postgres.provenance` in its plainest form."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator, Mapping

from traceability.ledger.access import ITEM, Reader
from traceability.ledger.index import Indexer, MarkKind
from traceability.ledger.store import Record
from traceability.supply_chain.containment import nesting
from traceability.supply_chain.decisions import SeenDecision, see_decision
from traceability.supply_chain.index import PlainIndex, first_of
from traceability.supply_chain.seen import MARK_KINDS, SeenEvent, Subjects, row_of, see
from traceability.supply_chain.standing import counting, with_declarations
from traceability.supply_chain.windows import Windows


class MemoryProvenance(PlainIndex):
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

    def events(self, asked: Subjects, during: Mapping[str, Windows] | None = None) -> list[SeenEvent]:
        """Return the events that concern what is asked for, and what retracts them."""
        asked = asked._replace(things={*asked.things, *(during or ())})
        self._asked.update(asked.things, asked.lots)
        found = self.all()
        return with_declarations([event for event in found if event.concerns(asked)], found)

    def decisions(self, things: Collection[str]) -> list[SeenDecision]:
        """Return the decisions about these things."""
        decided = [see_decision(row, extent) for record, extent in self._visible if (row := row_of(record)) is not None]
        return [one for one in decided if one is not None and not one.decided_about.isdisjoint(things)]

    def nesting(self, things: Collection[str], most: int) -> int:
        """Return how many containers deep what is in these things may go, at most `most`."""
        return nesting(self.all(), things, most)

    def emptyings(self, kind: MarkKind, after: Collection[tuple[str, int]]) -> list[SeenEvent]:
        """Return what emptied parents first after an instant: the events that count and close everything."""
        self._asked.update(parent for parent, _ in after)
        emptyings = [event for event in counting(self.all()) if event.empties and MARK_KINDS[event.type] is kind]
        return first_of(emptyings, after)

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
