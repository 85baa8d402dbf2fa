"""The provenance index in memory: the contract of `adapters.postgres.provenance` in its plainest form."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator, Mapping
from collections.abc import Set as AbstractSet

from traceability.ledger.access import ITEM, Reader
from traceability.ledger.index import Indexer, MarkKind
from traceability.ledger.store import Record
from traceability.supply_chain.containment import nesting
from traceability.supply_chain.decisions import SeenDecision, see_decision
from traceability.supply_chain.deeds import is_deed
from traceability.supply_chain.seen import MARK_KINDS, SeenEvent, Subjects, row_of, see
from traceability.supply_chain.standing import counting, with_declarations
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

    def events(self, asked: Subjects, during: Mapping[str, Window] | None = None) -> list[SeenEvent]:
        """Return the events that concern what is asked for, and what retracts them."""
        asked = asked._replace(things={*asked.things, *(during or ())})
        self._asked.update(asked.things, asked.lots)
        found = self.all()
        return with_declarations([event for event in found if event.concerns(asked)], found)

    def decisions(self, things: Collection[str]) -> list[SeenDecision]:
        """Return the decisions about these things."""
        decided = [see_decision(row, extent) for record, extent in self._visible if (row := row_of(record)) is not None]
        return [one for one in decided if one is not None and not one.decided_about.isdisjoint(things)]

    def known(self, things: Collection[str], as_of: int | None = None) -> set[str]:
        """Return those of these things that an event that counts names, or names a member of."""
        told = counting(self.events(Subjects(things=set(things), lots=set(things))))
        named = {name for event in told if as_of is None or event.occurred_at <= as_of for name in _named(event)}
        return named.intersection(things)

    def ties(
        self, asked: Subjects, during: Mapping[str, Window] | None = None, but: Collection[int] = ()
    ) -> list[SeenEvent]:
        """Return the events that count, concern what is asked for and may tie things together."""
        return [event for event in self.counting(asked, during, but) if event.ties]

    def deeds(
        self, asked: Subjects, during: Mapping[str, Window] | None = None, but: Collection[int] = ()
    ) -> list[SeenEvent]:
        """Return what `ties` does, and what else moves custody or ends things."""
        return [event for event in self.counting(asked, during, but) if event.ties or is_deed(event)]

    def counting(
        self, asked: Subjects, during: Mapping[str, Window] | None = None, but: Collection[int] = ()
    ) -> list[SeenEvent]:
        """Return the events that count and concern what is asked for."""
        told = frozenset(but)
        return [event for event in counting(self.events(asked, during)) if event.position not in told]

    def nesting(self, things: Collection[str], most: int) -> int:
        """Return how many containers deep what is in these things may go, at most `most`."""
        return nesting(self.all(), things, most)

    def leavings(self, within: Mapping[str, Window]) -> list[SeenEvent]:
        """Return the events that count, concern one of these things and may tie things together."""
        return self.ties(Subjects(things=within.keys()))

    def emptyings(self, kind: MarkKind, after: Collection[tuple[str, int]]) -> list[SeenEvent]:
        """Return what emptied parents first after an instant: the events that count and close everything."""
        self._asked.update(parent for parent, _ in after)
        emptyings = [event for event in counting(self.all()) if event.empties and MARK_KINDS[event.type] is kind]
        found: dict[int, SeenEvent] = {}
        for parent, instant in after:
            later = [event for event in emptyings if parent in event.parents and event.occurred_at > instant]
            first = min((event.occurred_at for event in later), default=None)
            found.update((event.position, event) for event in later if event.occurred_at == first)
        return list(found.values())

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


def _named(event: SeenEvent) -> AbstractSet[str]:
    return event.things | event.lots
