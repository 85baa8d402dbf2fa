"""A server's files as a base backup, by PostgreSQL's own programs, and back.

A base backup is a copy of the files and of the WAL that was written meanwhile: it needs no snapshot, which would make
every append slow for as long as it is held (as a dump would), and it is as of its end.
"""

from __future__ import annotations

import contextlib
import os
import re
import shutil
import subprocess
from collections.abc import Callable
from pathlib import Path
from typing import Final

from psycopg import conninfo

from adapters.postgres.binaries import ENVIRONMENT, Account, find_binaries
from adapters.postgres.embedded import new_cluster
from traceability.errors import InvalidInputError, UnavailableError

Progress = Callable[[int, int], None]

_TOLD: Final = re.compile(rb"(\d+)/(\d+) kB")
_MANIFEST: Final = "backup_manifest"
_SOCKET_LOCK: Final = ".s.PGSQL.5432.lock"
_SIGNALS: Final = ("standby.signal", "recovery.signal")  # of a standby that was copied: what is put back is none


def take_base_backup(url: str, target: Path, progress: Progress) -> None:
    """Copy the files of the server at `url` into `target`, a folder that is empty or not there; durable on return.

    The role of `url` may replicate. `progress` is told kilobytes. Raises `UnavailableError`: `postgres.not_found`,
    `backup.failed`.
    """
    # Everybody on the machine can read a command line. The rest of the environment is what led us to the server.
    address = {name: str(value) for name, value in conninfo.conninfo_to_dict(url).items()}
    password = address.pop("password", None)
    environment = {**os.environ, "LC_ALL": "C"} | ({} if password is None else {"PGPASSWORD": password})
    command = [
        *(str(_program("pg_basebackup")), "--pgdata", str(target)),
        *("--dbname", conninfo.make_conninfo(**address)),
        *("--wal-method=stream", "--checkpoint=fast", "--manifest-checksums=SHA256", "--progress", "--no-password"),
    ]
    told = b""
    with subprocess.Popen(  # noqa: S603
        command, stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, env=environment
    ) as running:
        assert running.stderr is not None
        while more := os.read(running.stderr.fileno(), 4096):
            told = (told + more)[-8192:]
            if figures := _TOLD.findall(told):
                progress(*map(int, figures[-1]))
    if running.returncode != 0:
        raise UnavailableError(
            "PostgreSQL could not make a base backup",
            code="backup.failed",
            hint=told.decode(errors="replace").strip()[-500:],
        )


def check_base_backup(folder: Path) -> None:
    """Compare every file with the manifest that was made with it, and see that the WAL is whole.

    Raises `InvalidInputError` (`backup.damaged`), `UnavailableError` (`postgres.not_found`).
    """
    checked = subprocess.run(  # noqa: S603
        [_program("pg_verifybackup"), "--exit-on-error", "--quiet", folder],
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        check=False,
        env=ENVIRONMENT,
    )
    if checked.returncode != 0:
        raise InvalidInputError(
            f"The base backup in {folder} is not as it was made",
            code="backup.damaged",
            hint=checked.stderr.strip()[-500:],
        )


def put_back(folder: Path, data: Path) -> None:
    """Make a base backup the cluster of the embedded server of `data`, which has none; wholly or not at all.

    Raises `ConflictError` (`postgres.data_folder`) when it has one, and as `check_base_backup` does.
    """
    check_base_backup(folder)
    with new_cluster(data) as (cluster, account):
        shutil.copytree(
            folder, cluster, dirs_exist_ok=True, ignore=shutil.ignore_patterns(_MANIFEST, _SOCKET_LOCK, *_SIGNALS)
        )
        if account.uid is not None and account.gid is not None:
            for path in (cluster, *cluster.rglob("*")):
                os.chown(path, account.uid, account.gid, follow_symlinks=False)
        cluster.chmod(0o700)
        os.sync()  # thousands of files: one call, and the name of the whole comes after it


def _program(name: str) -> Path:
    # As ourselves: these are clients, and what they write is ours.
    binaries = find_binaries(Account())
    with contextlib.suppress(OSError):
        if os.access(binaries.folder / name, os.X_OK):
            return binaries.folder / name
    raise UnavailableError(
        f"{name} is not beside PostgreSQL in {binaries.folder}",
        code="postgres.not_found",
        hint="Install PostgreSQL's client programs of the same version, or set TRACEABILITY_POSTGRES_BIN.",
    )
