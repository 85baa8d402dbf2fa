"""Lots by the events that GS1 US recommends for FSMA 204, as OpenEPCIS publishes them."""

from __future__ import annotations

import os
from decimal import Decimal
from pathlib import Path

import pytest

from adapters.memory.ledger import MemoryLedger
from adapters.memory.provenance import MemoryProvenance
from tests.support.desks import Counter, TickingClock
from traceability.gs1.epcis import content_digest, index_rows, read_document
from traceability.ledger.access import Reader
from traceability.ledger.store import LedgerRules
from traceability.supply_chain.lot.key_data import Element, Tracked
from traceability.supply_chain.lot.lot import Lot
from traceability.supply_chain.lot.reading import read_lot
from traceability.supply_chain.parties import ListedParties

ROOT = Path(__file__).resolve().parents[2]
EVENTS = (ROOT / os.environ.get("TRACEABILITY_FIXTURES", "../shared/fixtures")).resolve() / (
    "epcis/openepcis-dpp-events/us/fsma204/epcis"
)
pytestmark = pytest.mark.skipif(not EVENTS.is_dir(), reason="shared fixtures absent")

GROWER = "grower.example"
CASES = "https://id.gs1.org/01/10860009999920/10/ABC1234"
BULK = "https://id.gs1.org/01/00860009999923/10/ABC1234"
SALAD = "https://id.gs1.org/01/10860009998039/10/SALAD-20260420-A"
PACKER, RETAILER = "https://id.gs1.org/414/0860009999992", "https://id.gs1.org/414/0860009998001"
PALLET = "https://id.gs1.org/00/008600099999850000"


def lot_in(name: str, lot: str) -> Lot:
    rules = LedgerRules(index_rows, content_digest, TickingClock(), Counter())
    ledger = MemoryLedger(rules, organisation=GROWER)
    document = read_document((EVENTS / f"{name}-cte.jsonld").read_bytes(), captured_by=GROWER)
    assert document.valid, document.problems
    list(ledger.append_all(captured.event for captured in document.events))
    records = ledger.records(range(1, ledger.head() + 1))
    index = MemoryProvenance(records, reader=Reader(GROWER), indexer=index_rows)
    return read_lot(index, lot, ListedParties({}))[0]


def test_cases_are_packed_on_a_pallet_that_is_shipped() -> None:
    found = lot_in("shipping", CASES)
    assert [one.stage for one in found.passed] == ["packed", "shipped"]
    (row,) = found.stock
    assert (row.account.container, row.account.under_way, row.account.place) == (PALLET, True, PACKER)
    assert (row.quantity, row.uom) == (Decimal(25), "CS")
    packed, shipped = found.key_data
    assert (packed.tracked, packed.told[Element.CODE_SOURCE]) == (Tracked.TRANSFORMATION, (PACKER,))
    assert (shipped.told[Element.QUANTITY], shipped.told[Element.RECIPIENT]) == (("25",), (RETAILER,))
    # The product is described by master data, which these documents have not.
    assert shipped.missing == (Element.DESCRIPTION,)
    assert found.findings == ()


def test_what_is_received_on_a_pallet_is_counted() -> None:
    found = lot_in("receiving", CASES)
    assert found.stage == "received"
    assert [(row.account.place, row.quantity) for row in found.stock] == [(RETAILER, Decimal(500))]
    # Its shipping is not in the document; where it came from is.
    assert [one.code for one in found.findings] == ["received_not_shipped"]
    assert found.key_data[-1].missing == (Element.DESCRIPTION,)
    assert lot_in("receiving", BULK).stage == "consumed"


def test_what_comes_out_of_a_transformation_is_a_new_lot() -> None:
    found = lot_in("transformation", SALAD)
    assert (found.stage, str(found.dates.best_before)) == ("packed", "2026-04-27")
    assert found.assigned is not None
    (made,) = found.key_data
    assert (made.tracked, made.told[Element.QUANTITY]) == (Tracked.TRANSFORMATION, ("2000",))
