"""The provenance index in memory: the contract in its plainest form, leaving out all that it allows to leave out."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator, Mapping
from collections.abc import Set as AbstractSet

from traceability.ledger.access import ITEM, Reader
from traceability.ledger.index import Indexer, MarkKind
from traceability.ledger.store import Record
from traceability.supply_chain.containment import nesting, surrounding
from traceability.supply_chain.decisions import SeenDecision, see_decision
from traceability.supply_chain.index import PlainIndex, first_of
from traceability.supply_chain.seen import MARK_KINDS, Role, SeenEvent, Subjects, row_of, see
from traceability.supply_chain.standing import counting, with_declarations
from traceability.supply_chain.windows import Window, Windows, are_covering


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
        windows = during or {}
        self._asked.update(asked.things, asked.lots, windows)
        found = self.all()
        inside = _inside(found) if windows else frozenset[str]()
        told = [
            event
            for event in found
            if event.concerns(asked)
            or any(thing in inside or _within(event, windows[thing]) for thing in event.things & windows.keys())
        ]
        return with_declarations(told, found)

    def ties(
        self, asked: Subjects, during: Mapping[str, Windows] | None = None, but: Collection[int] = ()
    ) -> list[SeenEvent]:
        """Return the events that count, concern what is asked for and may tie things together."""
        windows = during or {}
        return [
            event
            for event in super().ties(asked, during, but)
            if event.concerns(asked)
            or any(mention.role is not Role.PARENT for mention in event.mentions if mention.thing in windows)
        ]

    def leavings(self, within: Mapping[str, Windows]) -> list[SeenEvent]:
        """Return the events that count, concern one of these things in its windows and may tie things together."""
        found = super().ties(Subjects(things=within.keys()))
        partly = {record.position for record, extent in self._visible if ITEM in extent and "what" not in extent}
        return [
            event
            for event in found
            if event.position in partly or any(_within(event, within[one]) for one in event.things & within.keys())
        ]

    def decisions(self, things: Collection[str]) -> list[SeenDecision]:
        """Return the decisions about these things."""
        decided = [see_decision(row, extent) for record, extent in self._visible if (row := row_of(record)) is not None]
        return [one for one in decided if one is not None and not one.decided_about.isdisjoint(things)]

    def nesting(self, things: Collection[str], most: int) -> int:
        """Return how many containers deep what is in these things may go, at most `most`."""
        return nesting(self.all(), things, most)

    def surrounding(self, things: Collection[str], most: int) -> dict[str, int]:
        """Return how many containers may be around each of these things, at most `most`."""
        return surrounding(self.all(), things, most)

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


def _inside(events: Iterable[SeenEvent]) -> AbstractSet[str]:
    """Return what was ever a child."""
    return frozenset([mention.thing for event in events for mention in event.mentions if mention.role is Role.CHILD])


def _within(event: SeenEvent, windows: Windows) -> bool:
    return are_covering(windows, Window(event.occurred_at, event.occurred_at))
