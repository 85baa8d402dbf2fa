"""Master data as capture, HTTP, the command line and pages state and read it."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass
from itertools import islice
from typing import Final

from eventsourcing.dcb.api import DCBAppendCondition, DCBQuery, DCBQueryItem

from adapters.postgres.ledgers import personal_members
from adapters.postgres.vocabularies import PostgresVocabularies
from api.wiring import Engine
from traceability.errors import ConflictError, NotFoundError
from traceability.gs1.epcis.master_data import ELEMENT_STATED, Statement, VocabularyElement
from traceability.gs1.epcis.vocabularies import master_data, standing
from traceability.ledger.access import Reader
from traceability.ledger.event import LedgerEvent
from traceability.ledger.store import AppendConflictError

CHUNK: Final = 500
"""Elements that are compared and appended at once."""

_ATTEMPTS: Final = 3


@dataclass(frozen=True, slots=True)
class StatedElement:
    """What became of an element: recorded, or said already (`new` false), at a position."""

    element: VocabularyElement
    position: int
    new: bool


def vocabularies_of(engine: Engine, reader: Reader, known_at: int | None = None) -> PostgresVocabularies:
    """Open a reader's view of the master data for one question."""
    return PostgresVocabularies(engine.ledger, engine.visibility, engine.register, reader=reader, known_at=known_at)


def names_for(
    engine: Engine,
    reader: Reader,
    subjects: Collection[str],
    *,
    as_of: int | None = None,
    known_at: int | None = None,
) -> dict[str, str]:
    """Return what a reader calls these things, as far as master data says so; `as_of` in µs UTC, now where None."""
    data = master_data(vocabularies_of(engine, reader, known_at), subjects)
    at = engine.clock.now_us() if as_of is None else as_of
    return {subject: name for subject in subjects if (name := data.name(subject, at)) is not None}


def state(
    engine: Engine, organisation: str, elements: Sequence[VocabularyElement], *, stated_at: int
) -> Iterator[list[StatedElement]]:
    """Record what an organisation says of elements at a time (µs UTC), some at once; yield what became of each.

    What it says already, as of that time, adds nothing. Raises `ConflictError` (`vocabulary.conflict`) when others
    state something for the same organisation again and again meanwhile.
    """
    waiting = iter(elements)
    while chunk := list(islice(waiting, CHUNK)):
        yield _state(engine, organisation, chunk, stated_at)


def withdraw(engine: Engine, organisation: str, element: VocabularyElement) -> StatedElement:
    """Record that an organisation's statement with the beginning of `element` holds no more.

    Raises `NotFoundError` (`vocabulary.unknown`) when it says nothing with this beginning.
    """
    said = [
        one
        for one in standing(vocabularies_of(engine, Reader(organisation)).of({element.subject}))
        if one.stated_by == organisation and _place_of(one.element) == _place_of(element)
    ]
    if not said or said[0].element.withdrawn:
        raise NotFoundError(
            "Your organisation says nothing of this", code="vocabulary.unknown", hint="Or with another beginning."
        )
    # Not before what it withdraws, whatever the clocks of those who stated that.
    stated_at = max(engine.clock.now_us(), said[0].stated_at + 1)
    return next(state(engine, organisation, [element], stated_at=stated_at))[0]


def _state(
    engine: Engine, organisation: str, elements: Sequence[VocabularyElement], stated_at: int
) -> list[StatedElement]:
    ledger = engine.ledger_of(organisation)
    with engine.pool.connection() as connection:
        personal = personal_members(connection, ledger.ledger_id)
    query = DCBQuery(
        items=[
            DCBQueryItem(types=[ELEMENT_STATED], tags=[f"org:{organisation}", f"vocabulary:{vocabulary}"])
            for vocabulary in sorted({element.vocabulary for element in elements})
        ]
    )
    for _ in range(_ATTEMPTS):
        own = vocabularies_of(engine, Reader(organisation))
        said = {
            _place_of(one.element): _Said(one.element.digest(), one.position)
            for one in sorted(own.of({element.subject for element in elements}), key=_order)
            if one.stated_by == organisation and one.stated_at <= stated_at
        }
        events: list[LedgerEvent] = []
        outcomes: list[tuple[VocabularyElement, _Said, bool]] = []
        for element in elements:
            place, digest = _place_of(element), element.digest()
            new = place not in said or said[place].digest != digest
            if new:
                said[place] = _Said(digest, own.known_at + 1 + len(events))
                events.append(element.event(organisation, stated_at, personal))
            outcomes.append((element, said[place], new))
        moved = 0
        if events:
            try:
                last = ledger.append(events, DCBAppendCondition(query, after=own.known_at))
            except AppendConflictError:
                continue
            moved = last - own.known_at - len(events)  # by what others recorded meanwhile
        return [
            StatedElement(element, at.position + (moved if at.position > own.known_at else 0), new)
            for element, at, new in outcomes
        ]
    raise ConflictError("Master data of this organisation is being stated elsewhere", code="vocabulary.conflict")


@dataclass(frozen=True, slots=True)
class _Said:
    digest: bytes
    position: int


def _place_of(element: VocabularyElement) -> tuple[str, str, int | None]:
    return element.vocabulary, element.subject, element.valid_from


def _order(statement: Statement) -> tuple[int, bytes]:
    return statement.stated_at, statement.element.digest()
