"""Answers about things, as HTTP and the command line give them (models: `api.provenance_models`)."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from datetime import UTC, datetime, timedelta
from typing import Any, Final

from adapters.postgres.provenance import PostgresProvenance
from api.notary import published_logs
from api.provenance_models import (
    USUAL_HISTORY,
    EntryOut,
    HoldingOut,
    HoldOut,
    IntervalOut,
    ItemOut,
    ProposalOut,
    QuantityOut,
    ReadingOut,
    ShipmentOut,
    StateOut,
    TreeOut,
    Trees,
)
from api.recall_cases import open_recalls, recall_name
from api.stops import stops_on
from api.vocabularies import names_for
from api.web import words
from api.web.names import standing_for
from api.wiring import Engine
from traceability.errors import InvalidInputError
from traceability.gs1.identifiers import Identifier
from traceability.ledger.access import Reader
from traceability.ledger.event import EPOCH, utc_text
from traceability.ledger.index import MarkKind
from traceability.supply_chain.containment import Interval
from traceability.supply_chain.custody import Hold, Proposal, Shipment
from traceability.supply_chain.decisions import HoldingRole, SeenDecision
from traceability.supply_chain.entry import HistoryEntry
from traceability.supply_chain.history import ItemHistory, item_history
from traceability.supply_chain.item import ItemState, QuantityFact
from traceability.supply_chain.parties import Parties
from traceability.supply_chain.readings import Reading
from traceability.supply_chain.recall.case import RecallCase
from traceability.supply_chain.seen import SeenEvent, thing_of

_NAMED: Final = 100
"""Things of each kind in an answer whose names are told."""


def ask(engine: Engine, reader: Reader, known_at: int | None = None) -> PostgresProvenance:
    """Open a reader's view of the ledger for one question."""
    return PostgresProvenance(engine.ledger, engine.visibility, reader=reader, known_at=known_at)


def describe_item(
    engine: Engine,
    reader: Reader,
    identifier: Identifier,
    *,
    as_of: datetime | None = None,
    known_at: int | None = None,
    limit: int = USUAL_HISTORY,
) -> ItemOut:
    """Tell all about a thing; raises `NotFoundError` when the reader may see nothing of it.

    `as_of` has an offset; raises `InvalidInputError` for one that UTC has no date for (`provenance.as_of`), and for a
    position yet to come (`provenance.known_at`).
    """
    found, parties = _told(engine, reader, identifier, as_of=as_of, known_at=known_at)
    answer = describe_history(engine, found, identifier, limit)
    recalls = [recall_name(one) for one in recalls_on(engine, reader, found)]
    stops = stops_on(engine, reader, found, parties)
    names = _names(engine, reader, answer, found)
    return answer.model_copy(update={"names": names, "recalls": recalls, "stops": stops})


def recalls_on(engine: Engine, reader: Reader, found: ItemHistory) -> list[RecallCase]:
    """Return the recalls that are open on a thing, its lot, or what it is in."""
    state = found.state
    things = [found.thing, *([] if state.lot is None else [state.lot]), *state.contained_in]
    return open_recalls(engine, reader, things, known_at=found.known_at, as_of=found.as_of)


def _names(engine: Engine, reader: Reader, answer: ItemOut, found: ItemHistory) -> dict[str, str]:
    """Return the names of the places and things in an answer, as of its time and position."""
    state = answer.state
    uris = {answer.id, *state.contained_in, *state.attached_to, *state.attachments, *state.contents[:_NAMED]}
    uris |= {*state.transformed_from[:_NAMED], *state.transformed_into[:_NAMED]}
    uris |= {place for entry in answer.history for place in (entry.read_point, entry.biz_location) if place}
    return names_of(engine, reader, uris, as_of=found.as_of, known_at=found.known_at)


