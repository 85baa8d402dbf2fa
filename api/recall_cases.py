"""Recall cases as a reader sees them, read from the ledger and folded."""

from __future__ import annotations

from collections.abc import Collection, Iterable
from typing import Final

from adapters.postgres.recalls import PostgresRecalls
from api.provenance_models import RecallName
from api.told import said_to
from api.wiring import Engine
from traceability.errors import NotFoundError
from traceability.ledger.access import Reader
from traceability.ledger.store import Record
from traceability.supply_chain.recall.case import RecallCase, case_of
from traceability.supply_chain.recall.events import PAYLOADS, RecallCancelled, RecallClosed, RecallOpened, Said, said_in

_OPEN_ON_A_THING: Final = 20
"""Cases that an item tells of."""
_ENDS: Final = (RecallOpened.type_name, RecallClosed.type_name, RecallCancelled.type_name)


def said_in_case(engine: Engine, reader: Reader, case: str, *, known_at: int | None = None) -> list[Said]:
    """Return what a reader sees of what is said in a case up to a position, in order of position."""
    return _said(engine, reader, case, known_at, PAYLOADS)


def case_seen(
    engine: Engine, reader: Reader, case: str, *, as_of: int | None = None, known_at: int | None = None
) -> RecallCase:
    """Return a case at a time (µs UTC) and position; raises `NotFoundError` (`recall.unknown`)."""
    said = said_in_case(engine, reader, case, known_at=known_at)
    return case_in(one for one in said if as_of is None or one.occurred_at <= as_of)


def case_in(said: Iterable[Said]) -> RecallCase:
    """Return the case that this is said in; raises `NotFoundError` (`recall.unknown`) when nobody opened it."""
    found = case_of(said)
    if found is None:
        raise NotFoundError("There is no such recall", code="recall.unknown", hint="Or none that you may see.")
    return found


def open_recalls(
    engine: Engine, reader: Reader, things: Iterable[str], *, known_at: int, as_of: int | None = None
) -> list[RecallCase]:
    """Return the cases that are open on one of these things at a time and position, the first twenty.

    They name the thing as a root, or in a notice; of a case no more is read than whether it is over.
    """
    naming: dict[str, list[Said]] = {}
    for record in PostgresRecalls(engine.ledger).naming(list(things), known_at):
        said = seen_as_said(engine, reader, record)
        if said is not None:
            naming.setdefault(said.payload.case, []).append(said)
    found: list[RecallCase] = []
    for case, names in naming.items():
        told = {one.position: one for one in (*names, *_said(engine, reader, case, known_at, _ENDS))}
        one = case_of(said for said in told.values() if as_of is None or said.occurred_at <= as_of)
        if one is not None and one.ended is None and len(found) < _OPEN_ON_A_THING:
            found.append(one)
    return found


def recall_name(found: RecallCase) -> RecallName:
    """Return what a case is called."""
    return RecallName(
        case=found.case,
        name=found.about.name,
        classification=found.about.classification,
        opened_by=found.opened_by,
        roots=list(found.about.roots),
    )


def seen_as_said(engine: Engine, reader: Reader, record: Record) -> Said | None:
    """Return what a reader sees a record say in a case."""
    return said_to(engine, reader, record, said_in)


def _said(engine: Engine, reader: Reader, case: str, known_at: int | None, types: Collection[str]) -> list[Said]:
    records = PostgresRecalls(engine.ledger).of_case(
        case, types, engine.ledger.head() if known_at is None else known_at
    )
    seen = (seen_as_said(engine, reader, record) for record in records)
    return [said for said in seen if said is not None and said.payload.case == case]
