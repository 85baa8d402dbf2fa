"""A private PostgreSQL for those who have no server: started on first use, stopped when its last user has gone.

The folder given as `data` holds

    cluster/   PostgreSQL's own files (PGDATA), 0700, and the server's Unix socket; there is no TCP port
    log        what the server says, started anew above 10 MB
    lock       flock held while a process starts or stops the server
    users      flock shared by every process that uses the server
    server     flock held by the server itself: held means that it, or a child of it, is alive
    keep       exists while the server is to stay up without users

Started by root, the server runs as another account, which may be unable to walk to the cluster from `/`. It is given
the open folder and knows it as `/proc/self/fd/…`, for which it needs no permission on the folders above. Everything
else in `data` stays root's.
"""

from __future__ import annotations

import contextlib
import fcntl
import hashlib
import json
import os
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import quote

import psycopg
from psycopg import sql

from adapters.durable import sync_folder
from adapters.postgres.binaries import ENVIRONMENT, Account, Binaries, find_binaries, server_account
from adapters.postgres.tuning import server_settings
from traceability.errors import ConflictError, UnavailableError

DATABASE = "traceability"
OWNER_ROLE = "traceability_owner"
RUNTIME_ROLE = "traceability"
SUPERUSER = "postgres"

_START_SECONDS = 60.0  # crash recovery after a power cut reads up to max_wal_size
_STOP_SECONDS = 60.0
_LOG_LIMIT = 10_000_000
_SOCKET = ".s.PGSQL.5432"
_SOCKET_PATH_LIMIT = 103  # bytes in sockaddr_un: 107 on Linux, 103 on macOS and the BSDs


@dataclass(frozen=True)
class EmbeddedServer:
    """A running server; `socket_dir` is what libpq calls the host."""

    data: Path
    socket_dir: Path

    def url(self, *, role: str | None = RUNTIME_ROLE, database: str = DATABASE) -> str:
        """Return the libpq URL of `database` for `role`; None is the superuser."""
        return (
            f"postgresql://{quote(role or SUPERUSER, safe='')}@/{quote(database, safe='')}"
            f"?host={quote(str(self.socket_dir), safe='')}&port=5432"
        )


@contextlib.contextmanager
def embedded_server(
    data: Path, *, keep: bool = False, guest: tuple[str, str] | None = None
) -> Iterator[EmbeddedServer]:
    """Give the server of the folder `data`, made and started if need be, with our roles and database in it.

    `guest` is for a cluster that another server made: a role and a database which it has. Nothing is made in it.

    It stops when the last process inside this context has left it, in whatever way, unless one of them said `keep`:
    then `stop` ends it.

    Raises UnavailableError: `postgres.not_found` (no programs), `postgres.major_version` (the folder is of another
    PostgreSQL), `postgres.data_folder` (cannot be used by this account), `postgres.root`, `postgres.did_not_start`
    (with the end of the server's log).
    """
    folder = _Folder(data.absolute())
    with folder.refusals():
        folder.data.mkdir(mode=0o700, parents=True, exist_ok=True)
    with contextlib.ExitStack() as stack:
        with folder.refusals(), _flock(folder.lock):
            # Waits while the supervisor, seeing no user, is stopping the server.
            stack.enter_context(_flock(folder.users, shared=True))
            server = _running(folder, guest) or _start(folder, guest)
            if keep:
                folder.keep.touch()
        yield server


def stop(data: Path) -> bool:
    """Stop the server of the folder `data`, under its users if there are any; return whether one was running."""
    folder = _Folder(data.absolute())
    if not folder.made():
        return False
    with folder.refusals(), _flock(folder.lock):
        folder.keep.unlink(missing_ok=True)
        if _is_free(folder.server):
            return False
        signalled = False
        deadline = time.monotonic() + _STOP_SECONDS
        while not _is_free(folder.server):
            if not signalled and (pid := _postmaster(folder)) is not None:
                os.kill(pid, signal.SIGINT)  # fast shutdown: open transactions are rolled back
                signalled = True
            if time.monotonic() > deadline:
                raise UnavailableError("PostgreSQL did not stop", code="postgres.did_not_stop", hint=_tail(folder.log))
            time.sleep(0.01)
        folder.short.unlink(missing_ok=True)
    return True


