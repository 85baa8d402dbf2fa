"""A package of a medicine, read with what was decided about its lot and its product."""

from __future__ import annotations

from datetime import date
from typing import Final

from traceability.gs1.epcis.view import read_ilmd
from traceability.supply_chain.days import first_day
from traceability.supply_chain.decisions import SeenDecision
from traceability.supply_chain.drug_package.events import BatchRecalled, ProductWithdrawn
from traceability.supply_chain.drug_package.package import DrugPackage, Stop, package_of
from traceability.supply_chain.drug_package.stops import maker_event, stoppable, stops_of
from traceability.supply_chain.history import item_history
from traceability.supply_chain.index import ProvenanceIndex
from traceability.supply_chain.parties import Parties
from traceability.supply_chain.seen import SeenEvent
from traceability.supply_chain.story import until

_EXPIRY: Final = ("urn:epcglobal:cbv:mda:itemExpirationDate", "https://ref.gs1.org/cbv/itemExpirationDate")


def drug_package(
    index: ProvenanceIndex, pack: str, parties: Parties, as_of: int | None = None
) -> tuple[DrugPackage, dict[int, SeenEvent]]:
    """Tell all about a pack by its name (`thing_of`), and give the events that it is told by, by position.

    A recall or withdrawal counts when it is by the holder of the company prefix, else by who made the pack. Raises
    `NotFoundError` when the reader sees nothing of it.
    """
    history = item_history(index, pack, parties, as_of)
    made, lot = maker_event(pack, history.entries), history.state.lot
    decided = index.decisions(set(stoppable(pack, lot).values()))
    counting = stops_of(pack, lot, made, until(decided, as_of), parties)
    recalls = [stop_of(one) for one in counting if isinstance(one.payload, BatchRecalled)]
    gone = [stop_of(one) for one in counting if isinstance(one.payload, ProductWithdrawn)]
    found = package_of(pack, history.entries, lot=lot, expiry=expiry_of(made), recalls=recalls, withdrawals=gone)
    events = {entry.event.position: entry.event for entry in history.entries}
    return found, events | {one.position: one for one in counting}


def expiry_of(made: SeenEvent | None) -> date | None:
    """Return the last day that the event tells by which a thing was made; None for none."""
    if made is None:
        return None
    return first_day(read_ilmd(made.parts.how), _EXPIRY)


def stop_of(one: SeenDecision) -> Stop:
    """Return what a recall or withdrawal says."""
    said = one.payload
    assert isinstance(said, BatchRecalled | ProductWithdrawn)
    return Stop(one.occurred_at, one.captured_by, one.position, said.reason)
