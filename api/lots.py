"""Answers about lots, as HTTP, the command line and the page give them (models: `api.lot_models`)."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from datetime import datetime
from typing import Final, NamedTuple

from api.lot_models import (
    AssignedOut,
    KeyDataOut,
    LotAmountOut,
    LotCertificateOut,
    LotDatesOut,
    LotEventOut,
    LotFindingOut,
    LotMembersAtOut,
    LotMembersOut,
    LotOut,
    LotRecalledOut,
    LotSumOut,
    ObstacleOut,
    PassedOut,
    ReleaseOut,
)
from api.provenance import ask, hold_out, microseconds_of, names_of
from api.recall_cases import open_recalls, recall_name
from api.receipts import receipt_address
from api.wiring import Engine
from traceability.errors import InvalidInputError
from traceability.gs1.identifiers import Identifier
from traceability.ledger.access import Reader
from traceability.ledger.event import utc_text
from traceability.supply_chain.days import day_at
from traceability.supply_chain.index import ProvenanceIndex
from traceability.supply_chain.lot.certificates import Certificate
from traceability.supply_chain.lot.lot import Lot
from traceability.supply_chain.lot.reading import MOST_MEMBERS, members_of, read_lot
from traceability.supply_chain.lot.terms import MEANINGS, Lack, Obstacle
from traceability.supply_chain.recall.case import RecallCase
from traceability.supply_chain.seen import SeenEvent, is_lot, thing_of

PATH: Final = "/lots"
MOST_REQUIRED: Final = 20
"""Kinds of certificates that a question may require."""


class _Cited(NamedTuple):
    """The events that an answer tells of."""

    events: Mapping[int, SeenEvent]

    def at(self, position: int | None) -> LotEventOut | None:
        event = None if position is None else self.events.get(position)
        return None if event is None else self.event(event.position)

    def event(self, position: int) -> LotEventOut:
        event = self.events[position]
        return LotEventOut(
            position=position,
            event_id=event.event_id,
            by=event.captured_by,
            at=utc_text(event.occurred_at),
            receipt=receipt_address(event.event_id),
        )


def describe_lot(
    engine: Engine,
    reader: Reader,
    identifier: Identifier,
    *,
    as_of: datetime | None = None,
    known_at: int | None = None,
    required: Sequence[str] = (),
) -> LotOut:
    """Tell all about a lot; raises `NotFoundError` when the reader may see nothing of it.

    Raises `InvalidInputError`: `lot.identifier` for what is no lot, `provenance.as_of`, `provenance.known_at`.
    """
    lot = thing_of(identifier.uri)
    if not is_lot(lot):
        raise InvalidInputError(
            "This is no lot of a trade item",
            code="lot.identifier",
            hint="Give the GTIN and the lot number: (01)…(10)….",
        )
    at = None if as_of is None else microseconds_of(as_of)
    index = ask(engine, reader, known_at)
    names = names_of(engine, reader, [lot], as_of=at, known_at=index.known_at)
    parties = engine.parties(reader, index.known_at)
    found, events = read_lot(index, lot, parties, at, described=names.get(lot), required=required)
    recalls = open_recalls(engine, reader, [lot], known_at=index.known_at, as_of=at)
    now = engine.clock.now_us() if at is None else at
    cited = _Cited(events)
    return LotOut(
        id=lot,
        as_of=utc_text(now),
        known_at=index.known_at,
        description=found.description,
        stage=found.stage,
        passed=[
            PassedOut(stage=one.stage, documents=list(one.documents), event=cited.event(one.position))
            for one in found.passed
        ],
        made=found.made,
        assigned=None
        if found.assigned is None
        else AssignedOut(source=found.assigned.source, event=cited.event(found.assigned.position)),
        dates=LotDatesOut.model_validate(found.dates, from_attributes=True),
        expired=found.expired(now),
        quantities_complete=not found.unstated,
        sums=[
            LotSumOut(uom=one.uom, left=one.left, **{k.value: v for k, v in one.totals.items()}) for one in found.sums
        ],
        amounts=[LotAmountOut(uom=row.uom, quantity=row.quantity, **row.account._asdict()) for row in found.stock],
        members=_members(index, found, at),
        holds=[hold_out(hold) for hold in found.holds],
        recalled=_recalled(found, cited),
        recalls=[recall_name(one) for one in recalls],
        certificates=[_certificate(one, cited, now) for one in found.certificates],
        release=_release(found, recalls, required, cited, now),
        key_data=[
            KeyDataOut(
                tracked=one.tracked,
                told={element: list(texts) for element, texts in one.told.items()},
                missing=list(one.missing),
                event=cited.at(one.position),
            )
            for one in found.key_data
        ],
        findings=[
            LotFindingOut(
                code=one.code,
                severity=MEANINGS[one.code][1],
                rule=MEANINGS[one.code][0],
                note=one.note,
                event=cited.at(one.position),
                against=cited.at(one.against),
            )
            for one in found.findings
        ],
    )


def required_kinds(text: str | None) -> list[str]:
    """Read the kinds of certificates that a question requires, with commas between; raises `InvalidInputError`."""
    kinds = list(dict.fromkeys(kind for one in (text or "").split(",") if (kind := one.strip())))
    if len(kinds) > MOST_REQUIRED:
        raise InvalidInputError(
            f"A question requires at most {MOST_REQUIRED} kinds of certificates", code="lot.requires"
        )
    return kinds


def _members(index: ProvenanceIndex, found: Lot, at: int | None) -> LotMembersOut | None:
    if not found.members:
        return None
    told = members_of(index, found.lot, at) if found.members <= MOST_MEMBERS else None
    if told is None:
        return LotMembersOut(items=found.members, ended=None, in_transit=None, places=None)
    return LotMembersOut(
        items=found.members,
        ended=dict(told.ended),
        in_transit=told.in_transit,
        places=[LotMembersAtOut(place=one.id, items=one.items) for one in told.places or () if one.items],
    )


def _recalled(found: Lot, cited: _Cited) -> LotRecalledOut | None:
    one = found.recalled
    return one and LotRecalledOut(since=utc_text(one.since), by=one.by, reason=one.reason, event=cited.at(one.position))


def _certificate(one: Certificate, cited: _Cited, now: int) -> LotCertificateOut:
    return LotCertificateOut(
        kinds=list(one.kinds),
        identification=one.identification,
        status=one.status,
        value=one.value,
        first=one.first,
        last=one.last,
        valid=one.is_valid_on(day_at(now)),
        adverse=one.is_adverse,
        event=cited.at(one.position),
    )


def _release(found: Lot, recalls: Sequence[RecallCase], required: Sequence[str], cited: _Cited, now: int) -> ReleaseOut:
    obstacles = [*found.obstacles(now, required), *_of_cases(recalls)]
    return ReleaseOut(
        may_be_released=not obstacles,
        required=list(required),
        obstacles=[ObstacleOut(lack=one.lack, kind=one.kind, event=cited.at(one.position)) for one in obstacles],
    )


def _of_cases(recalls: Sequence[RecallCase]) -> Iterator[Obstacle]:
    for one in recalls:
        yield Obstacle(Lack.RECALLED, one.about.name)
