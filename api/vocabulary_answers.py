"""Master data as answers in JSON: an element with its history, and the elements of a vocabulary page by page.

They are written by our own encoder, so that numbers in attributes stay as they were stated.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Final
from uuid import UUID

from pydantic import BaseModel, Field

from api.receipts import Proof, receipt_address
from api.vocabularies import vocabularies_of
from api.wiring import Engine
from traceability.errors import NotFoundError
from traceability.gs1.epcis.master_data import Statement, name_of
from traceability.gs1.epcis.strict_json import JSON
from traceability.gs1.epcis.vocabularies import Vocabularies, master_data, standing
from traceability.ledger.access import Reader
from traceability.ledger.event import utc_text

MOST_POSITIONS: Final = 131_072
"""Positions of the ledger that one page of all vocabularies looks through."""

_PLACE: Final = "https://id.gs1.org/414/9521234000006"
_TIME: Final = "2026-03-01T08:15:00.000000Z"


class StatementOut(BaseModel):
    """What an organisation said, from when until when: an event of the ledger."""

    id: str = Field(examples=[_PLACE])
    vocabulary: str = Field(examples=["urn:epcglobal:epcis:vtype:BusinessLocation"])
    name: str | None = Field(examples=["Alpine Dairy, gate 1"])
    attributes: dict[str, Any] = Field(examples=[{"urn:epcglobal:cbv:mda:name": "Alpine Dairy, gate 1"}])
    children: list[str]
    valid_from: str | None = Field(examples=[_TIME])
    valid_until: str | None
    withdrawn: bool
    stated_by: str = Field(examples=["dairy.example"])
    stated_at: str = Field(examples=[_TIME])
    recorded_at: str = Field(examples=[_TIME])
    position: int
    event_id: UUID
    receipt: str = Field(examples=["/provenance/events/019ca877-0c1b-7000-8000-000000000001/receipt"])


class HistoryOut(StatementOut):
    """A statement of the history; `replaced` by a later one of the same organisation with the same beginning."""

    replaced: bool


class ElementOut(BaseModel):
    """What a thing is as of a time: `believed` has one statement of each vocabulary; and all that was ever said."""

    id: str
    name: str | None
    as_of: str = Field(examples=[_TIME])
    known_at: int
    believed: list[StatementOut]
    history: list[HistoryOut]


class PutOut(BaseModel):
    """What became of an element that was put: the event that says so, `recorded` now or said before."""

    id: str
    vocabulary: str
    recorded: bool
    position: int
    proof: Proof = None


@dataclass(frozen=True, slots=True)
class ElementPage:
    """A piece of a vocabulary, and the position behind which the next begins, None behind the last."""

    elements: list[dict[str, JSON]]
    next: int | None


def describe_element(
    engine: Engine,
    reader: Reader,
    subject: str,
    *,
    vocabulary: str | None = None,
    as_of: int | None = None,
    known_at: int | None = None,
) -> dict[str, JSON]:
    """Tell what is said of a subject, in one vocabulary or in all; `as_of` in µs UTC, now where None.

    Raises `NotFoundError` (`vocabulary.unknown`) when the reader may see nothing of it.
    """
    at = engine.clock.now_us() if as_of is None else as_of
    view = vocabularies_of(engine, reader, known_at)
    found = [one for one in view.of({subject}) if vocabulary in (None, one.element.vocabulary)]
    if not found:
        raise NotFoundError(
            "Nothing is said of this",
            code="vocabulary.unknown",
            hint="Or nothing that you may see.",
        )
    counting = {one.position for one in standing(found)}
    data = master_data(view, {subject})
    believed = [one for one in data.believed(subject, at) if vocabulary in (None, one.element.vocabulary)]
    return {
        "id": subject,
        "name": next((name for one in believed if (name := name_of(one.element.attributes)) is not None), None),
        "as_of": utc_text(at),
        "known_at": view.known_at,
        "believed": [_statement(one) for one in believed],
        "history": [{**_statement(one), "replaced": one.position not in counting} for one in found],
    }


def list_elements(
    engine: Engine,
    reader: Reader,
    vocabulary: str | None,
    *,
    as_of: int | None = None,
    known_at: int | None = None,
    after: int = 0,
    size: int,
) -> ElementPage:
    """Return the elements of a vocabulary, or of all, at a time, in the order in which each was first stated.

    A page looks at `size` statements and so may have fewer elements, or none, before the last. So it is without a
    vocabulary, where statements are looked for among all events of those who made them: `MOST_POSITIONS` at once.
    """
    at = engine.clock.now_us() if as_of is None else as_of
    view = vocabularies_of(engine, reader, known_at)
    if vocabulary is None:
        tags = {f"org:{organisation}" for organisation in view.organisations}
        up_to = min(after + MOST_POSITIONS, view.known_at)
    else:
        tags, up_to = {f"vocabulary:{vocabulary}"}, view.known_at
    batch = view.tagged(tags, size, after, up_to=up_to)
    first = _first_of(view, batch)
    things = [place for one in batch if first[place := _place_of(one)] == one.position]
    data = master_data(view, {subject for _, subject in things})
    believed = [one for kind, subject in things for one in data.believed(subject, at) if one.element.vocabulary == kind]
    looked_at = batch[-1].position if len(batch) == size else up_to
    goes_on = bool(tags) and looked_at < view.known_at
    return ElementPage([_statement(one) for one in believed], looked_at if goes_on else None)


def _first_of(view: Vocabularies, batch: list[Statement]) -> dict[tuple[str, str], int]:
    first: dict[tuple[str, str], int] = {}
    for one in view.of({one.element.subject for one in batch}):
        first.setdefault(_place_of(one), one.position)
    return first


def _place_of(one: Statement) -> tuple[str, str]:
    return one.element.vocabulary, one.element.subject


def _statement(one: Statement) -> dict[str, JSON]:
    element = one.element
    return {
        "id": element.id,
        "vocabulary": element.vocabulary,
        "name": name_of(element.attributes),
        "attributes": dict(element.attributes),
        "children": list(element.children),
        "valid_from": None if element.valid_from is None else utc_text(element.valid_from),
        "valid_until": None if element.valid_until is None else utc_text(element.valid_until),
        "withdrawn": element.withdrawn,
        "stated_by": one.stated_by,
        "stated_at": utc_text(one.stated_at),
        "recorded_at": utc_text(one.recorded_at),
        "position": one.position,
        "event_id": str(one.event_id),
        "receipt": receipt_address(one.event_id),
    }
