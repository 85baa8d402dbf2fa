"""`traceability db backup` and `db restore` over a server of one's own, with roles, passwords and rules of its own."""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterator
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from urllib.parse import quote

import psycopg
import pytest
from psycopg import sql

from adapters.postgres.binaries import Account, find_binaries
from adapters.postgres.embedded import EmbeddedServer, embedded_server, stop
from tests.api.test_backup_commands import SECRET, Run, recorded, run, runner

__all__ = ["run"]  # a fixture

OWNER, RUNTIME, TRACE = "dairy_owner", "dairy_server", "trace"
WORD = "p@ss word"
RULES = """local all postgres trust
local all all scram-sha-256
local replication all scram-sha-256
"""


@dataclass(frozen=True, slots=True)
class Theirs:
    """Somebody's server: `admin` is connected to it as its superuser, `settings` lead to it."""

    cluster: Path
    admin: psycopg.Connection
    settings: dict[str, str]

    def allow(self, rules: str) -> None:
        (self.cluster / "pg_hba.conf").write_text(rules, encoding="utf-8")
        self.admin.execute("SELECT pg_reload_conf()")
        while self.admin.execute("SELECT count(*) FROM pg_hba_file_rules").fetchone() != (rules.count("\n"),):
            pass


def settings_of(server: EmbeddedServer, word: str = WORD) -> dict[str, str]:
    def url(role: str) -> str:
        return f"postgresql://{role}:{quote(word)}@/{TRACE}?host={quote(str(server.socket_dir), safe='')}&port=5432"

    return {"TRACEABILITY_DATABASE_URL": url(RUNTIME), "TRACEABILITY_DATABASE_OWNER_URL": url(OWNER)}


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Theirs]:
    """Start a server whose database `told` has three published events, and a data folder beside it their log."""
    folder = tmp_path_factory.mktemp("theirs")
    with (
        embedded_server(folder / "postgres") as server,
        psycopg.connect(server.url(role=None, database="postgres"), autocommit=True) as admin,
    ):
        for role in (OWNER, RUNTIME):
            admin.execute(sql.SQL("CREATE ROLE {} LOGIN PASSWORD {}").format(sql.Identifier(role), sql.Literal(WORD)))
        admin.execute(f"CREATE DATABASE {TRACE} OWNER {OWNER} TEMPLATE template0 ENCODING 'UTF8'".encode())
        theirs = Theirs(folder / "postgres" / "cluster", admin, settings_of(server))
        theirs.allow(RULES)
        on_it = partial(runner(folder), **theirs.settings)
        for command in ("db migrate", "organisation add local", "ledger personal https://dairy.example/ns#packer"):
            assert on_it(*command.split()).code == 0
        recorded(on_it, 1, 3)
        assert on_it("log", "integrate").code == 0
        admin.execute(f"ALTER DATABASE {TRACE} RENAME TO told".encode())
        yield theirs
    stop(folder / "postgres")


@pytest.fixture
def theirs(server: Theirs, tmp_path: Path) -> Iterator[Theirs]:
    """Give the server with the database, the data folder, and an owner who may replicate."""
    server.admin.execute(f"ALTER ROLE {OWNER} REPLICATION".encode())
    server.admin.execute(f"CREATE DATABASE {TRACE} OWNER {OWNER} TEMPLATE told".encode())
    shutil.copytree(server.cluster.parents[1] / "data", tmp_path / "data")
    yield server
    server.admin.execute(f"DROP DATABASE IF EXISTS {TRACE} WITH (FORCE)".encode())


def test_their_server_starts_from_what_was_restored_and_what_was_erased_stays_so(
    run: Run, theirs: Theirs, tmp_path: Path
) -> None:
    on_theirs = partial(run, **theirs.settings)
    theirs.admin.execute("CREATE DATABASE other")
    made = on_theirs("db", "backup", "backup")
    assert made.code == 0, made.talk
    major = find_binaries(Account()).major
    assert made.out["backup"]["server"] == {"major": major, "database": TRACE, "owner": OWNER, "runtime": RUNTIME}
    assert [(ledger["position"], ledger["published"]) for ledger in made.out["backup"]["ledgers"]] == [(3, 3)]
    assert [(ledger["erased"], ledger["ahead"], ledger["findings"]) for ledger in made.out["checked"]] == [
        ([], None, [])
    ]
    assert not list(tmp_path.glob("backup.verifying*"))
    assert on_theirs("ledger", "erase", "2", "--reason", "asked for", "--authority", "officer").code == 0
    theirs.admin.execute("DROP DATABASE other")

    assert run("db", "restore", "backup").out["error"]["code"] == "backup.own_server"
    (tmp_path / "taken").mkdir()
    (tmp_path / "taken" / "file").touch()
    assert run("db", "restore", "backup", "--server", "taken").out["error"]["code"] == "postgres.data_folder"
    back = tmp_path / "back" / "cluster"  # so that our launcher takes it up, as their service would
    if os.geteuid() == 0:
        back.mkdir(parents=True)
        os.chown(back, 65533, 65533)
    # The URL of a server that is lost may still be set.
    restored = on_theirs("db", "restore", "backup", "--server", "back/cluster")
    assert restored.code == 0, restored.talk
    (ledger,) = restored.out["ledgers"]
    assert (ledger["erased"], ledger["ahead"], ledger["findings"]) == ([2], None, [])
    assert "traceability ledger purge 2\n" in restored.talk
    assert sorted(path.name for path in (tmp_path / "back").iterdir()) == ["cluster"]
    assert (back / "pg_hba.conf").read_text(encoding="utf-8") == RULES
    for name in ("postgresql.conf", "postgresql.auto.conf", "pg_ident.conf"):
        assert (back / name).read_bytes() == (theirs.cluster / name).read_bytes()
    assert not {"postmaster.opts", "postmaster.pid", "backup_manifest"} & {path.name for path in back.iterdir()}
    assert back.stat().st_mode & 0o777 == 0o700
    assert {path.stat().st_uid for path in (back, *back.rglob("*"))} == {65533 if os.geteuid() == 0 else os.getuid()}

    with embedded_server(tmp_path / "back") as server:
        with psycopg.connect(server.url(role=None, database="postgres")) as admin:
            assert ("other",) in admin.execute("SELECT datname FROM pg_database").fetchall()
        wrong = run("db", "check", **settings_of(server, "another"))
        assert wrong.out["error"]["code"] == "postgres.unreachable"
        on_theirs = partial(run, **settings_of(server))
        assert on_theirs("db", "check").code == 0
        # Three events, and the record of the erasure that was done again.
        assert on_theirs("log", "integrate").out["size"] == 4
        checked = on_theirs("log", "fsck")
        assert (checked.code, checked.out["logs"][0]["database"]["erased"]) == (0, 1)
    stop(tmp_path / "back")


