"""What is said of shipments, checked by the fold that reads it and recorded as events, each request once."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from decimal import Decimal
from typing import Final
from uuid import UUID

from eventsourcing.dcb.api import DCBAppendCondition, DCBEvent, DCBQuery, DCBQueryItem

from adapters.postgres.event_requests import EventRequest
from api.once import Drafted, append_drafted, new_name, recorded_before, unchanged
from api.provenance import ask, microseconds_of
from api.receipts import receipt_address
from api.shipment_models import AdviseIn, AnswerIn, CloseIn, CompleteIn, LegIn, ShipmentDone
from api.shipments import shipment_seen
from api.wiring import Engine
from traceability.errors import ConflictError, ForbiddenError, InvalidInputError, NotFoundError
from traceability.ledger.access import Reader
from traceability.ledger.event import LedgerEvent
from traceability.supply_chain.balance import EXACT, Amounts, counts_as_piece
from traceability.supply_chain.history import ItemHistory, item_history
from traceability.supply_chain.index import ProvenanceIndex
from traceability.supply_chain.parties import Parties
from traceability.supply_chain.seen import Role, identify, thing_of
from traceability.supply_chain.shipment.events import (
    MOST_LINES,
    AdvisedLine,
    ExceptionAnswered,
    ExceptionClosed,
    ExceptionOpened,
    Leg,
    Payload,
    ReceiptCompleted,
    Said,
    ShipmentAdvised,
    said_of,
)
from traceability.supply_chain.shipment.shipment import MEANINGS, ClaimReason, Shipment, claim_reason

_MOST_CONTAINERS: Final = 1_000
_Drafts = Callable[[Shipment], Sequence[Payload]]


def advise(engine: Engine, organisation: str, body: AdviseIn, *, request: EventRequest | None = None) -> ShipmentDone:
    """Record a despatch advice, with what the containers in it hold as far as the organisation sees it.

    Raises `InvalidInputError` (`shipment.lines`, `shipment.consignee`), and `ConflictError` (`shipment.advised_before`)
    when the organisation advised something under this transaction before.
    """
    if (before := recorded_before(engine, request)) is not None:
        return _done(engine, organisation, before)
    if body.consignee == organisation:
        raise InvalidInputError(
            "A shipment goes to another organisation", code="shipment.consignee", hint="Name who is to receive it."
        )
    advised = ShipmentAdvised(
        shipment=new_name(engine),
        advice=_advice(body.advice),
        consignee=body.consignee,
        lines=_lines(engine, engine.organisations.reader(organisation), body),
        legs=tuple(_leg(leg) for leg in body.legs),
        note=body.note,
    )
    query = DCBQuery(items=[DCBQueryItem(types=[ShipmentAdvised.type_name], tags=[f"transaction:{advised.advice}"])])

    def draft(head: int) -> Drafted:
        if any(_is_by(one.event, organisation) for one in engine.ledger.read(query)):
            raise _refused(ClaimReason.ADVISED_BEFORE)
        event = advised.event(captured_by=organisation, occurred_at=engine.clock.now_us(), to=body.consignee)
        return [event], DCBAppendCondition(query, after=head)

    return _done(engine, organisation, append_drafted(engine, draft, request))


def _is_by(event: DCBEvent, organisation: str) -> bool:
    return isinstance(event, LedgerEvent) and event.captured_by == organisation


def complete(
    engine: Engine, organisation: str, shipment: str, body: CompleteIn, *, request: EventRequest | None = None
) -> ShipmentDone:
    """Complete a receipt, as the consignee; what differs and no case names opens one, in the same append.

    Raises `NotFoundError` (`shipment.unknown`), `ForbiddenError` (`shipment.not_its_consignee`), and `ConflictError`
    (`shipment.completed`) when nothing became known since.
    """

    def drafts(found: Shipment) -> Sequence[Payload]:
        plain = ReceiptCompleted(shipment=shipment, receipts=found.receipts, note=body.note)
        if organisation != found.about.consignee:
            return [plain]
        reports = found.missing_reports()
        if found.completed is not None and not reports:
            raise ConflictError(
                "The receipt is complete, and all that differs is in a case",
                code="shipment.completed",
                hint="Record what came since, then complete it again.",
            )
        if not reports:
            return [plain]
        case = new_name(engine)
        opened = ExceptionOpened(shipment=shipment, case=case, reports=reports, resolution=body.resolution)
        return [opened, plain.model_copy(update={"exception": case})]

    return _say(engine, organisation, shipment, drafts, request)


def answer(
    engine: Engine, organisation: str, shipment: str, case: str, body: AnswerIn, *, request: EventRequest | None = None
) -> ShipmentDone:
    """Accept an exception case or reject it, as the shipper; the last answer counts.

    Raises `NotFoundError` (`shipment.unknown`, `shipment.no_such_case`), `ForbiddenError` (`shipment.not_its_shipper`)
    and `ConflictError` (`shipment.over`).
    """
    said = ExceptionAnswered(
        shipment=shipment, case=case, accepted=body.accepted, alternative=body.alternative, note=body.note
    )
    return _say(engine, organisation, shipment, lambda _: [said], request)


def close(
    engine: Engine, organisation: str, shipment: str, case: str, body: CloseIn, *, request: EventRequest | None = None
) -> ShipmentDone:
    """Close an exception case, as the consignee; raises as `answer` does (`shipment.not_its_consignee`)."""
    said = ExceptionClosed(shipment=shipment, case=case, note=body.note)
    return _say(engine, organisation, shipment, lambda _: [said], request)


def _say(
    engine: Engine, organisation: str, shipment: str, drafts: _Drafts, request: EventRequest | None
) -> ShipmentDone:
    """Record what is said of a shipment, unless the fold would take it for a mere claim."""
    reader = engine.organisations.reader(organisation)

    def draft(head: int) -> Drafted:
        found = shipment_seen(engine, reader, shipment, head)
        # Behind what it follows, whatever the clock of whoever said that.
        now = max(engine.clock.now_us(), max(one.occurred_at for one in found.said) + 1)
        other = found.advised.said_by if organisation == found.about.consignee else found.about.consignee
        events = [one.event(captured_by=organisation, occurred_at=now, to=other) for one in drafts(found)]
        _check(found, events, head, now)
        return events, unchanged((f"shipment:{shipment}", f"transaction:{found.about.advice}"), head)

    return _done(engine, organisation, append_drafted(engine, draft, request))


def _check(found: Shipment, events: Sequence[LedgerEvent], head: int, now: int) -> None:
    said = list(found.said)
    for event in events:
        draft = said_of(event.parts, head + 1, UUID(int=0), now)
        assert draft is not None
        if (reason := claim_reason(said, draft)) is not None:
            raise _refused(reason)
        said.append(draft)


def _refused(reason: ClaimReason) -> ConflictError | ForbiddenError | NotFoundError:
    kind: type[ConflictError | ForbiddenError | NotFoundError] = ForbiddenError
    if reason in (ClaimReason.OVER, ClaimReason.ADVISED_BEFORE):
        kind = ConflictError
    elif reason is ClaimReason.NO_SUCH_CASE:
        kind = NotFoundError
    return kind(MEANINGS[reason].sentence, code=f"shipment.{reason}", hint=MEANINGS[reason].remedy)


def _done(engine: Engine, organisation: str, position: int) -> ShipmentDone:
    (record,) = engine.ledger.records([position])
    event = record.event
    assert event.event_id is not None
    assert event.recorded_at is not None
    said = said_of(event.parts, position, event.event_id, event.recorded_at)
    assert said is not None
    reader = engine.organisations.reader(organisation)
    return ShipmentDone(
        shipment=said.payload.shipment,
        stage=shipment_seen(engine, reader, said.payload.shipment, position).stage,
        case=_case_of(said),
        position=position,
        event_id=event.event_id,
        receipt=receipt_address(event.event_id),
    )


def _case_of(said: Said) -> str | None:
    match said.payload:
        case ReceiptCompleted(exception=case):
            return case
        case ExceptionOpened(case=name) | ExceptionAnswered(case=name) | ExceptionClosed(case=name):
            return name
    return None


def _advice(text: str) -> str:
    """Return a business transaction as events are kept: of a GS1 key the canonical link."""
    identifier = identify(text)
    return text if identifier is None else identifier.uri


def _leg(leg: LegIn) -> Leg:
    return Leg(
        mode=leg.mode,
        from_place=leg.from_,
        to_place=leg.to,
        carrier=leg.carrier,
        departure=None if leg.departure is None else microseconds_of(leg.departure),
        arrival=None if leg.arrival is None else microseconds_of(leg.arrival),
    )


def _lines(engine: Engine, reader: Reader, body: AdviseIn) -> tuple[AdvisedLine, ...]:
    things = dict.fromkeys(thing_of(thing) for thing in body.things)
    lines = [AdvisedLine(thing=thing) for thing in things]
    lines += [AdvisedLine(thing=thing_of(one.id), quantity=one.quantity, uom=one.uom) for one in body.quantities]
    index = ask(engine, reader)
    parties = engine.parties(reader, index.known_at)
    todo, named = [thing for thing in reversed(things) if not counts_as_piece(thing)], set(things)
    looked = 0
    while todo and len(lines) <= MOST_LINES and looked <= _MOST_CONTAINERS:
        container = todo.pop()
        looked += 1
        for line in _contents(index, parties, container):
            if line.quantity is None:
                if line.thing in named:
                    continue
                named.add(line.thing)
                todo += [] if counts_as_piece(line.thing) else [line.thing]
            lines.append(line)
    if len(lines) > MOST_LINES or looked > _MOST_CONTAINERS:
        raise InvalidInputError(
            f"A despatch advice has at most {MOST_LINES} lines and {_MOST_CONTAINERS} containers, with what is in them",
            code="shipment.lines",
            hint="Advise it in several shipments.",
        )
    return tuple(lines)


def _contents(index: ProvenanceIndex, parties: Parties, container: str) -> Iterator[AdvisedLine]:
    """Yield what the reader sees in a container now."""
    try:
        found = item_history(index, container, parties)
    except NotFoundError:  # a container that nobody has spoken of yet
        return
    for child in found.state.contents:
        amounts = _amounts(found, child)
        if not amounts:
            yield AdvisedLine(thing=child, within=container)
        for uom, quantity in amounts.items():
            yield AdvisedLine(thing=child, quantity=quantity, uom=uom, within=container)


def _amounts(found: ItemHistory, child: str) -> Amounts:
    """Return how much of a lot or class is in a container, as the events that put it there tell; of a thing nothing."""
    opened = {one.opened_by for one in found.contents if one.child == child and one.closed_at is None}
    amounts: Amounts = {}
    for entry in found.entries:
        for mention in entry.event.mentions_of.get(child, ()) if entry.event.position in opened else ():
            if mention.role is Role.CHILD and mention.class_level and mention.quantity is not None:
                amounts[mention.uom] = EXACT.add(amounts.get(mention.uom, Decimal(0)), mention.quantity)
    return {uom: quantity for uom, quantity in amounts.items() if quantity > 0}
