"""What ties things together, loaded from the index as a trace asks for it."""

from __future__ import annotations

from collections.abc import Collection, Iterable
from typing import Final, NamedTuple

from traceability.ledger.index import MarkKind
from traceability.supply_chain.containment import Containment
from traceability.supply_chain.index import ProvenanceIndex
from traceability.supply_chain.seen import TRANSFORMATION_EVENT, Role, SeenEvent, is_lot, standing

_JOINED: Final = "transformation:"


class Passage(NamedTuple):
    """A thing goes into (`is_input`) or comes out of a transformation at a time, as the event at `position` says.

    A transformation is named by the tag of its transformationID, or by that of the one event that has none.
    """

    transformation: str
    thing: str
    is_input: bool
    at: int
    position: int


class Links:
    """Containment, transformations and lot membership among the things loaded so far.

    `load` makes everything right that starts at the given things; what it brought in on the way may be incomplete.
    """

    def __init__(self, index: ProvenanceIndex, as_of: int | None) -> None:
        self._index = index
        self._as_of = as_of
        self._loaded: set[str] = set()
        self._emptied: set[str] = set()
        self._passages: dict[str, set[Passage]] = {}
        self._mentioned: set[str] = set()
        self.events: dict[int, SeenEvent] = {}
        self.containment = Containment()
        self.transformations: dict[str, set[Passage]] = {}
        self.lots: dict[str, dict[str, int]] = {}
        self.members: dict[str, dict[str, int]] = {}

    def known(self, thing: str) -> bool:
        """Tell whether any event that counts names a thing, or a member of it."""
        return thing in self._mentioned or thing in self.members

    def passages(self, thing: str) -> set[Passage]:
        """Return where a thing was an input or an output."""
        return self._passages.get(thing, set())

    def load(self, things: Collection[str], opened: Collection[str]) -> None:
        """Load what starts at `things`; `opened` are those of them whose contents and members are wanted too."""
        tags = {f"item:{thing}" for thing in things}
        tags.update(f"lot:{thing}" for thing in opened if is_lot(thing))
        self._fetch(tags)
        passages = (passage for thing in things for passage in self.passages(thing))
        self._fetch({p.transformation for p in passages if p.transformation.startswith(_JOINED)})
        # An interval ends when its child is packed elsewhere, so contents need the children's own events.
        for kind in MarkKind:
            children = {child for thing in opened for child in self.containment.children(thing, kind)}
            self._fetch({f"item:{child}" for child in children})
            self._fetch_emptyings({parent for thing in things for parent in self.containment.parents(thing, kind)})

    def _fetch(self, tags: set[str]) -> None:
        if missing := tags - self._loaded:
            self._loaded |= missing
            self._add(self._index.events(missing))

    def _fetch_emptyings(self, parents: set[str]) -> None:
        missing = {f"item:{parent}" for parent in parents} - self._loaded - self._emptied
        if missing:
            self._emptied |= missing
            self._add(self._index.emptyings(missing))

    def _add(self, events: Iterable[SeenEvent]) -> None:
        current = [e for e in standing(events) if self._as_of is None or e.view.occurred_at <= self._as_of]
        self.containment.add(current)
        for event in current:
            self.events[event.position] = event
            self._mentioned.update(event.mentions_of)
            if event.view.type == TRANSFORMATION_EVENT:
                self._add_transformation(event)
            for member, lot in event.memberships.items():
                lots = self.lots.setdefault(member, {})
                lots[lot] = self._earliest(event.position, lots.get(lot))
                self.members.setdefault(lot, {})[member] = lots[lot]

    def _add_transformation(self, event: SeenEvent) -> None:
        name = event.transformation or f"event:{event.event_id}"
        for mention in event.mentions:
            passage = Passage(name, mention.thing, mention.role is Role.INPUT, event.view.occurred_at, event.position)
            self.transformations.setdefault(name, set()).add(passage)
            self._passages.setdefault(mention.thing, set()).add(passage)

    def _earliest(self, position: int, known: int | None) -> int:
        if known is None or self.events[position].order < self.events[known].order:
            return position
        return known