def in_use(data: Path) -> bool:
    """Return whether a process uses the server of the folder `data`; one that is only kept has no user."""
    folder = _Folder(data.absolute())
    if not folder.made():
        return False
    # The shared lock waits while the supervisor, seeing no user, is stopping the server.
    with folder.refusals(), _flock(folder.lock), _flock(folder.users, shared=True) as users:
        try:
            fcntl.flock(users, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            return True
    return False


@contextlib.contextmanager
def new_cluster(data: Path) -> Iterator[tuple[Path, Account]]:
    """Give an empty folder that becomes the cluster of `data` when the context ends well, and whose it has to be.

    No server starts meanwhile. Raises `ConflictError` (`postgres.data_folder`) when there is a cluster.
    """
    folder = _Folder(data.absolute())
    with folder.refusals():
        folder.data.mkdir(mode=0o700, parents=True, exist_ok=True)
        with _flock(folder.lock):
            if folder.cluster.exists():
                raise ConflictError(
                    f"There is a database in {folder.data}",
                    code="postgres.data_folder",
                    hint="Choose another data folder (TRACEABILITY_DATA), or move this one away.",
                )
            unfinished = folder.unfinished
            shutil.rmtree(unfinished, ignore_errors=True)
            unfinished.mkdir(mode=0o700)
            yield unfinished, server_account(folder.cluster)
            unfinished.rename(folder.cluster)
            sync_folder(folder.data)


class _Folder:
    """Names the files of a data folder."""

    def __init__(self, data: Path) -> None:
        self.data = data
        self.cluster = data / "cluster"
        self.unfinished = data / "cluster.new"
        self.log = data / "log"
        self.lock = data / "lock"
        self.users = data / "users"
        self.server = data / "server"
        self.keep = data / "keep"
        digest = hashlib.sha256(os.fsencode(data)).hexdigest()[:16]
        self.short = Path(tempfile.gettempdir(), f"traceability-{os.geteuid()}-{digest}")

    def made(self) -> bool:
        """Return whether a server was ever asked for here."""
        with self.refusals():
            try:
                self.lock.stat()
            except (FileNotFoundError, NotADirectoryError):
                return False
        return True  # `exists` would say no, from Python 3.14 on, where the account may not look

    def socket_dir(self) -> Path:
        """Return the cluster, or a short symbolic link to it: a socket's address is limited to some 100 bytes.

        The link is remade at every use, so that a cleaner of temporary folders does no harm. Somebody else's link
        under our name cannot be replaced in a sticky folder, and is refused.
        """
        if len(os.fsencode(self.cluster / _SOCKET)) <= _SOCKET_PATH_LIMIT:
            return self.cluster
        with contextlib.suppress(FileExistsError):
            self.short.symlink_to(self.cluster)
        if self.short.lstat().st_uid != os.geteuid() or self.short.readlink() != self.cluster:
            raise UnavailableError(
                f"{self.short} is not our link to {self.cluster}",
                code="postgres.data_folder",
                hint="Remove it, or choose a data folder with a shorter path.",
            )
        return self.short

    @contextlib.contextmanager
    def refusals(self) -> Iterator[None]:
        """Turn the file system's refusals into our error."""
        try:
            yield
        except OSError as error:
            raise UnavailableError(
                f"The data folder {self.data} cannot be used: {error}",
                code="postgres.data_folder",
                hint="It belongs to the account that made it; choose another folder or run as that account.",
            ) from error


@contextlib.contextmanager
def _flock(path: Path, *, shared: bool = False) -> Iterator[int]:
    # Not inherited by programs that we start; a forked child shares the lock, as it shares the connections.
    descriptor = os.open(path, os.O_RDWR | os.O_CREAT, 0o600)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_SH if shared else fcntl.LOCK_EX)
        yield descriptor
    finally:
        os.close(descriptor)


def _is_free(path: Path) -> bool:
    descriptor = os.open(path, os.O_RDWR | os.O_CREAT, 0o600)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    finally:
        os.close(descriptor)
    return True


