"""Evidence as HTTP, the command line and pages give it: registered, shown, and certified."""

from __future__ import annotations

from base64 import urlsafe_b64encode
from collections.abc import Iterable, Iterator
from hashlib import sha256
from hmac import compare_digest
from typing import BinaryIO, Final
from uuid import UUID

import msgspec
from eventsourcing.dcb.api import DCBAppendCondition
from pydantic import BaseModel, Field

from adapters.barcode import qr
from adapters.documents.certificate import certificate_pdf
from adapters.objects import EncryptedFiles
from api.notary import leaf_of, log_holding, open_record
from api.settings import Settings
from api.wiring import Engine
from traceability.errors import ConflictError, InvalidInputError, NotFoundError
from traceability.ledger.access import Reader
from traceability.ledger.commitment import part_salts
from traceability.ledger.event import LedgerEvent, opaque_data, utc_text
from traceability.ledger.evidence import EvidenceRegistered
from traceability.ledger.parts import MORE, Parts
from traceability.ledger.store import AppendConflictError, Record
from traceability.notary.age import Decrypted
from traceability.notary.checkpoint import open_checkpoint
from traceability.notary.log import prove
from traceability.notary.proof import LogProof
from traceability.notary.receipt import Opening

PATH: Final = "/evidence"
_ATTEMPTS: Final = 3
_OPENED: Final = frozenset({"more"})


class EvidenceOut(BaseModel):
    """A piece of evidence; `page` is its address here, which its QR code leads to."""

    event_id: UUID
    position: int
    sha256: str = Field(examples=["9f86d081884c7d659a2feaa0c55ad015a3bf4f1b2b0b822cd15d6c15b0f00a08"])
    size: int | None = Field(description="Bytes, where they were told.")
    statement: str | None
    stored: bool = Field(description="Whether the file was kept with it, encrypted.")
    registered_by: str = Field(examples=["dairy.example"])
    registered_by_name: str = Field(examples=["Alpine Dairy"])
    recorded_at: str = Field(examples=["2026-03-01T08:15:00.000000Z"])
    page: str


def register(engine: Engine, organisation: str, evidence: EvidenceRegistered) -> tuple[Record, bool]:
    """Record that an organisation has bytes with a digest; return the record, and whether it is new.

    What it registered before stays as it was: the first time is what counts. Raises `ConflictError`
    (`evidence.conflict`) when others register the same again and again meanwhile.
    """
    ledger = engine.ledger_of(organisation)
    query = evidence.query(organisation)
    for _ in range(_ATTEMPTS):
        head = ledger.head()
        for found in ledger.read(query, limit=1):
            return _record(engine, found.position), False
        event = evidence.to_event(
            captured_by=organisation, occurred_at=engine.clock.now_us(), tags=evidence.tags(organisation)
        )
        try:
            return _record(engine, ledger.append([event], DCBAppendCondition(query, after=head))), True
        except AppendConflictError:
            continue
    raise ConflictError("The same evidence is being registered elsewhere", code="evidence.conflict")


def _record(engine: Engine, position: int) -> Record:
    (record,) = engine.ledger.records([position])
    return record


def store(engine: Engine, organisation: str, file: Iterable[bytes], statement: str | None) -> tuple[Record, bool]:
    """Keep a file encrypted, and register it, as `register` does; one that was registered before is not kept again.

    Its key is a personal part of the event, so that erasing the event makes the file unreadable, wherever copies of it
    are. Raises `UnavailableError` (`evidence.storage`), and what reading `file` raises.
    """
    files, key = files_of(engine.settings), urlsafe_b64encode(engine.entropy.token(32)).decode()
    digest, size = sha256(), 0

    def pieces() -> Iterator[bytes]:
        nonlocal size
        for piece in file:
            digest.update(piece)
            size += len(piece)
            yield piece

    files.put(pieces(), key, engine.entropy)
    try:
        evidence = EvidenceRegistered(
            sha256=digest.hexdigest(), size=size, statement=statement, stored=True, file_key=key
        )
        record, new = register(engine, organisation, evidence)
    except (InvalidInputError, ConflictError):
        files.remove(key)
        raise
    # Any other error leaves the file: its event may be recorded, and without that nobody can read it.
    if not new:
        files.remove(key)
    return record, new


def stored_file(engine: Engine, record: Record, organisation: str) -> tuple[Decrypted, BinaryIO]:
    """Return the file that an organisation had kept, and what to close after it was read.

    Raises `NotFoundError` (`evidence.no_file`) for others, and when the file was not kept or its event was erased.
    """
    said = EvidenceRegistered.of(record.event)
    if record.event.captured_by != organisation or said.file_key is None:
        raise NotFoundError(
            "No file of yours was kept with this", code="evidence.no_file", hint="Who registered it may have erased it."
        )
    return files_of(engine.settings).open(said.file_key)


