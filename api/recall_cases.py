"""Recall cases as a reader sees them, read from the ledger and folded."""

from __future__ import annotations

from collections.abc import Iterable
from contextlib import suppress
from typing import Final

from eventsourcing.dcb.api import DCBQuery, DCBQueryItem

from adapters.postgres.recalls import PostgresRecalls
from api.provenance_models import RecallLine
from api.wiring import Engine
from traceability.errors import NotFoundError
from traceability.ledger.access import Reader, redact
from traceability.ledger.event import LedgerEvent
from traceability.ledger.store import Record
from traceability.supply_chain.recall.case import OVER, RecallCase, case_of
from traceability.supply_chain.recall.events import PAYLOADS, Said, said_in

_OPEN_ON_A_THING: Final = 20
"""Cases that an item tells of."""


def said_in_case(engine: Engine, reader: Reader, case: str, *, known_at: int | None = None) -> list[Said]:
    """Return what a reader sees of what is said in a case up to a position, in order of position."""
    query = DCBQuery(items=[DCBQueryItem(types=list(PAYLOADS), tags=[f"case:{case}"])])
    found = []
    for one in engine.ledger.read(query):
        if known_at is not None and one.position > known_at:
            break
        assert isinstance(one.event, LedgerEvent)
        said = _seen(engine, reader, one.event, one.position)
        if said is not None and said.payload.case == case:
            found.append(said)
    return found


def case_seen(
    engine: Engine, reader: Reader, case: str, *, as_of: int | None = None, known_at: int | None = None
) -> RecallCase:
    """Return a case at a time (µs UTC) and position; raises `NotFoundError` (`recall.unknown`)."""
    said = said_in_case(engine, reader, case, known_at=known_at)
    found = case_of(one for one in said if as_of is None or one.occurred_at <= as_of)
    if found is None:
        raise NotFoundError("There is no such recall", code="recall.unknown", hint="Or none that you may see.")
    return found


def open_recalls(
    engine: Engine, reader: Reader, things: Iterable[str], *, known_at: int, as_of: int | None = None
) -> list[RecallCase]:
    """Return the cases that are open on one of these things at a time and position, as the reader sees them.

    Those that name the thing as a root, or in a notice; the first twenty.
    """
    visible = engine.visibility.allowed(reader)
    records = PostgresRecalls(engine.ledger).naming(list(things), visible, known_at)
    seen = (seen_as_said(engine, reader, record) for record in records)
    found: list[RecallCase] = []
    for case in dict.fromkeys(said.payload.case for said in seen if said is not None):
        with suppress(NotFoundError):
            one = case_seen(engine, reader, case, as_of=as_of, known_at=known_at)
            if one.stage not in OVER and len(found) < _OPEN_ON_A_THING:
                found.append(one)
    return found


def seen_as_said(engine: Engine, reader: Reader, record: Record) -> Said | None:
    """Return what a reader sees a record say in a case."""
    return _seen(engine, reader, record.event, record.position)


def recall_line(found: RecallCase) -> RecallLine:
    """Return a case as a list has it."""
    return RecallLine(
        case=found.case,
        name=found.about.name,
        classification=found.about.classification,
        stage=found.stage,
        opened_by=found.opened_by,
        roots=list(found.about.roots),
    )


def _seen(engine: Engine, reader: Reader, event: LedgerEvent, position: int) -> Said | None:
    extent = reader.extent(engine.rules.indexer(event.parts).visibility)
    if extent is None or event.event_id is None or event.recorded_at is None:
        return None
    return said_in(redact(event.parts, extent, ()), position, event.event_id, event.recorded_at)
