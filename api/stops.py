"""Recalls of batches and withdrawals of products that stop a thing, as a reader sees them."""

from __future__ import annotations

from adapters.postgres.decisions import records_of_types
from api.provenance_models import StopOut
from api.receipts import receipt_address
from api.wiring import Engine
from traceability.ledger.access import Reader
from traceability.ledger.event import utc_text
from traceability.ledger.store import Record
from traceability.supply_chain.decisions import SeenDecision, see_decision
from traceability.supply_chain.drug_package.events import BatchRecalled, ProductWithdrawn
from traceability.supply_chain.drug_package.stops import maker_event, stoppable, stops_of
from traceability.supply_chain.history import ItemHistory
from traceability.supply_chain.parties import Parties
from traceability.supply_chain.seen import row_of


def stops_on(engine: Engine, reader: Reader, found: ItemHistory, parties: Parties) -> list[StopOut]:
    """Return what stops a thing or lot, as of the time and position of its history, the first first.

    Of its lot and its product nothing else is read.
    """
    seen = (
        _seen(engine, reader, record)
        for payload, thing in stoppable(found.thing, found.state.lot).items()
        for record in records_of_types(engine.ledger, f"item:{thing}", [payload.type_name], until=found.known_at)
    )
    told = (one for one in seen if one is not None and (found.as_of is None or one.occurred_at <= found.as_of))
    return [
        _stop_out(one)
        for one in stops_of(found.thing, found.state.lot, maker_event(found.thing, found.entries), told, parties)
    ]


def _seen(engine: Engine, reader: Reader, record: Record) -> SeenDecision | None:
    extent, row = reader.extent(engine.rules.indexer(record.event.parts).visibility), row_of(record)
    return None if extent is None or row is None else see_decision(row, extent)


def _stop_out(one: SeenDecision) -> StopOut:
    said = one.payload
    assert isinstance(said, BatchRecalled | ProductWithdrawn)
    return StopOut(
        type="batch_recalled" if isinstance(said, BatchRecalled) else "product_withdrawn",
        reason=said.reason,
        by=one.captured_by,
        since=utc_text(one.occurred_at),
        position=one.position,
        event_id=one.event_id,
        receipt=receipt_address(one.event_id),
    )
