"""Statements as they are recorded: read back from the parts of their events, and indexed."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from hashlib import sha256
from uuid import UUID

import orjson

from traceability.errors import InvalidInputError
from traceability.ledger.access import REGISTER
from traceability.ledger.event import UNREADABLE, LedgerEvent, opaque_data, opaque_index
from traceability.ledger.index import IndexRows, Visibility
from traceability.ledger.parts import Parts
from traceability.ledger.register.statements import STATEMENTS, RegisterStatement


@dataclass(frozen=True, slots=True)
class Stated:
    """A statement as it is recorded at a position: who said it, and when (µs UTC).

    `hidden` tells that it is for those alone whom it is about; `digest` breaks ties and is never shown.
    """

    said: RegisterStatement
    stated_by: str
    stated_at: int
    position: int
    event_id: UUID
    recorded_at: int
    hidden: bool = False
    digest: bytes = field(default=b"", repr=False)


def stated_in(parts: Parts, position: int, event_id: UUID, recorded_at: int) -> Stated | None:
    """Read the statement that an event is, with the personal members that are open.

    None for other types, and for what only others can have written and nobody can read.
    """
    try:
        rows, kind = opaque_index(parts), STATEMENTS.get(orjson.loads(parts.head)["type"])
        if kind is None or rows.sighting is None:
            return None
        stated_by, stated_at = rows.visibility.captured_by, rows.sighting.occurred_at
        event = LedgerEvent(
            type=kind.type_name, data=opaque_data(parts), tags=list(rows.tags), captured_by=stated_by, parts=parts
        )
        said = kind.of(event)
    except (InvalidInputError, *UNREADABLE):
        return None
    hidden, digest = bool(rows.visibility.parties), sha256(parts.head + parts.more).digest()
    return Stated(said, stated_by, stated_at, position, event_id, recorded_at, hidden, digest)


def statement_rows(parts: Parts) -> IndexRows:
    """Return the index rows of such an event: open to everybody unless it names parties, and no event of EPCIS."""
    rows = opaque_index(parts)
    seen = rows.visibility
    if not seen.parties:
        seen = Visibility(seen.captured_by, (), REGISTER)
    return replace(rows, visibility=seen, sighting=None)