def test_a_restore_that_fails_hands_nothing_over(run: Run, theirs: Theirs, tmp_path: Path) -> None:
    assert run("db", "backup", "backup", "--no-check", **theirs.settings).code == 0
    lists = tmp_path / "data" / "erasures"
    lists.mkdir(exist_ok=True)
    (lists / "main.ndjson").write_text('{"posi', encoding="utf-8")
    failed = run("db", "restore", "backup", "--server", "back")
    assert (failed.code, failed.out["error"]["code"]) == (1, "backup.erasures")
    assert not list(tmp_path.glob("back.*"))
    assert not (tmp_path / "back").exists()


def test_a_snapshot_that_the_provider_restored_is_gone_over(run: Run, theirs: Theirs) -> None:
    on_theirs = partial(run, **theirs.settings)
    theirs.admin.execute(f"CREATE DATABASE snapshot TEMPLATE {TRACE} OWNER {OWNER}".encode())
    assert on_theirs("ledger", "erase", "3", "--reason", "asked for", "--authority", "officer").code == 0
    assert on_theirs("log", "integrate").out["size"] == 4
    theirs.admin.execute(f"DROP DATABASE {TRACE} WITH (FORCE)".encode())
    theirs.admin.execute(f"ALTER DATABASE snapshot RENAME TO {TRACE}".encode())
    without_owner = {"TRACEABILITY_DATABASE_URL": theirs.settings["TRACEABILITY_DATABASE_URL"]}
    refused = run("db", "restore", "--in-place", **without_owner)
    assert refused.out["error"]["code"] == "postgres.no_owner_url"
    done = on_theirs("db", "restore", "--in-place")
    assert done.code == 0, done.talk
    (ledger,) = done.out["ledgers"]
    assert (ledger["position"], ledger["erased"], ledger["findings"]) == (4, [3], [])
    assert "has size 4" in ledger["ahead"]
    assert on_theirs("db", "restore", "--in-place").out["ledgers"][0]["erased"] == []
    assert SECRET not in str(on_theirs("item", "https://id.gs1.org/01/09521234000013/21/3").out)


def test_what_cannot_be_backed_up_says_what_to_do(run: Run, theirs: Theirs, tmp_path: Path) -> None:
    on_theirs = partial(run, **theirs.settings)

    def refused(**settings: str) -> tuple[str, str]:
        done = run("db", "backup", "backup", **{**theirs.settings, **settings})
        assert done.code in (1, 3)
        assert WORD not in done.talk + str(done.out)
        assert not (tmp_path / "backup" / "backup.json").exists()
        return done.out["error"]["code"], done.out["error"]["hint"]

    away = tmp_path / "nowhere"
    assert refused(TRACEABILITY_DATA=str(away))[0] == "backup.no_logs"
    shutil.rmtree(tmp_path / "backup")
    theirs.allow("".join(line for line in RULES.splitlines(keepends=True) if "replication" not in line))
    code, hint = refused()
    assert (code, "pg_hba.conf" in hint) == ("backup.refused", True)
    theirs.allow(RULES)
    theirs.admin.execute(f"ALTER ROLE {OWNER} NOREPLICATION".encode())
    code, hint = refused()
    assert (code, f'ALTER ROLE "{OWNER}" REPLICATION' in hint) == ("backup.no_replication", True)
    theirs.admin.execute(f"ALTER ROLE {OWNER} REPLICATION".encode())

    programs = tmp_path / "programs"
    programs.mkdir()
    for name in ("postgres", "initdb"):
        (programs / name).write_text("#!/bin/sh\necho 'postgres (PostgreSQL) 16.4'\n", encoding="utf-8")
        (programs / name).chmod(0o755)
    assert refused(TRACEABILITY_POSTGRES_BIN=str(programs))[0] == "postgres.major_version"

    theirs.admin.execute("SET allow_in_place_tablespaces = on")
    theirs.admin.execute("CREATE TABLESPACE fast LOCATION ''")
    assert refused()[0] == "backup.tablespaces"
    theirs.admin.execute("DROP TABLESPACE fast")
    assert run("db", "restore").code == 2
    assert run("db", "restore", "backup", "--in-place").code == 2
    assert on_theirs("db", "backup", "backup", "--no-check").code == 0