def names_of(
    engine: Engine, reader: Reader, uris: Collection[str], *, as_of: int | None, known_at: int
) -> dict[str, str]:
    """Return what a reader calls places and things by master data: by the name of a thing, its lot or its class."""
    meant = {uri: standing_for(uri) for uri in sorted(uris)}
    subjects = {subject for standing in meant.values() for subject in standing}
    names = names_for(engine, reader, subjects, as_of=as_of, known_at=known_at)
    told = (
        (uri, next((names[subject] for subject in standing if subject in names), None))
        for uri, standing in meant.items()
    )
    return {uri: name for uri, name in told if name is not None}


def history_of(
    engine: Engine, reader: Reader, identifier: Identifier, *, as_of: datetime | None, known_at: int | None
) -> ItemHistory:
    """Find all that happened to a thing; raises as `describe_item` does."""
    return _told(engine, reader, identifier, as_of=as_of, known_at=known_at)[0]


def _told(
    engine: Engine, reader: Reader, identifier: Identifier, *, as_of: datetime | None, known_at: int | None
) -> tuple[ItemHistory, Parties]:
    at = None if as_of is None else microseconds_of(as_of)
    index = ask(engine, reader, known_at)
    parties = engine.parties(reader, index.known_at)
    return item_history(index, thing_of(identifier.uri), parties, at), parties


def published_trees(engine: Engine) -> Trees:
    """Return the trees that the checkpoints of the ledger's logs sign; none before the first is published."""
    found = [(log.database.identity, log.served()) for log in published_logs(engine)]
    if all(served is None for _, served in found):
        return Trees(())
    return Trees(
        tuple(
            TreeOut(
                name=known.name,
                origin=known.origin,
                vkey=known.vkey,
                first_position=known.first_position,
                size=0 if served is None else served[0].size,
            )
            for known, served in found
        )
    )


def describe_history(engine: Engine, found: ItemHistory, identifier: Identifier, limit: int) -> ItemOut:
    """Tell what a history says."""
    return item_out(found, identifier, published_trees(engine), limit)


def item_out(found: ItemHistory, identifier: Identifier, trees: Trees, limit: int) -> ItemOut:
    """Return the answer that a history is, wherever it was read."""
    return ItemOut(
        id=found.thing,
        kind=identifier.kind,
        as_of=_time(found.as_of),
        known_at=found.known_at,
        state=_state(found.state),
        **custody_members(found),
        proposals=[_proposal(proposal) for proposal in found.custody.proposals],
        history_count=len(found.entries),
        history=[_entry(entry, trees) for entry in found.entries[-limit:]],
        containers=_intervals(found.containers),
        contents=_intervals(found.contents),
        associations=_intervals(found.associations),
        members=list(found.members),
        readings=[_reading(reading) for reading in found.readings],
        log=trees.newest,
    )


def _state(state: ItemState) -> StateOut:
    return StateOut(
        lifecycle=state.lifecycle,
        commissioned_at=_time(state.commissioned_at),
        disposition=state.disposition,
        persistent_dispositions=sorted(state.persistent_dispositions),
        place=state.place,
        place_since=_time(state.place_since),
        last_step=state.last_step,
        last_seen_at=_time(state.last_seen_at),
        lot=state.lot,
        contained_in=list(state.contained_in),
        contents=list(state.contents),
        attached_to=list(state.attached_to),
        attachments=list(state.attachments),
        transformed_from=list(state.transformed_from),
        transformed_into=list(state.transformed_into),
        quantities=[_quantity(fact) for fact in state.quantities],
        temperatures=[_reading(reading) for reading in state.temperatures],
    )


def _entry(entry: HistoryEntry, trees: Trees) -> EntryOut:
    return EntryOut(
        **event_members(entry.event, trees),
        roles=sorted({mention.role for mention in entry.mentions}) if entry.via is None else [],
        via=entry.via,
        retracted_by=None if entry.retracted_by is None else entry.retracted_by.event_id,
        authority=entry.authority,
        reason=entry.reason,
    )


def custody_members(found: ItemHistory) -> dict[str, Any]:
    """Return the members that tell who has a thing, whose it is, where it is under way to, and what holds it."""
    return {
        "custody": _holdings(found, HoldingRole.CUSTODY),
        "ownership": _holdings(found, HoldingRole.OWNERSHIP),
        "shipments": [_shipment(shipment) for shipment in found.custody.shipments],
        "holds": [hold_out(hold) for hold in found.custody.holds],
    }


