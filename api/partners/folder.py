"""One look into a partner's folder: every document in it that was not captured yet, and is no longer written.

A file is known by its content, so that it may be renamed, moved below the folder, or stay where it is; one that was
changed is a new one. The job of a file is committed together with the note that it was dealt with.
"""

from __future__ import annotations

import shutil
from collections.abc import Callable
from hashlib import sha256
from pathlib import Path
from typing import Final
from uuid import UUID

import psycopg

from adapters.feeds.csv_file import write_csv_events
from adapters.feeds.unpack import Limits, unpacked
from adapters.postgres.partner_files import PostgresPartnerFiles, SeenFile
from api.capture.receive import receiving
from api.partners.capturing import WITH_CSV, mapping_of
from api.partners.reading import Reading
from traceability.errors import InvalidInputError, TraceabilityError, UnavailableError
from traceability.ledger.capture import CaptureJob, ErrorBehaviour
from traceability.ledger.partners import Partner

SETTLED_US: Final = 2_000_000
"""How long a file has been left alone before it is read."""
SUFFIXES: Final = (".json", ".jsonld", ".xml", ".csv", ".gz", ".zip")
_CSV: Final = ".csv"
_CHUNK: Final = 1 << 20
UNMAPPED: Final = "csv.unmapped"


class _ChangedError(Exception):
    """Somebody writes the file while it is read: its time comes when it is whole."""


def look_into(reading: Reading) -> None:
    """Capture the new files of a folder, in order of their names.

    A file that is no document is noted, and the others are captured. Raises `UnavailableError`: `partner.folder` when
    the folder cannot be read, and `partner.file`, after all the others, when a file cannot.
    """
    engine, partner = reading.engine, reading.held.partner
    files = PostgresPartnerFiles(engine.pool, engine.ledger.ledger_id)
    seen = {(one.name, one.size, one.modified_ns) for one in files.all(partner.name)}
    unreadable: list[str] = []
    for path in _files(Path(partner.address)):
        reading.beat()
        try:
            stat = path.stat()
            name = _name(path.relative_to(partner.address))
            here = (name, stat.st_size, stat.st_mtime_ns)
            if here in seen or stat.st_mtime_ns // 1000 > engine.clock.now_us() - SETTLED_US:
                continue
            digest = _digest(path)
            file = SeenFile(name, digest, stat.st_size, stat.st_mtime_ns, engine.clock.now_us())
            if files.knows(partner.name, file):
                continue
            job = _capture(reading, files, path, file)
        except (_ChangedError, FileNotFoundError):
            continue
        except OSError as error:
            unreadable.append(f"{path.name} ({error.strerror})")
            continue
        if job is not None:
            reading.captured(job)
    if unreadable:
        raise UnavailableError(
            f"{len(unreadable)} files cannot be read, such as {unreadable[0]}",
            code="partner.file",
            hint="Open them to the account that the server runs as.",
        )


def _files(folder: Path) -> list[Path]:
    try:
        if not folder.is_dir():
            raise NotADirectoryError(20, "it is no folder")
        return sorted(
            path
            for path in folder.rglob("*")
            if path.name.lower().endswith(SUFFIXES) and not path.name.startswith(".") and path.is_file()
        )
    except OSError as error:
        raise UnavailableError(
            f"{folder} cannot be read: {error.strerror}", code="partner.folder", hint="Is it there, and open to us?"
        ) from error


def _capture(reading: Reading, files: PostgresPartnerFiles, path: Path, file: SeenFile) -> CaptureJob | None:
    """Make a job of a file, None with a note when it is none that can be captured."""
    engine, partner = reading.engine, reading.held.partner
    left_over: list[str] = []

    def beside(connection: psycopg.Connection, job_id: UUID | None) -> None:
        note = f"No field is made of the columns {', '.join(left_over)}" if left_over else None
        reading.partners.advance(connection, reading.held, reading.progress, received=0, known=0)
        files.remember(connection, partner.name, file, job_id=job_id, code=UNMAPPED if note else None, error=note)

    try:
        with receiving(
            engine, partner.organisation, ErrorBehaviour.PROCEED, held=True, partner=partner.name, beside=beside
        ) as (upload, make):
            if _may_hold_csv(file.name, partner):
                mapping = mapping_of(partner)
                limits = Limits(engine.settings.capture_max_bytes)
                for document in unpacked(path, file.name, limits, WITH_CSV):
                    with upload.file(document.name) as out, document.opened() as stream:
                        if document.name.lower().endswith(_CSV):
                            read = write_csv_events(stream, mapping, out.write, created_at=file.seen_at)
                            left_over += [column for column in read.unmapped if column not in left_over]
                        else:
                            shutil.copyfileobj(stream, out, _CHUNK)
                if _digest(path) != file.digest:
                    raise _ChangedError
            else:
                with upload.file(file.name) as out:
                    _copy(path, file, out.write)
            return make()
    except InvalidInputError as error:
        _refuse(reading, files, file, error)
        return None


def _may_hold_csv(name: str, partner: Partner) -> bool:
    """Tell whether a file is, or may have in it, CSV; of gzip the name says so."""
    name = name.lower()
    return name.endswith((_CSV, f"{_CSV}.gz")) or (name.endswith(".zip") and partner.mapping is not None)


def _refuse(reading: Reading, files: PostgresPartnerFiles, file: SeenFile, error: TraceabilityError) -> None:
    partner = reading.held.partner
    with reading.engine.pool.connection() as connection, connection.transaction():
        reading.partners.advance(connection, reading.held, reading.progress, received=0, known=0)
        files.remember(connection, partner.name, file, job_id=None, code=error.code, error=error.message)


def _copy(path: Path, file: SeenFile, write: Callable[[bytes], None]) -> None:
    digest = sha256()
    with path.open("rb") as stream:
        while piece := stream.read(_CHUNK):
            digest.update(piece)
            write(piece)
    if digest.digest() != file.digest:
        raise _ChangedError


def _digest(path: Path) -> bytes:
    digest = sha256()
    with path.open("rb") as stream:
        while piece := stream.read(_CHUNK):
            digest.update(piece)
    return digest.digest()


def _name(path: Path) -> str:
    """Return a path as the database can hold it: a file's name may be any bytes."""
    return str(path).encode("utf-8", "replace").decode()