def _running(folder: _Folder, guest: tuple[str, str] | None) -> EmbeddedServer | None:
    """Return the server that is up; None if there is none, or only what a kill -9 has left and is about to end."""
    return None if _is_free(folder.server) else _ready(folder, guest)


def _start(folder: _Folder, guest: tuple[str, str] | None) -> EmbeddedServer:
    account = server_account(folder.cluster)
    binaries = find_binaries(account)
    try:
        _check_major(folder, binaries)
        if not folder.cluster.exists():
            _initdb(folder, binaries, account)
    except BaseException:
        if binaries.scratch is not None:
            shutil.rmtree(binaries.scratch, ignore_errors=True)
        raise
    _remove_stale_pid_files(folder)
    folder.keep.unlink(missing_ok=True)
    _spawn(folder, binaries, account)
    server = _ready(folder, guest)
    if server is None:
        raise _did_not_start(folder, "it ended at once")
    return server


def _check_major(folder: _Folder, binaries: Binaries) -> None:
    version = folder.cluster / "PG_VERSION"
    if not version.exists():
        return
    found = version.read_text().strip()
    if found != str(binaries.major):
        raise UnavailableError(
            f"The data folder {folder.data} was made by PostgreSQL {found}, the programs in {binaries.folder} are"
            f" PostgreSQL {binaries.major}",
            code="postgres.major_version",
            hint=f"Set TRACEABILITY_POSTGRES_BIN to the programs of PostgreSQL {found}, or move the data with a"
            " dump and restore.",
        )


def _initdb(folder: _Folder, binaries: Binaries, account: Account) -> None:
    """Make the cluster beside its place and rename it: a crash leaves either a whole one or none."""
    unfinished = folder.unfinished
    shutil.rmtree(unfinished, ignore_errors=True)
    unfinished.mkdir(mode=0o700)
    if account.uid is not None and account.gid is not None:
        os.chown(unfinished, account.uid, account.gid)
    # trust: whoever reaches the socket has passed the 0700 of the cluster, and the superuser's password would lie
    # beside it. No locale: text is compared as bytes, and an upgrade of libc or ICU cannot break an index.
    with _reachable(unfinished, account) as (name, descriptors):
        done = subprocess.run(  # noqa: S603
            [
                *(binaries.folder / "initdb", "-D", name, "-U", SUPERUSER),
                *("-A", "trust", "-E", "UTF8", "--no-locale", "--no-instructions"),
            ],
            cwd="/",
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            check=False,
            env=ENVIRONMENT,
            pass_fds=descriptors,
            **account.spawn_options(),
        )
    if done.returncode != 0:
        raise UnavailableError(
            f"PostgreSQL could not make the data folder {folder.data}",
            code="postgres.did_not_start",
            hint=(done.stderr or done.stdout).strip(),
        )
    unfinished.rename(folder.cluster)


@contextlib.contextmanager
def _reachable(cluster: Path, account: Account) -> Iterator[tuple[str, list[int]]]:
    """Give the name by which `account` reaches the cluster, and the descriptors that it must inherit for that."""
    if account.uid is None:
        yield str(cluster), []
        return
    descriptor = os.open(cluster, os.O_RDONLY | os.O_DIRECTORY)
    try:
        yield f"/proc/self/fd/{descriptor}", [descriptor]
    finally:
        os.close(descriptor)


def _remove_stale_pid_files(folder: _Folder) -> None:
    """Remove the pid files of a server that was killed: PostgreSQL refuses if another program has the number by now.

    The flock on `server` is free, so none of ours is alive; one that somebody started by hand on this cluster is left
    for PostgreSQL to refuse. Where processes cannot be looked at, its own check has to do.
    """
    if Path("/proc/self/cwd").exists() and _postmaster(folder) is None:
        (folder.cluster / "postmaster.pid").unlink(missing_ok=True)
        (folder.cluster / f"{_SOCKET}.lock").unlink(missing_ok=True)


def _postmaster(folder: _Folder) -> int | None:
    """Return the process number in the pid file, unless that process is seen to be none of this cluster's."""
    try:
        pid = int((folder.cluster / "postmaster.pid").read_text().split("\n", 1)[0])
        if Path("/proc/self/cwd").exists() and not Path(f"/proc/{pid}/cwd").samefile(folder.cluster):
            return None
    except (FileNotFoundError, PermissionError, ValueError):  # gone, another account's, half written
        return None
    return pid


