"""Events that come without an eventID, in JSON and in XML, are in the ledger under the hash that anybody computes."""

from __future__ import annotations

import re
from pathlib import Path

from adapters.postgres.reindex import reindex
from tests.conformance.golden.epcis import documents, hand_made, xml_documents
from tests.conformance.test_xml_fixtures import TWICE
from tests.conftest import Database
from tests.ledgers import epcis_ledger, event_queries
from tests.unit.test_index_hashes import agree
from tests.unit.test_recorded_hash import sent, without
from traceability.gs1.epcis import index_rows, read_document
from traceability.gs1.epcis.hash.documents import hashed_document
from traceability.gs1.epcis.query.parameters import read_query
from traceability.gs1.epcis.strict_json import JsonTextError, dumps, read_value
from traceability.gs1.epcis.writer import write_event
from traceability.ledger.access import Reader
from traceability.ledger.event import LedgerEvent

OPEN, GUARDED = "open.example", "guarded.example"
PERSONAL = ("readPoint", "bizTransactionList", "sensorElementList", "ilmd")
"""What the ledger of one organisation takes out of each event."""

SPELLED = "https://gs1.org/voc/MT-"
"""How some spell the types of measurements, which the ledger keeps as words."""
_EVENT_ID = re.compile(rb"<(epcis:|)eventID>[^<]*</\1eventID>")


def unnamed(path: Path) -> bytes:
    """Return a document without the eventIDs of its events, empty if it is none."""
    data = path.read_bytes()
    if path.suffix == ".xml":
        return _EVENT_ID.sub(b"", data)
    try:
        return dumps(without(read_value(data), frozenset({"eventID"})))
    except JsonTextError:
        return b""


def recorded_under_their_hashes() -> list[tuple[str, LedgerEvent]]:
    """Return the events of all documents with the hashes that their senders compute, whole and without some members."""
    found: list[tuple[str, LedgerEvent]] = []
    for path in [*documents(), *xml_documents(), *hand_made()]:
        data = unnamed(path)
        hashes = {one.path: one for one in hashed_document(data)[1]}
        guarded = read_document(data, captured_by=GUARDED, personal=[f"/{name}" for name in PERSONAL])
        for whole, rest in zip(read_document(data, captured_by=OPEN).events, guarded.events, strict=True):
            assert whole.path == rest.path
            name = hashes[whole.path].hash
            assert name is not None
            if SPELLED not in hashes[whole.path].prehash:
                found.append((name, whole.event))
            if path.stem != TWICE:
                shown = read_value(write_event(whole.event.parts, None))
                found.append((sent(without(shown, frozenset(PERSONAL))), rest.event))
    return found


def test_every_event_is_found_by_its_hash_and_the_index_is_what_the_records_give(database: Database) -> None:
    expected = recorded_under_their_hashes()
    events = [event for _, event in expected]
    assert len(events) > 6
    agree(event.parts for event in events)
    with epcis_ledger(database.runtime_url, organisation=OPEN) as ledger:
        ids = [one.event_id for batch in ledger.append_all(events) for one in batch]
        queries = event_queries(ledger)
        for (name, event), event_id in zip(expected, ids, strict=True):
            query = read_query([("EQ_eventID", name)])
            page = queries.page(query, reader=Reader(event.captured_by), size=100)
            assert event_id in {one.event_id for one in page.events}
        assert not any(reindex(database.owner_url, "main", index_rows, repair=False))
