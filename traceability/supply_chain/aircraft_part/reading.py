"""An aircraft part, read with what it was installed on; and all that are installed on an assembly."""

from __future__ import annotations

from dataclasses import dataclass
from fractions import Fraction
from typing import Final

from traceability.errors import NotFoundError
from traceability.ledger.index import MarkKind
from traceability.supply_chain.aircraft_part.life import DEEPEST, Told
from traceability.supply_chain.aircraft_part.part import AircraftPart, part_of
from traceability.supply_chain.containment import Containment, Interval
from traceability.supply_chain.history import item_history
from traceability.supply_chain.index import ProvenanceIndex
from traceability.supply_chain.parties import Parties
from traceability.supply_chain.seen import SeenEvent, Subjects
from traceability.supply_chain.standing import counting
from traceability.supply_chain.story import empty, story_of, until

MOST_COMPONENTS: Final = 1_000
"""Parts of an assembly that are told; what has more is asked for assembly by assembly."""


@dataclass(frozen=True, slots=True)
class Component:
    """A part that is installed, directly or through others, on what was asked for."""

    part: AircraftPart
    on: Interval


def aircraft_part(
    index: ProvenanceIndex, part: str, parties: Parties, as_of: int | None = None
) -> tuple[AircraftPart, dict[int, SeenEvent]]:
    """Tell all about a part by its name (`thing_of`), and give the events that it is told by, by position.

    Raises `NotFoundError` when the reader sees nothing of it. What it was installed on is read as far as it is seen.
    """
    reading = _Reading(index, parties, as_of)
    found = reading.part(part)
    return found, {entry.event.position: entry.event for one in reading.told.values() for entry in one.entries}


def components(
    index: ProvenanceIndex, assembly: str, parties: Parties, as_of: int | None = None
) -> tuple[list[Component], dict[int, SeenEvent], bool]:
    """Tell all parts that are installed on an assembly, the events, and whether these are all of them.

    The one with the least life left under a limit comes first. Raises `NotFoundError` when nothing is seen of it.
    """
    reading = _Reading(index, parties, as_of)
    found, complete = reading.components(assembly)
    events = {entry.event.position: entry.event for one in reading.told.values() for entry in one.entries}
    return sorted(found, key=_by_what_is_left), events, complete


class _Reading:
    """What was read for one question: each assembly once, however many parts were on it."""

    def __init__(self, index: ProvenanceIndex, parties: Parties, as_of: int | None) -> None:
        self.told: dict[str, Told] = {}
        self._index = index
        self._parties = parties
        self._as_of = as_of

    def part(self, part: str) -> AircraftPart:
        history = item_history(self._index, part, self._parties, self._as_of)
        self.told[part] = Told(history.entries, [one for one in history.associations if one.child == part])
        level = {part}
        for _ in range(DEEPEST):
            level = {one.parent for thing in level for one in self.told[thing].installations}
            for thing in sorted(level - self.told.keys()):
                self.told[thing] = _told_of(self._index, thing, self._parties, self._as_of)
            if not level:
                break
        return part_of(part, self.told, history.custody.holds)

    def components(self, assembly: str) -> tuple[list[Component], bool]:
        level, found = [assembly], dict[str, Component]()
        for _ in range(DEEPEST):
            children = [child for thing in level for child in self._children(thing)]
            for child in dict.fromkeys(children):
                if child in found or child == assembly:
                    continue
                if len(found) == MOST_COMPONENTS:
                    return [*found.values()], False
                part = self.part(child)
                on = next((one for one in part.installed_on if one.parent in level), None)
                if on is not None:
                    found[child] = Component(part, on)
            level = [child for child in dict.fromkeys(children) if child in found and child not in level]
            if not level:
                break
        return [*found.values()], True

    def _children(self, assembly: str) -> list[str]:
        """Return what may be installed on an assembly; whether it is, its own story tells."""
        events = until(self._index.events(Subjects({assembly})), self._as_of)
        if not events:
            raise NotFoundError(f"Nothing is known of {assembly}.", hint="Check the identifier, and as whom you ask.")
        there = Containment(counting(events)).of_parent(assembly, MarkKind.ASSOCIATION)
        return sorted({one.child for one in there if one.closed_at is None})


def _by_what_is_left(component: Component) -> tuple[bool, Fraction, str]:
    shares = [
        Fraction(left, limit) if limit else Fraction(0)
        for one in component.part.life.limits
        for left, limit in ((one.cycles_left, one.cycles), (one.minutes_left, one.minutes))
        if left is not None and limit is not None
    ]
    return not shares, min(shares, default=Fraction(0)), component.part.part


def _told_of(index: ProvenanceIndex, thing: str, parties: Parties, as_of: int | None) -> Told:
    """Return what is told of an assembly; nothing is needed of what else is installed on it."""
    story = story_of(index, thing, until(index.events(Subjects({thing})), as_of), parties, as_of)
    empty(index, story.containment, MarkKind.ASSOCIATION, as_of, story.believes)
    return Told(story.judged.entries, story.containment.of_child(thing, MarkKind.ASSOCIATION))
