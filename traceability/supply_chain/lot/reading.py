"""A lot, read with what it was in and with its members."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

from traceability.errors import NotFoundError
from traceability.supply_chain.affected import BlastRadius
from traceability.supply_chain.custody import holds_in
from traceability.supply_chain.index import ProvenanceIndex
from traceability.supply_chain.lot.lot import Lot, Told, lot_of
from traceability.supply_chain.parties import Parties
from traceability.supply_chain.provenance import Direction, EdgeKind, TraceQuery, trace
from traceability.supply_chain.seen import SeenEvent, Subjects
from traceability.supply_chain.story import story_of, until
from traceability.supply_chain.windows import END

MOST_MEMBERS: Final = 10_000
"""Members of a lot up to which each is looked for."""


def read_lot(
    index: ProvenanceIndex,
    lot: str,
    parties: Parties,
    as_of: int | None = None,
    *,
    described: str | None = None,
    required: Sequence[str] = (),
) -> tuple[Lot, dict[int, SeenEvent]]:
    """Tell all about a lot by its name (`thing_of`), and give the events that it is told by, by position.

    `described` is what master data calls it, `required` are the kinds of certificates that a release needs. Raises
    `NotFoundError` when the reader sees nothing of it.
    """
    own = until(index.events(Subjects({lot}, {lot})), as_of)
    if not own and not until(index.decisions({lot}), as_of):
        raise NotFoundError(f"Nothing is known of {lot}.", hint="Check the identifier, and as whom you ask.")
    story = story_of(index, lot, own, parties, as_of)
    inside = [stay.container for stay in story.stays if stay.window.last == END]
    nest = {stay.container: story.containment.of_child(stay.container) for stay in story.stays}
    holds = holds_in(story.judged.custody, inside).holds
    told = Told(story.judged.entries, nest, holds, described, required)
    return lot_of(lot, told, parties.organisation_of), {entry.event.position: entry.event for entry in told.entries}


def members_of(index: ProvenanceIndex, lot: str, as_of: int | None = None) -> BlastRadius | None:
    """Tell what became of the members of a lot and where they were last seen, of `MOST_MEMBERS` at most.

    None when nothing is known of the lot by EPCIS events.
    """
    if not index.known([lot], as_of):
        return None
    query = TraceQuery(
        (lot,),
        Direction.FORWARD,
        as_of,
        max_depth=1,
        max_nodes=MOST_MEMBERS + 1,
        edge_kinds=frozenset({EdgeKind.LOT}),
        whereabouts=True,
    )
    return trace(index, query).blast_radius