def _holdings(found: ItemHistory, role: HoldingRole) -> list[HoldingOut]:
    return [
        HoldingOut(
            holder=holding.holder,
            since=utc_text(holding.since),
            until=_time(holding.until),
            opened_by=holding.opened_by,
            closed_by=holding.closed_by,
        )
        for holding in found.custody.of(role)
    ]


def _shipment(shipment: Shipment) -> ShipmentOut:
    return ShipmentOut(
        shipper=shipment.shipper,
        to=shipment.to,
        owner=shipment.owner,
        since=utc_text(shipment.since),
        opened_by=shipment.opened_by,
    )


def hold_out(hold: Hold) -> HoldOut:
    """Return a hold as answers have it."""
    return HoldOut(
        hold=hold.hold,
        kind=hold.kind,
        reason=hold.reason,
        placed_by=hold.placed_by,
        authority=hold.authority,
        since=utc_text(hold.since),
        position=hold.position,
        via=hold.via,
    )


def _proposal(proposal: Proposal) -> ProposalOut:
    return ProposalOut(
        proposal=proposal.proposal,
        role=proposal.role,
        issuer=proposal.issuer,
        receiver=proposal.receiver,
        since=utc_text(proposal.since),
        position=proposal.position,
    )


def event_members(event: SeenEvent, trees: Trees) -> dict[str, Any]:
    """Return the members of an `EventOut`."""
    view = event.view
    declared = view.declaration
    tree = trees.holding(event.position)
    return {
        "position": event.position,
        "event_id": event.event_id,
        "log": None if tree is None else tree.name,
        "leaf_index": None if tree is None else tree.leaf_index(event.position),
        "recorded_at": utc_text(event.recorded_at),
        "type": view.type,
        "captured_by": view.captured_by,
        "occurred_at": utc_text(view.occurred_at),
        "time_zone_offset": view.offset,
        "action": view.action,
        "biz_step": view.biz_step,
        "step": words.decided(event.payload) if isinstance(event, SeenDecision) else words.step(view.biz_step),
        "disposition": view.disposition,
        "read_point": view.read_point,
        "biz_location": view.biz_location,
        "declaration": None if declared is None else {"time": declared.time, "reason": declared.reason},
        "whole": event.whole,
    }


def _intervals(intervals: Sequence[Interval]) -> list[IntervalOut]:
    return [
        IntervalOut(
            kind="association" if interval.kind is MarkKind.ASSOCIATION else "containment",
            child=interval.child,
            parent=interval.parent,
            since=utc_text(interval.opened_at),
            until=_time(interval.closed_at),
            opened_by=interval.opened_by,
            closed_by=interval.closed_by,
            implied=interval.implied,
        )
        for interval in intervals
    ]


def _reading(reading: Reading) -> ReadingOut:
    return ReadingOut(
        at=utc_text(reading.at),
        kind=reading.kind,
        value=reading.value,
        uom=reading.uom,
        component=reading.component,
        device=reading.device,
        position=reading.position,
    )


def _quantity(fact: QuantityFact) -> QuantityOut:
    return QuantityOut(
        at=utc_text(fact.at),
        role=fact.role,
        action=fact.action,
        quantity=fact.quantity,
        uom=fact.uom,
        position=fact.position,
    )


def _time(microseconds_utc: int | None) -> str | None:
    return None if microseconds_utc is None else utc_text(microseconds_utc)


def microseconds_of(time: datetime) -> int:
    """Return a time in microseconds UTC; raises `InvalidInputError` for one that UTC has no date for."""
    try:
        return (time.astimezone(UTC) - EPOCH) // timedelta(microseconds=1)
    except OverflowError as error:
        raise InvalidInputError(
            "This time is outside the years 1 to 9999 of UTC", code="provenance.as_of", hint="Give a time between them."
        ) from error
