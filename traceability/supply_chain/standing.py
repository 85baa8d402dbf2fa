"""Which events of several count, and in which order folds read them.

The order is that of event time, then kind rank, then content digest; never that of arrival (design §3).
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from itertools import groupby, pairwise
from typing import Final

from traceability.ledger.event import microseconds
from traceability.supply_chain.decisions import ANSWERS, DECISION_TYPES
from traceability.supply_chain.seen import (
    AGGREGATION_EVENT,
    ASSOCIATION_EVENT,
    OBJECT_EVENT,
    TRANSFORMATION_EVENT,
    SeenEvent,
)

# Events of one instant: things are made, then leave, then enter, then are seen, then end; and what was decided of them
# comes after the deeds, an answer after what it answers. With clocks that tick in
# minutes, "unpacked here, packed there" often has one time; leaving first makes it mean what was meant, whatever the
# digests are.
_KIND_RANKS: Final[Mapping[tuple[str, str | None], int]] = {
    (OBJECT_EVENT, "ADD"): 0,
    (AGGREGATION_EVENT, "DELETE"): 2,
    (ASSOCIATION_EVENT, "DELETE"): 2,
    (AGGREGATION_EVENT, "ADD"): 3,
    (ASSOCIATION_EVENT, "ADD"): 3,
    (OBJECT_EVENT, "DELETE"): 5,
    **{(decision, None): 7 if decision in ANSWERS else 6 for decision in DECISION_TYPES},
}
_MADE_INTO: Final = 1
_SEEN: Final = 4


class FoldOrder:
    """The place of an event in a fold: by event time, then kind rank, then content digest; never by arrival.

    The digest, which reads every item, is only computed for events that agree in time and kind.
    """

    __slots__ = ("_event", "at", "rank")

    def __init__(self, event: SeenEvent) -> None:
        self.at = event.occurred_at
        self.rank = _kind_rank(event)
        self._event = event

    def __lt__(self, other: FoldOrder) -> bool:
        if (self.at, self.rank) != (other.at, other.rank):
            return (self.at, self.rank) < (other.at, other.rank)
        return self._event is not other._event and self._event.digest < other._event.digest

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, FoldOrder) or (self.at, self.rank) != (other.at, other.rank):
            return False
        return self._event is other._event or self._event.digest == other._event.digest

    def __hash__(self) -> int:
        return hash((self.at, self.rank))


def ordered(events: Iterable[SeenEvent]) -> list[SeenEvent]:
    """Return each event once, in the order of folds; position only separates events that say the same."""
    once = [*{event.position: event for event in events}.values()]
    turns = [time_and_kind(event) for event in once]
    places = sorted(range(len(once)), key=turns.__getitem__)
    found = [once[place] for place in places]
    # Few agree in time and kind, and only those have to be compared further.
    alike = [n for n, (one, next_) in enumerate(pairwise(places)) if turns[one] == turns[next_]]
    for start, end in _runs(alike):
        found[start:end] = sorted(found[start:end], key=lambda event: (FoldOrder(event), event.position))
    return found


def _runs(alike: Sequence[int]) -> Iterator[tuple[int, int]]:
    """Yield from where to where things are alike, given the places of those that are like the next."""
    for _, run in groupby(enumerate(alike), key=lambda numbered: numbered[1] - numbered[0]):
        places = [place for _, place in run]
        yield places[0], places[-1] + 2


def retractions(events: Iterable[SeenEvent]) -> dict[int, SeenEvent]:
    """Map the position of each retracted event to the declaration that retracts it.

    A declaration works for the organisation that made the event and for nobody else. Of several, the one that
    declared first is given.
    """
    events = list(events)
    declared: dict[tuple[str, str], SeenEvent] = {}
    for event in sorted((event for event in events if event.declares), key=_declaration_order):
        if event.joined is not None:
            declared.setdefault(event.joined, event)
    if not declared:
        return {}
    return {
        event.position: declared[event.joined]
        for event in events
        if not event.declares and event.joined is not None and event.joined in declared
    }


def with_declarations(events: Iterable[SeenEvent], among: Iterable[SeenEvent]) -> list[SeenEvent]:
    """Return events and, from `among`, the error declarations that retract one of them; each once."""
    found = {event.position: event for event in events}
    declarations = [event for event in among if event.declares]
    if declarations:
        joined = {event.joined for event in found.values()} - {None}
        for event in declarations:
            if event.joined in joined:
                found.setdefault(event.position, event)
    return list(found.values())


def counting(events: Iterable[SeenEvent]) -> list[SeenEvent]:
    """Return, once each and in no order, the events that count: neither retracted nor themselves a retraction."""
    once = {event.position: event for event in events}.values()
    retracted = retractions(once)
    return [event for event in once if not event.declares and event.position not in retracted]


def standing(events: Iterable[SeenEvent]) -> list[SeenEvent]:
    """Return the events that count, in order."""
    return ordered(counting(events))


def _declaration_order(event: SeenEvent) -> tuple[int, FoldOrder, int]:
    declaration = event.view.declaration if event.declares else None
    return (0 if declaration is None else microseconds(declaration.time)), FoldOrder(event), event.position


def time_and_kind(event: SeenEvent) -> tuple[int, int]:
    """Return the place of an event in the order of folds, but for its content."""
    return event.occurred_at, _kind_rank(event)


def _kind_rank(event: SeenEvent) -> int:
    return _KIND_RANKS.get((event.type, event.action), _MADE_INTO if event.type == TRANSFORMATION_EVENT else _SEEN)
