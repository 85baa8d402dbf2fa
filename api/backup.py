"""Backup of a database with its logs, and what brings it back.

A backup is a folder:

    backup.json    what is in it; written last, so a folder without it is no backup
    postgres/      a base backup of the server (`adapters.postgres.base_backup`)
    logs/          the static files of every log
    erasures/      the lists of what was erased (`api.erasures`)
    evidence/      the files that were kept with evidence, encrypted as they are

The logs are copied first: a database may know more than what was published, and then publishes the rest; if it knew
less, it would be taken for one that was set back. Signing keys are in no backup: who has both could sign in the log's
name. Nor is the spool: what was not captured to its end is sent again.
"""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import msgspec
from pydantic import SecretStr

from adapters.durable import replace_file
from adapters.postgres.base_backup import Progress, put_back, take_base_backup
from adapters.postgres.connection import database_urls
from adapters.postgres.embedded import embedded_server
from adapters.postgres.ledgers import ledgers
from adapters.postgres.migrate import migrate
from adapters.postgres.own_server import OwnServer, check_own_server, prepared
from adapters.system import SystemClock
from adapters.tiles import FileTileStore
from adapters.tiles.copy import copy_log
from api.erasures import erase_again, erasures_of, folder_of, keep_erasures, write_erasures
from api.notary import LogState, published_logs, tiles_of
from api.settings import Settings
from api.wiring import Engine, database_settings, open_database, open_engine, unfinished_restore
from traceability.errors import ConflictError, InvalidInputError, UnavailableError
from traceability.ledger.event import utc_text
from traceability.notary.errors import RolledBackError
from traceability.notary.fsck import check_database, check_files
from traceability.notary.log import check_not_ahead
from traceability.notary.report import Finding

FORMAT: Final = 1
_SAID: Final = "backup.json"
_EVIDENCE: Final = "evidence"


class LedgerBackup(msgspec.Struct, frozen=True):
    """A ledger of a backup: its last position, and how many leaves of its log are published."""

    name: str
    position: int
    published: int


class Backup(msgspec.Struct, frozen=True):
    """What a backup holds; `server` is None for the private one."""

    format: int
    made_at: str
    ledgers: list[LedgerBackup]
    server: OwnServer | None = None


@dataclass(frozen=True, slots=True)
class Restored:
    """A ledger after a restore.

    `erased` are the positions that were erased again, `ahead` says why the log must not be signed on, None if it may;
    `findings` are those of the check of every record and file.
    """

    name: str
    position: int
    erased: list[int]
    ahead: str | None
    findings: list[Finding]


def back_up(settings: Settings, target: Path, progress: Progress) -> Backup:
    """Copy the database server's files and the logs into `target`, which is empty or not there; durable on return.

    `progress` is told kilobytes of the database. Raises `ConflictError` (`backup.exists`), `UnavailableError`
    (`backup.failed`, `backup.storage`, `backup.no_logs`), and for a server of one's own as `check_own_server` does.
    """
    if target.exists() and any(target.iterdir()):
        raise ConflictError(
            f"{target} is not empty", code="backup.exists", hint="Give each backup a folder of its own."
        )
    made_at = utc_text(SystemClock().now_us())
    try:
        target.mkdir(mode=0o700, parents=True, exist_ok=True)
        with _copyable(settings) as (url, server):
            kept = [_copy_beside(engine, target) for engine in _engines(settings)]
            take_base_backup(url, target / "postgres", progress)
        # After the database, which has their keys: what came later is of no use, and does no harm.
        _copy_evidence(settings.data, target)
        backup = Backup(FORMAT, made_at, kept, server)
        replace_file(target / _SAID, msgspec.json.format(msgspec.json.encode(backup), indent=2) + b"\n")
    except OSError as error:
        raise UnavailableError(
            f"The backup cannot be written: {error}", code="backup.storage", hint=f"Look at the disk of {target}."
        ) from error
    return backup


def read_backup(folder: Path) -> Backup:
    """Return what a backup holds; raises `InvalidInputError` (`backup.damaged`) for what is none."""
    try:
        backup = msgspec.json.decode((folder / _SAID).read_bytes(), type=Backup)
    except (OSError, msgspec.DecodeError) as error:
        reason = (error.strerror if isinstance(error, OSError) else None) or error
        raise InvalidInputError(
            f"{folder} is no backup, or one that was not finished: {_SAID}: {reason}",
            code="backup.damaged",
            hint=f"A backup that is whole has a file {_SAID}.",
        ) from error
    if backup.format != FORMAT:
        raise InvalidInputError(
            f"{folder} is a backup of another version of this program",
            code="backup.damaged",
            hint="Restore it with the version that made it.",
        )
    return backup


def restore(settings: Settings, folder: Path, server: Path | None = None) -> Iterator[Restored]:
    """Bring a backup back and check every ledger; yield each when it is done.

    A private database comes into the data folder, which has none, and nobody opens it before this is done; made again
    with the same backup, this goes on after it was interrupted. The files of a server of one's own become its data
    folder `server`, which is empty or not there, once all is done. Logs that are in the data folder already stay: they
    tell what was published since. What was erased since is erased again, before anybody can ask for it.

    Raises `InvalidInputError` (`backup.damaged`, `backup.own_server`, `backup.private`), `ConflictError`
    (`postgres.data_folder`) before anything is changed.
    """
    backup = read_backup(folder)
    with _restored_database(settings, backup, folder / "postgres", server) as at:
        for log in (folder / "logs").glob("*"):
            if FileTileStore(settings.data / "logs" / log.name).checkpoint() is None:
                copy_log(FileTileStore(log), settings.data / "logs" / log.name)
        _copy_evidence(folder, settings.data)
        for ledger in backup.ledgers:
            write_erasures(folder_of(settings), ledger.name, erasures_of(folder / "erasures", ledger.name))
        yield from settle(at, [ledger.name for ledger in backup.ledgers])


