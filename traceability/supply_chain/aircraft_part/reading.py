"""An aircraft part, read with what it was installed on."""

from __future__ import annotations

from traceability.ledger.index import MarkKind
from traceability.supply_chain.aircraft_part.life import DEEPEST, Told
from traceability.supply_chain.aircraft_part.part import AircraftPart, part_of
from traceability.supply_chain.history import item_history
from traceability.supply_chain.index import ProvenanceIndex
from traceability.supply_chain.parties import Parties
from traceability.supply_chain.seen import SeenEvent, Subjects
from traceability.supply_chain.story import empty, story_of, until


def aircraft_part(
    index: ProvenanceIndex, part: str, parties: Parties, as_of: int | None = None
) -> tuple[AircraftPart, dict[int, SeenEvent]]:
    """Tell all about a part by its name (`thing_of`), and give the events that it is told by, by position.

    Raises `NotFoundError` when the reader sees nothing of it. What it was installed on is read as far as it is seen.
    """
    history = item_history(index, part, parties, as_of)
    told = {part: Told(history.entries, [one for one in history.associations if one.child == part])}
    level = {part}
    for _ in range(DEEPEST):
        level = {one.parent for thing in level for one in told[thing].installations} - told.keys()
        if not level:
            break
        told.update((thing, _told_of(index, thing, parties, as_of)) for thing in sorted(level))
    events = {entry.event.position: entry.event for one in told.values() for entry in one.entries}
    return part_of(part, told, history.custody.holds), events


def _told_of(index: ProvenanceIndex, thing: str, parties: Parties, as_of: int | None) -> Told:
    """Return what is told of an assembly; nothing is needed of what else is installed on it."""
    story = story_of(index, thing, until(index.events(Subjects({thing})), as_of), parties, as_of)
    empty(index, story.containment, MarkKind.ASSOCIATION, as_of, story.believes)
    return Told(story.judged.entries, story.containment.of_child(thing, MarkKind.ASSOCIATION))
