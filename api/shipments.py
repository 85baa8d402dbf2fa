"""Shipments as HTTP, the command line and pages show them (models: `api.shipment_models`)."""

from __future__ import annotations

from typing import Final

from adapters.postgres.decisions import records_under
from api.receipts import receipt_address
from api.shipment_models import (
    ExceptionOut,
    HandoverOut,
    LegOut,
    MovementOut,
    ReportOut,
    RowOut,
    ShipmentLine,
    ShipmentOut,
    ShipmentSaidOut,
)
from api.told import events_under, said_to
from api.wiring import Engine
from traceability.errors import NotFoundError
from traceability.ledger.access import Reader
from traceability.ledger.event import utc_text
from traceability.supply_chain.seen import SeenEvent
from traceability.supply_chain.shipment.events import (
    SHIPMENTS,
    ExceptionAnswered,
    Report,
    Said,
    ShipmentAdvised,
    said_of,
)
from traceability.supply_chain.shipment.shipment import (
    ClaimReason,
    ExceptionCase,
    Moved,
    Shipment,
    Travelled,
    shipment_of,
)

PATH: Final = "/shipments"
MOST_LISTED: Final = 100


def shipment_seen(engine: Engine, reader: Reader, shipment: str, known_at: int, as_of: int | None = None) -> Shipment:
    """Return a shipment as a reader sees it; raises `NotFoundError` (`shipment.unknown`)."""
    found = shipment_of(*_told_of(engine, reader, shipment, known_at, as_of))
    if found is None:
        raise NotFoundError("There is no such shipment", code="shipment.unknown", hint="Or none that you may see.")
    return found


def describe_shipment(
    engine: Engine, reader: Reader, shipment: str, *, as_of: int | None = None, known_at: int | None = None
) -> ShipmentOut:
    """Tell a shipment; raises `NotFoundError` (`shipment.unknown`)."""
    head = engine.ledger.head()
    head = head if known_at is None else min(known_at, head)
    found = shipment_seen(engine, reader, shipment, head, as_of)
    movements = [_movement_out(one.event, one.told) for one in found.movements]
    movements += [_movement_out(one.of, (), one.reason) for one in found.claims if isinstance(one.of, SeenEvent)]
    said = [_said_out(one) for one in found.said]
    said += [_said_out(one.of, one.reason) for one in found.claims if isinstance(one.of, Said)]
    return ShipmentOut(
        **_line(found).model_dump(),
        as_of=utc_text(engine.clock.now_us() if as_of is None else as_of),
        known_at=head,
        sees_all=found.sees_all,
        rows=[RowOut(**row._asdict()) for row in found.rows],
        unnamed=[_report_out(report) for report in found.unnamed],
        legs=[_leg_out(leg) for leg in found.legs],
        handovers=[
            HandoverOut(
                place=one.place,
                from_carrier=one.from_carrier,
                to_carrier=one.to_carrier,
                arrived=_time(one.arrived),
                departed=_time(one.departed),
            )
            for one in found.handovers
        ],
        completed_at=None if found.completed is None else utc_text(found.completed.occurred_at),
        cases=[_case_out(case) for case in found.cases],
        movements=movements,
        said=said,
    )


def list_shipments(
    engine: Engine, reader: Reader, *, advice: str | None = None, before: int | None = None, limit: int = MOST_LISTED
) -> tuple[list[ShipmentLine], int | None]:
    """Return shipments, the last advised first, and the position before which the next page begins."""
    head = engine.ledger.head()
    tag = SHIPMENTS if advice is None else f"transaction:{advice}"
    visible = engine.visibility.allowed(reader)
    records = records_under(engine.ledger, [tag], visible, head if before is None else min(head, before - 1))
    said = [one for record in reversed(records) if (one := said_to(engine, reader, record, said_of)) is not None]
    begun = [one for one in said if isinstance(one.payload, ShipmentAdvised)]
    lines = []
    for one in begun[:limit]:
        found = shipment_seen(engine, reader, one.payload.shipment, head)
        if found.advised.position == one.position:
            lines.append(_line(found))
    return lines, begun[limit - 1].position if len(begun) > limit else None


def _told_of(
    engine: Engine, reader: Reader, shipment: str, known_at: int, as_of: int | None
) -> tuple[list[Said], list[SeenEvent]]:
    records = records_under(engine.ledger, [f"shipment:{shipment}"], engine.visibility.allowed(reader), known_at)
    seen = (said_to(engine, reader, record, said_of) for record in records)
    said = [one for one in seen if one is not None and one.payload.shipment == shipment]
    advices = {one.payload.advice for one in said if isinstance(one.payload, ShipmentAdvised)}
    events, _ = events_under(engine, reader, [f"transaction:{one}" for one in sorted(advices)], known_at)
    if as_of is None:
        return said, events
    return (
        [one for one in said if one.occurred_at <= as_of],
        [one for one in events if one.occurred_at <= as_of],
    )


def _line(found: Shipment) -> ShipmentLine:
    return ShipmentLine(
        shipment=found.about.shipment,
        advice=found.about.advice,
        stage=found.stage,
        shipper=found.advised.said_by,
        consignee=found.about.consignee,
        advised_at=utc_text(found.advised.occurred_at),
        exceptions=sum(case.closed is None for case in found.cases),
    )


def _time(at: int | None) -> str | None:
    return None if at is None else utc_text(at)


def _report_out(report: Report) -> ReportOut:
    return ReportOut.model_validate(report.model_dump())


def _leg_out(one: Travelled) -> LegOut:
    return LegOut(
        mode=one.leg.mode,
        from_place=one.leg.from_place,
        to_place=one.leg.to_place,
        carrier=one.leg.carrier,
        departure=_time(one.leg.departure),
        arrival=_time(one.leg.arrival),
        departed=_time(one.departed),
        arrived=_time(one.arrived),
        positions=list(one.positions),
    )


def _case_out(case: ExceptionCase) -> ExceptionOut:
    answer = case.answers[-1].payload if case.answers else None
    answered = answer if isinstance(answer, ExceptionAnswered) else None
    return ExceptionOut(
        case=case.about.case,
        opened_at=utc_text(case.opened.occurred_at),
        reports=[_report_out(report) for report in case.about.reports],
        resolution=case.about.resolution,
        accepted=None if answered is None else answered.accepted,
        alternative=None if answered is None else answered.alternative,
        closed_at=None if case.closed is None else utc_text(case.closed.occurred_at),
    )


def _movement_out(event: SeenEvent, told: tuple[Moved, ...], claim: ClaimReason | None = None) -> MovementOut:
    return MovementOut(
        told=list(told),
        by=event.captured_by,
        at=utc_text(event.occurred_at),
        position=event.position,
        event_id=event.event_id,
        receipt=receipt_address(event.event_id),
        claim=claim,
    )


def _said_out(said: Said, claim: ClaimReason | None = None) -> ShipmentSaidOut:
    return ShipmentSaidOut(
        type=said.payload.type_name.split(".")[1],
        said=said.payload.model_dump(mode="json", exclude_none=True, exclude={"shipment"}),
        said_by=said.said_by,
        said_at=utc_text(said.occurred_at),
        recorded_at=utc_text(said.recorded_at),
        position=said.position,
        event_id=said.event_id,
        receipt=receipt_address(said.event_id),
        claim=claim,
    )
