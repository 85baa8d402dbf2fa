"""A server of one's own: whether a base backup of it can be made, and its data folder made ready after a restore.

What was erased after the backup has to be erased again before the server starts from its restored files. So they are
started with our programs first, where nobody else reaches them: in a folder of ours, on a socket, under settings and
rules of access of our own. The server's own ones come back when that is done.
"""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import psycopg

from adapters.durable import sync_folder
from adapters.postgres.base_backup import put_back
from adapters.postgres.binaries import Account, find_binaries
from adapters.postgres.connection import DatabaseUrls, connect, role_of
from adapters.postgres.embedded import embedded_server, stop
from traceability.errors import ConflictError, InvalidInputError, UnavailableError

_PLAIN: Final = {"postgresql.conf": "", "pg_hba.conf": "local all all trust\n", "pg_ident.conf": ""}
"""What stands in for the server's own configuration. Debian keeps that elsewhere, so it may not be in a backup."""
_CONFIGURATION: Final = (*_PLAIN, "postgresql.auto.conf")
_OTHER_WAYS: Final = "back it up with its own tools or your provider's snapshots (docs/guide/backup.md)"


@dataclass(frozen=True, slots=True)
class OwnServer:
    """A server of one's own: its major version, and what it calls our database and our two roles."""

    major: int
    database: str
    owner: str
    runtime: str


def check_own_server(urls: DatabaseUrls) -> OwnServer:
    """Describe the server if the owner role can make a base backup of it, which holds all of our data.

    Raises `UnavailableError`: `backup.no_replication` for a role that may not replicate, `backup.refused` when the
    server does not let it in for that, `postgres.major_version` when our programs are of another one; and
    `InvalidInputError`: `backup.citus`, `backup.tablespaces`.
    """
    with connect(urls.owner) as connection:
        row = connection.execute(
            "SELECT current_database(), rolsuper OR rolreplication,"
            " EXISTS (SELECT FROM pg_extension WHERE extname = 'citus'),"
            " ARRAY(SELECT spcname::text FROM pg_tablespace WHERE spcname NOT IN ('pg_default', 'pg_global'))"
            " FROM pg_roles WHERE rolname = current_user"
        ).fetchone()
        major = connection.info.server_version // 10_000
    assert row is not None
    database, may_replicate, citus, tablespaces = row
    owner = role_of(urls.owner)
    if citus:
        raise InvalidInputError(
            "This is one node of a Citus cluster, and a backup of it is not one of the ledgers",
            code="backup.citus",
            hint=f"Back up every node: {_OTHER_WAYS}.",
        )
    if tablespaces:
        raise InvalidInputError(
            f"The server keeps tables outside of its data folder, in {', '.join(tablespaces)}",
            code="backup.tablespaces",
            hint=f"Files that lie in several places are beyond this command: {_OTHER_WAYS}.",
        )
    if not may_replicate:
        raise UnavailableError(
            f"The role {owner} may not copy the server's files",
            code="backup.no_replication",
            hint=f'Let a superuser run: ALTER ROLE "{owner}" REPLICATION. Where nobody may, {_OTHER_WAYS}.',
        )
    _check_major(major)
    _check_let_in(urls.owner, owner)
    return OwnServer(major, database, owner, role_of(urls.runtime))


def _check_major(major: int) -> None:
    # Others could copy the files, but neither check nor start them.
    binaries = find_binaries(Account())
    if binaries.major != major:
        raise UnavailableError(
            f"The server is PostgreSQL {major}, the programs in {binaries.folder} are PostgreSQL {binaries.major}",
            code="postgres.major_version",
            hint=f"Set TRACEABILITY_POSTGRES_BIN to the programs of PostgreSQL {major}.",
        )


def _check_let_in(url: str, owner: str) -> None:
    try:
        psycopg.Connection.connect(url, autocommit=True, replication="true").close()
    except psycopg.OperationalError as error:
        raise UnavailableError(
            f"The server refuses a connection for replication: {error}",
            code="backup.refused",
            hint=f"Its pg_hba.conf has to allow the database `replication` for {owner}, its max_wal_senders to be 3 or"
            f" more, and the owner's URL to lead to PostgreSQL itself, not to a pooler. Else {_OTHER_WAYS}.",
        ) from error


@contextmanager
def prepared(backup: Path, target: Path, server: OwnServer) -> Iterator[DatabaseUrls]:
    """Make a base backup the data folder `target`, which is empty or not there, when the context ends well.

    Inside of it the database is up beside `target`, for this process only. Raises `ConflictError`
    (`postgres.data_folder`), `UnavailableError` as `embedded_server` does, and as `check_base_backup`.
    """
    target = target.absolute()
    if target.exists() and any(target.iterdir()):
        raise ConflictError(
            f"{target} is not empty", code="postgres.data_folder", hint="Choose another folder, or move this one away."
        )
    if target.is_mount():
        raise ConflictError(
            f"{target} is where a disk is mounted, and cannot be replaced",
            code="postgres.data_folder",
            hint="Choose a folder in it.",
        )
    scratch = target.with_name(f"{target.name}.restoring")
    stop(scratch)  # of a restore that was killed a moment ago
    shutil.rmtree(scratch, ignore_errors=True)
    try:
        put_back(backup, scratch)
        cluster = scratch / "cluster"
        with _own_configuration_aside(cluster, scratch / "configuration"):
            try:
                with embedded_server(scratch, guest=(server.owner, server.database)) as running:
                    yield DatabaseUrls(
                        running.url(role=server.runtime, database=server.database),
                        running.url(role=server.owner, database=server.database),
                    )
            finally:
                stop(scratch)
        _hand_over(cluster, target)
    finally:
        shutil.rmtree(scratch, ignore_errors=True)


@contextmanager
def _own_configuration_aside(cluster: Path, aside: Path) -> Iterator[None]:
    aside.mkdir(mode=0o700)
    for name in _CONFIGURATION:
        if (cluster / name).exists():
            (cluster / name).rename(aside / name)
    owner = cluster.stat()
    for name, text in _PLAIN.items():
        (cluster / name).write_text(text)
        os.chown(cluster / name, owner.st_uid, owner.st_gid)
    yield
    for name in (*_CONFIGURATION, "postmaster.opts"):
        (cluster / name).unlink(missing_ok=True)
        if (aside / name).exists():
            (aside / name).rename(cluster / name)


def _hand_over(cluster: Path, target: Path) -> None:
    """Give the files to whom the folder that they get into belongs, and their name: whole, synced, never before."""
    owner = (target if target.exists() else target.parent).stat()
    if os.geteuid() == 0 and owner.st_uid != 0:
        for path in (cluster, *cluster.rglob("*")):
            os.chown(path, owner.st_uid, owner.st_gid, follow_symlinks=False)
    os.sync()
    cluster.rename(target)
    sync_folder(target.parent)