def files_of(settings: Settings) -> EncryptedFiles:
    """Return where the files are."""
    return EncryptedFiles(settings.data / "evidence")


def find(engine: Engine, event_id: UUID, reader: Reader, key: str | None = None) -> Record:
    """Return the record of a piece of evidence that `reader` may see, or that it has the key of.

    Raises `NotFoundError` (`evidence.unknown`), also when it may not know of it.
    """
    record = engine.ledger.record_of(event_id)
    if record is not None and record.event.type == EvidenceRegistered.type_name:
        extent = reader.extent(engine.rules.indexer(record.event.parts).visibility)
        if (extent is not None and extent >= _OPENED) or (key is not None and compare_digest(key, key_of(record))):
            return record
    raise NotFoundError("There is no such evidence", code="evidence.unknown", hint="Check the link, or who you are.")


def key_of(record: Record) -> str:
    """Return what the link on the certificate has, and nobody can guess: who holds a receipt can compute it, too.

    It is half of the salt under which the part `more` is committed to.
    """
    assert record.event.salt is not None
    return urlsafe_b64encode(part_salts(record.event.salt)[MORE][:15]).decode()


def describe(engine: Engine, record: Record, base: str) -> EvidenceOut:
    """Tell of a piece of evidence; `base` is where this server is."""
    event, said = record.event, EvidenceRegistered.of(record.event)
    assert event.event_id is not None
    assert event.recorded_at is not None
    return EvidenceOut(
        event_id=event.event_id,
        position=record.position,
        sha256=said.sha256,
        size=said.size,
        statement=said.statement,
        stored=bool(said.stored),
        registered_by=event.captured_by,
        registered_by_name=engine.organisations.get(event.captured_by).display_name,
        recorded_at=utc_text(event.recorded_at),
        page=f"{base.rstrip('/')}{PATH}/{event.event_id}?key={key_of(record)}",
    )


def opening_of(record: Record) -> Opening:
    """Open the digest and what was said of it, and no more."""
    return open_record(record, _OPENED)


def receipt_of(engine: Engine, record: Record) -> LogProof:
    """Return the receipt that opens the digest; raises `NotPublishedError`."""
    log, index, opening = leaf_of(engine, record, _OPENED)
    return prove(log.tiles, log.key, index, opening)


def certificate(engine: Engine, record: Record, base: str) -> bytes:
    """Return the certificate as PDF; raises `NotPublishedError` before its receipt can be made."""
    shown, proof = describe(engine, record, base), receipt_of(engine, record)
    key = log_holding(engine, record.position).key
    checkpoint, _ = open_checkpoint(proof.checkpoint.encode(), key)
    name, who = shown.registered_by_name, shown.registered_by
    return certificate_pdf(
        {
            "registered_by_name": name if name == who else f"{name} ({who})",
            "recorded_at": in_words(shown.recorded_at),
            "day": [int(part) for part in shown.recorded_at[:10].split("-")],
            "sha256": shown.sha256,
            "facts": list(facts(shown)),
            "origin": checkpoint.origin,
            "index": str(proof.index),
            "size": str(checkpoint.size),
            "root": checkpoint.root.hex(),
            "vkey": key.text,
            "event_id": str(shown.event_id),
        },
        proof.text(),
        qr.svg(qr.Label(shown.page, (), "Where this certificate is shown")),
    )


def facts(shown: EvidenceOut) -> Iterator[tuple[str, str]]:
    """Yield what else was said of the bytes."""
    if shown.size is not None:
        yield "Size", f"{shown.size} bytes"
    if shown.statement is not None:
        yield "Statement", shown.statement


def in_words(utc: str) -> str:
    """Return a time as people read it, to the second."""
    return f"{utc[:10]} {utc[11:19]} UTC"


def check_file(parts: Parts, sha256: str) -> EvidenceRegistered:
    """Return what the parts of a verified receipt say of evidence, if it is of these bytes.

    Raises `InvalidInputError`: `ledger.event_type` for a receipt of something else, `evidence.other_file`.
    """
    head = msgspec.json.decode(parts.head)
    event = LedgerEvent(
        type=head["type"], data=opaque_data(parts), tags=[], captured_by=head["captured_by"], parts=parts
    )
    said = EvidenceRegistered.of(event)
    if said.sha256 != sha256:
        raise InvalidInputError(
            "This is not the file that was registered",
            code="evidence.other_file",
            hint=f"Its SHA-256 is {sha256}, the registered one is {said.sha256}.",
        )
    return said
