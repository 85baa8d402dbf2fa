"""Audit exports of events that tests make up, encrypted cheaply."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from adapters.exports.provenance import ExportedEvents
from adapters.memory.notary import MemoryLogDatabase
from adapters.system import SystemEntropy
from adapters.tiles import MemoryTileStore
from tests.support.logs import KEY, ORIGIN, StoppedClock, stored_event
from traceability.gs1.epcis import index_rows
from traceability.ledger.index import TagHash, tag_hash
from traceability.ledger.parts import Parts
from traceability.ledger.store import Record
from traceability.notary.age import Decrypted, encrypt
from traceability.notary.export import AuditExport, ExportHeader, write_export
from traceability.notary.log import Log
from traceability.notary.ports import LogIdentity, StoredEvent

PASSPHRASE = "correct horse battery"


def stored(parts: Sequence[Parts]) -> list[StoredEvent]:
    """Make a log's records of these parts; the first is at position 1."""
    return [replace(stored_event(i, one), position=i + 1) for i, one in enumerate(parts)]


def export_of(events: Sequence[StoredEvent]) -> bytes:
    """Return the encrypted export of a log of these events, which begins at position 1."""
    database = MemoryLogDatabase(LogIdentity("main", ORIGIN, KEY.verifier.text, 1), events)
    log = Log(database, MemoryTileStore(), KEY, StoppedClock())
    while log.integrate():
        pass
    signed = database.last_signed()
    assert signed is not None
    header = ExportHeader("main", "main", ORIGIN, KEY.verifier.text, 1, len(events))
    plain = write_export(header, events, list, signed.note)
    return b"".join(encrypt(plain, PASSPHRASE, SystemEntropy(), work=2))


def opened(data: bytes) -> AuditExport:
    """Open what `export_of` made."""
    return AuditExport(Decrypted(lambda start, end: data[start:end], len(data), PASSPHRASE))


def exported_events(records: Sequence[Record], hash_of: TagHash = tag_hash) -> ExportedEvents:
    """Export records of EPCIS events, and read them back."""
    data = export_of(stored([record.event.parts for record in records]))
    return ExportedEvents(opened(data), [KEY.verifier], index_rows, hash_of=hash_of)
