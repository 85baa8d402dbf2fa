"""What is said of an irregularity: somebody knows of it, and what came of looking into it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated
from uuid import UUID

import orjson
from pydantic import StringConstraints

from traceability.errors import InvalidInputError
from traceability.ledger.event import UNREADABLE, DecisionPayload, LedgerEvent, opaque_data, opaque_index
from traceability.ledger.parts import Parts

Line = Annotated[str, StringConstraints(min_length=1, max_length=1_000)]


class IrregularityAcknowledged(DecisionPayload):
    """The event `event_id` breaks the rule `code` for `thing`, and that is known."""

    type_name = "supply_chain.irregularity_acknowledged.v1"
    thing: str
    code: str
    event_id: UUID
    note: Line | None = None

    def event(self, *, captured_by: str, occurred_at: int) -> LedgerEvent:
        """Return the event at an instant (µs UTC), seen by who makes it and by whoever is granted its part `more`."""
        return self.to_event(captured_by=captured_by, occurred_at=occurred_at, tags=[tag_of(self.event_id)])


def tag_of(event_id: UUID) -> str:
    """Return the tag of what is said of the irregularities of an event."""
    return f"irregularity:{event_id}"


@dataclass(frozen=True, slots=True)
class Acknowledgement:
    """An acknowledgement as it is recorded; times are in microseconds UTC."""

    said: IrregularityAcknowledged
    said_by: str
    occurred_at: int
    position: int
    event_id: UUID


def acknowledgement_in(parts: Parts, position: int, event_id: UUID) -> Acknowledgement | None:
    """Read an acknowledgement; None for other types, and for what only others can have written and nobody can read."""
    try:
        rows = opaque_index(parts)
        if orjson.loads(parts.head)["type"] != IrregularityAcknowledged.type_name or rows.sighting is None:
            return None
        said = IrregularityAcknowledged.model_validate_json(opaque_data(parts))
    except (InvalidInputError, *UNREADABLE):
        return None
    return Acknowledgement(said, rows.visibility.captured_by, rows.sighting.occurred_at, position, event_id)