def settle(settings: Settings, names: list[str] | None = None) -> Iterator[Restored]:
    """Erase again what the lists in the data folder name, and check every ledger, or those that are named."""
    for engine in _engines(settings, names, restoring=True):
        erased = erase_again(engine, erasures_of(folder_of(settings), engine.ledger.name))
        yield _checked(engine, erased)
    unfinished_restore(settings).unlink(missing_ok=True)


def verify(settings: Settings, folder: Path) -> Iterator[Restored]:
    """Restore a backup into a folder beside it, check it as `restore` does, and remove that again."""
    folder = folder.resolve()  # `.` has no name
    scratch = folder.with_name(f"{folder.name}.verifying")
    shutil.rmtree(scratch, ignore_errors=True)
    server = None if read_backup(folder).server is None else scratch / "server"
    try:
        yield from restore(settings.model_copy(update={"data": scratch}), folder, server)
    finally:
        shutil.rmtree(scratch, ignore_errors=True)


@contextmanager
def _copyable(settings: Settings) -> Iterator[tuple[str, OwnServer | None]]:
    """Give the URL of a role that may copy the server's files, and what the server is if it is not private."""
    if settings.database_url is None:
        with embedded_server(database_settings(settings).data) as private:
            yield private.url(role=None, database="postgres"), None
    else:
        with database_urls(database_settings(settings)) as urls:
            yield urls.owner, check_own_server(urls)


@contextmanager
def _restored_database(settings: Settings, backup: Backup, files: Path, server: Path | None) -> Iterator[Settings]:
    """Put the database's files where they belong; give the settings under which it is there."""
    if backup.server is None:
        _refuse_own_server(settings, server)
        _put_private_back(settings, files, backup.made_at.encode())
        yield settings
        return
    if server is None:
        raise InvalidInputError(
            f"This is the backup of a server of your own, PostgreSQL {backup.server.major}",
            code="backup.own_server",
            hint="Say where its data folder is to be, from which you start it then: --server FOLDER.",
        )
    with prepared(files, server, backup.server) as urls:
        migrate(urls.owner, runtime_role=urls.runtime_role)
        found = {"database_url": SecretStr(urls.runtime), "database_owner_url": SecretStr(urls.owner)}
        yield settings.model_copy(update=found)


def _put_private_back(settings: Settings, files: Path, made_at: bytes) -> None:
    """Put the private database in its place, marked as one that nobody may open yet."""
    mark = unfinished_restore(settings)
    before = mark.read_bytes() if mark.exists() else None
    replace_file(mark, made_at)
    try:
        put_back(files, database_settings(settings).data)
    except BaseException as error:
        if isinstance(error, ConflictError) and before == made_at:
            return  # it is there since this was interrupted
        if before is None:
            mark.unlink()
        else:
            replace_file(mark, before)
        raise


def _refuse_own_server(settings: Settings, server: Path | None) -> None:
    if server is not None or settings.database_url is not None:
        raise InvalidInputError(
            "This is the backup of a private database, which comes back as one",
            code="backup.private",
            hint="Leave --server out, and unset TRACEABILITY_DATABASE_URL.",
        )


def _engines(settings: Settings, names: list[str] | None = None, *, restoring: bool = False) -> Iterator[Engine]:
    if names is None:
        with open_database(settings) as urls:
            names = [ledger.name for ledger in ledgers(urls.runtime)]
    for name in names:
        with open_engine(settings.model_copy(update={"ledger": name}), restoring=restoring) as engine:
            yield engine


def _copy_beside(engine: Engine, target: Path) -> LedgerBackup:
    keep_erasures(engine)
    write_erasures(target / "erasures", engine.ledger.name, erasures_of(folder_of(engine.settings), engine.ledger.name))
    published = 0
    for log in published_logs(engine):
        served = log.served()
        # The files of an abandoned log may be lost for good.
        if served is None and log.state() is not LogState.ABANDONED and log.database.last_signed() is not None:
            raise UnavailableError(
                f"The log {log.name} is signed, but its files are not in {engine.settings.data}",
                code="backup.no_logs",
                hint="Make the backup with the data folder of the server that publishes (TRACEABILITY_DATA), or let"
                " traceability log integrate write the files again.",
            )
        copy_log(log.tiles, target / "logs" / log.name)
        published += 0 if served is None else served[0].size
    return LedgerBackup(engine.ledger.name, engine.ledger.head(), published)


def _checked(engine: Engine, erased: list[int]) -> Restored:
    ahead, findings, logs = None, list[Finding](), published_logs(engine)
    if not logs and tiles_of(engine.settings, engine.ledger.name).checkpoint() is not None:
        ahead = "this ledger's log was published first after the backup"
    for log in logs:
        findings += check_database(log.database).findings
        served = log.served()
        try:
            if served is not None:
                check_not_ahead(log.database, served[0])
        except RolledBackError as error:
            ahead = error.message
        else:
            findings += check_files(log.database, log.tiles).findings
    return Restored(engine.ledger.name, engine.ledger.head(), erased, ahead, findings)


def _copy_evidence(source: Path, target: Path) -> None:
    # One by one: a file that is being written has another name, and one that was registered before goes again.
    for file in (source / _EVIDENCE).glob("*.age"):
        (target / _EVIDENCE).mkdir(mode=0o700, exist_ok=True)
        with suppress(FileNotFoundError):
            shutil.copy2(file, target / _EVIDENCE)
    os.sync()