def _spawn(folder: _Folder, binaries: Binaries, account: Account) -> None:
    """Start the server under a supervisor (supervisor.py) that outlives us."""
    if folder.log.exists() and folder.log.stat().st_size > _LOG_LIMIT:
        folder.log.unlink()
    with (
        _flock(folder.server) as server_lock,
        _reachable(folder.cluster, account) as (name, descriptors),
        folder.log.open("ab") as log,
    ):
        # The server's working folder is the cluster, and so is the socket's.
        settings = {"unix_socket_directories": ".", **server_settings(folder.data)}
        task = {
            "command": [
                *(str(binaries.folder / "postgres"), "-D", name),
                *(f"--{setting}={value}" for setting, value in settings.items()),
            ],
            "environment": ENVIRONMENT,
            "account": account.spawn_options(),
            "inherited": [server_lock, *descriptors],
            "users": str(folder.users),
            "keep": str(folder.keep),
            "short": str(folder.short),
            "scratch": None if binaries.scratch is None else str(binaries.scratch),
        }
        subprocess.run(  # noqa: S603
            [sys.executable, "-I", "-S", str(Path(__file__).with_name("supervisor.py")), json.dumps(task)],
            cwd="/",
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=log,
            pass_fds=[server_lock, *descriptors],
            check=False,  # if it failed, nobody holds the lock and the log says why
        )


def _ready(folder: _Folder, guest: tuple[str, str] | None) -> EmbeddedServer | None:
    """Wait until the server answers, make our roles and database where they are missing; None if it has ended.

    They are looked for each time, since whoever started the server may have been killed before it came to that.
    """
    server = EmbeddedServer(folder.data, folder.socket_dir())
    role, database = guest or (SUPERUSER, "postgres")
    connection = _connect_when_up(server.url(role=role, database=database), folder)
    if connection is None:
        return None
    if guest is not None:
        connection.close()
        return server
    try:
        with connection:
            for role in (OWNER_ROLE, RUNTIME_ROLE):
                if not connection.execute("SELECT FROM pg_roles WHERE rolname = %s", [role]).rowcount:
                    connection.execute(sql.SQL("CREATE ROLE {} LOGIN").format(sql.Identifier(role)))
            if not connection.execute("SELECT FROM pg_database WHERE datname = %s", [DATABASE]).rowcount:
                create_database(connection, DATABASE)
    except psycopg.Error as error:  # a full disk, say
        raise _did_not_start(folder, error) from error
    return server


def _connect_when_up(url: str, folder: _Folder) -> psycopg.Connection | None:
    deadline = time.monotonic() + _START_SECONDS
    while True:
        try:
            return psycopg.connect(url, autocommit=True)
        except psycopg.OperationalError as error:
            if _is_free(folder.server):
                return None
            if time.monotonic() > deadline:
                raise _did_not_start(folder, error) from error
            time.sleep(0.01)


def create_database(connection: psycopg.Connection, name: str, *, template: str = "template0") -> None:
    """Make a database owned by the owner role, to which the runtime role may connect; `connection` is a superuser's."""
    database = sql.Identifier(name)
    connection.execute(
        sql.SQL("CREATE DATABASE {} OWNER {} TEMPLATE {}").format(
            database, sql.Identifier(OWNER_ROLE), sql.Identifier(template)
        )
    )
    with connection.transaction():
        connection.execute(sql.SQL("REVOKE ALL ON DATABASE {} FROM PUBLIC").format(database))
        connection.execute(sql.SQL("GRANT CONNECT ON DATABASE {} TO {}").format(database, sql.Identifier(RUNTIME_ROLE)))


def _did_not_start(folder: _Folder, reason: object) -> UnavailableError:
    return UnavailableError(
        f"PostgreSQL did not start in {folder.data}: {reason}", code="postgres.did_not_start", hint=_tail(folder.log)
    )


def _tail(log: Path) -> str:
    try:
        lines = log.read_text(errors="replace").splitlines()
    except OSError:
        return ""
    return "The end of the server's log:\n" + "\n".join(lines[-15:])
