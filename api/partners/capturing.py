"""What a partner sent, on its way to a capture job that is committed together with how far the partner was read."""

from __future__ import annotations

import tempfile
from collections.abc import Callable
from io import BytesIO
from pathlib import Path
from typing import Final
from uuid import UUID

import psycopg

from adapters.feeds.csv_file import write_csv_events
from adapters.feeds.unpack import DOCUMENTS, Limits, begins_packed, unpacked
from api.capture.receive import receiving
from api.wiring import Engine
from traceability.errors import InvalidInputError, TooLargeError
from traceability.gs1.epcis.csv_mapping import CsvMapping, read_mapping
from traceability.ledger.capture import CaptureJob, ErrorBehaviour
from traceability.ledger.partners import Partner

Beside = Callable[[psycopg.Connection, UUID | None], None]
"""What is committed with the job whose id it is given, or by itself when there was nothing to capture."""
CSV: Final = "text/csv"
WITH_CSV: Final = (*DOCUMENTS, ".csv")
_MOST: Final = 1 << 26  # bytes of a document in memory: of a delivery unpacked, or of what its rows become
_BEFORE: Final = b" \t\r\n\xef\xbb\xbf"


def as_document(engine: Engine, partner: Partner, content: bytes, media_type: str) -> bytes:
    """Return what came as a document of EPCIS: CSV as its mapping says, anything else as it is.

    Raises `InvalidInputError`: `partner.no_mapping` for CSV without one, and what `write_csv_events` raises, and
    `TooLargeError` (`capture.too_long`): a row of two bytes becomes an event of hundreds.
    """
    if media_type.partition(";")[0].strip().lower() != CSV:
        return content
    out = BytesIO()

    def write(piece: bytes) -> None:
        if out.tell() + len(piece) > _MOST:
            raise TooLargeError(
                f"The events of this CSV have more than {_MOST} bytes", code="capture.too_long", hint="Split it."
            )
        out.write(piece)

    write_csv_events(BytesIO(content), mapping_of(partner), write, created_at=engine.clock.now_us())
    return out.getvalue()


def plain(engine: Engine, partner: Partner, content: bytes, media_type: str) -> tuple[bytes, str]:
    """Return a delivery unpacked, and what it is: gzip holds one document, and so does a zip archive.

    Raises `InvalidInputError` as `unpacked` does, and `capture.archive` for an archive of several documents.
    """
    if not begins_packed(content):
        return content, media_type
    limits = Limits(min(_MOST, engine.settings.capture_max_bytes))
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "delivery"
        path.write_bytes(content)
        unpacking = unpacked(path, path.name, limits, WITH_CSV)
        document = next(unpacking)
        with document.opened() as stream:
            found = stream.read()
        if next(unpacking, None) is not None:
            raise InvalidInputError(
                "A delivery is one document, and this archive holds several",
                code="capture.archive",
                hint="Send each by itself.",
            )
    # Of gzip nothing tells what is in it: a document of EPCIS begins with a bracket.
    named = document.name.lower().endswith(".csv")
    is_csv = named or (partner.mapping is not None and not found.lstrip(_BEFORE).startswith((b"{", b"[", b"<")))
    return found, CSV if is_csv else media_type


def mapping_of(partner: Partner) -> CsvMapping:
    """Return what the columns of a partner's CSV mean."""
    if partner.mapping is None:
        raise InvalidInputError(
            f"{partner.name} sent CSV, and nothing says what its columns are",
            code="partner.no_mapping",
            hint="Add the partner with --mapping FILE.",
        )
    return read_mapping(partner.mapping)


def hand_over(
    engine: Engine,
    partner: Partner,
    document: bytes | None,
    name: str,
    beside: Beside,
    *,
    held: bool,
    request_key: str | None = None,
) -> CaptureJob | None:
    """Make a capture job of a document and commit what is `beside` with it; without a document that alone, and None."""
    if document is None:
        with engine.pool.connection() as connection, connection.transaction():
            beside(connection, None)
        return None
    with receiving(
        engine,
        partner.organisation,
        ErrorBehaviour.PROCEED,
        held=held,
        partner=partner.name,
        beside=beside,
        request_key=request_key,
        announced=len(document),
    ) as (upload, make):
        with upload.file(name) as out:
            out.write(document)
        return make()
