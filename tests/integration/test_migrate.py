"""Migrations are applied once, whole, in order, and never change afterwards."""

from __future__ import annotations

import multiprocessing
from pathlib import Path

import psycopg
import pytest

from adapters.postgres.embedded import RUNTIME_ROLE
from adapters.postgres.migrate import check, migrate, migrations_folder, read_migrations
from tests.conftest import Database
from traceability.errors import UnavailableError


def write(folder: Path, **files: str) -> None:
    folder.mkdir(exist_ok=True)
    for name, text in files.items():
        (folder / f"{name.removeprefix('m')}.sql").write_text(text)


def names(url: str) -> list[str]:
    with psycopg.connect(url) as connection:
        return [name for (name,) in connection.execute("SELECT name FROM work.migration ORDER BY number")]


def relation_exists(url: str, name: str) -> bool:
    with psycopg.connect(url) as connection:
        row = connection.execute("SELECT to_regclass(%s) IS NOT NULL", [name]).fetchone()
    return row == (True,)


def test_applies_in_order_and_only_what_is_pending(empty_database: Database, tmp_path: Path) -> None:
    url = empty_database.owner_url
    write(
        tmp_path,
        m0001_one="CREATE TABLE one (n int)",
        m0002_two="INSERT INTO one VALUES (1); INSERT INTO one VALUES (2)",
    )
    assert [m.name for m in migrate(url, runtime_role=RUNTIME_ROLE, folder=tmp_path)] == ["one", "two"]
    assert migrate(url, runtime_role=RUNTIME_ROLE, folder=tmp_path) == []
    write(tmp_path, m0003_three="INSERT INTO one SELECT n + 2 FROM one")
    assert check(url, folder=tmp_path).pending == ("0003 three",)
    assert [m.name for m in migrate(url, runtime_role=RUNTIME_ROLE, folder=tmp_path)] == ["three"]
    assert check(url, folder=tmp_path).clean
    with psycopg.connect(url) as connection:
        assert connection.execute("SELECT n FROM one ORDER BY n").fetchall() == [(1,), (2,), (3,), (4,)]


def test_a_database_never_migrated_has_everything_pending(empty_database: Database, tmp_path: Path) -> None:
    write(tmp_path, m0001_one="SELECT 1")
    report = check(empty_database.runtime_url, folder=tmp_path)
    assert (report.applied, report.pending, report.clean) == (0, ("0001 one",), False)


def _migrate(url: str, folder: Path, applied: multiprocessing.SimpleQueue[int]) -> None:
    applied.put(len(migrate(url, runtime_role=RUNTIME_ROLE, folder=folder)))


def test_four_processes_apply_each_file_once(empty_database: Database, tmp_path: Path) -> None:
    # pg_sleep keeps the first one at work until the others wait; CREATE INDEX CONCURRENTLY would wait for any of
    # them that held a snapshot.
    write(
        tmp_path,
        m0001_table="CREATE TABLE done (n int); SELECT pg_sleep(0.3)",
        m0002_index="-- migrate: no transaction\nCREATE INDEX CONCURRENTLY IF NOT EXISTS done_n ON done (n)",
        m0003_row="INSERT INTO done VALUES (1)",
    )
    context = multiprocessing.get_context("spawn")
    applied: multiprocessing.SimpleQueue[int] = context.SimpleQueue()
    processes = [context.Process(target=_migrate, args=(empty_database.owner_url, tmp_path, applied)) for _ in range(4)]
    for process in processes:
        process.start()
    for process in processes:
        process.join(60)
    assert [process.exitcode for process in processes] == [0] * 4
    assert sorted(applied.get() for _ in processes) == [0, 0, 0, 3]
    with psycopg.connect(empty_database.owner_url) as connection:
        assert connection.execute("SELECT count(*) FROM done").fetchone() == (1,)


def test_a_changed_file_is_refused(empty_database: Database, tmp_path: Path) -> None:
    write(tmp_path, m0001_one="CREATE TABLE one ()")
    migrate(empty_database.owner_url, runtime_role=RUNTIME_ROLE, folder=tmp_path)
    write(tmp_path, m0001_one="CREATE TABLE one (n int)", m0002_two="CREATE TABLE two ()")
    with pytest.raises(UnavailableError, match="0001 one was changed") as caught:
        migrate(empty_database.owner_url, runtime_role=RUNTIME_ROLE, folder=tmp_path)
    assert caught.value.code == "migrate.checksum"
    with pytest.raises(UnavailableError, match="0001 one was changed"):
        check(empty_database.owner_url, folder=tmp_path)
    assert not relation_exists(empty_database.owner_url, "two")


def test_another_kind_of_newline_is_no_change(empty_database: Database, tmp_path: Path) -> None:
    write(tmp_path, m0001_one="CREATE TABLE one (\n)")
    migrate(empty_database.owner_url, runtime_role=RUNTIME_ROLE, folder=tmp_path)
    (tmp_path / "0001_one.sql").write_bytes(b"CREATE TABLE one (\r\n)")
    assert check(empty_database.owner_url, folder=tmp_path).clean


def test_a_missing_applied_file_is_refused(empty_database: Database, tmp_path: Path) -> None:
    write(tmp_path, m0001_one="SELECT 1", m0002_two="SELECT 1")
    migrate(empty_database.owner_url, runtime_role=RUNTIME_ROLE, folder=tmp_path)
    (tmp_path / "0002_two.sql").unlink()
    with pytest.raises(UnavailableError, match="0002 two, which this version does not know") as caught:
        migrate(empty_database.owner_url, runtime_role=RUNTIME_ROLE, folder=tmp_path)
    assert caught.value.code == "migrate.checksum"


@pytest.mark.parametrize(
    "files",
    [["0001_a", "0003_c"], ["0001_a", "0001_b"], ["0002_b"], ["0001_a", "2_b"], ["0001-a"]],
    ids=["gap", "repeated", "no first", "short number", "no name"],
)
def test_misnumbered_files_are_refused(tmp_path: Path, files: list[str]) -> None:
    write(tmp_path, **dict.fromkeys(files, "SELECT 1"))
    with pytest.raises(UnavailableError) as caught:
        read_migrations(tmp_path)
    assert caught.value.code == "migrate.files"


def test_a_failing_file_leaves_nothing_of_itself(empty_database: Database, tmp_path: Path) -> None:
    url = empty_database.owner_url
    write(tmp_path, m0001_one="CREATE TABLE one ()", m0002_two="CREATE TABLE two ();\nSELECT nothing FROM nowhere")
    with pytest.raises(UnavailableError, match=r"0002_two\.sql, line 2 failed: relation .nowhere. does not") as caught:
        migrate(url, runtime_role=RUNTIME_ROLE, folder=tmp_path)
    assert caught.value.code == "migrate.failed"
    assert names(url) == ["one"]
    assert not relation_exists(url, "two")
    write(tmp_path, m0002_two="CREATE TABLE two ()")
    assert [m.name for m in migrate(url, runtime_role=RUNTIME_ROLE, folder=tmp_path)] == ["two"]


def test_a_semicolon_ends_a_statement_only_between_words(empty_database: Database, tmp_path: Path) -> None:
    url = empty_database.owner_url
    text = """-- first; a comment
CREATE TABLE one (n text DEFAULT 'it''s; that', "a;b" int); /* and; another
*/ CREATE FUNCTION more() RETURNS void LANGUAGE plpgsql AS $body$
BEGIN
    PERFORM $$;$$; INSERT INTO one VALUES (E'\\';'); INSERT INTO one VALUES (';');
END $body$;
;
SELECT more();
-- the end;
"""
    again = text.replace("one", "two").replace("more", "next")
    write(tmp_path, m0001_one=text, m0002_two=f"{again}SELECT 1;\nSELECT no;\n")
    with pytest.raises(UnavailableError, match=r"0002_two\.sql, line 11 failed: column .no. does not"):
        migrate(url, runtime_role=RUNTIME_ROLE, folder=tmp_path)
    with psycopg.connect(url) as connection:
        assert connection.execute("SELECT n FROM one").fetchall() == [("';",), (";",)]
    assert not relation_exists(url, "two")


def test_a_file_that_cannot_be_noted_leaves_nothing(empty_database: Database, tmp_path: Path) -> None:
    url = empty_database.owner_url
    write(tmp_path, m0001_one="CREATE TABLE one (); INSERT INTO work.migration VALUES (1, 'in the way', '')")
    with pytest.raises(UnavailableError, match="duplicate key"):
        migrate(url, runtime_role=RUNTIME_ROLE, folder=tmp_path)
    assert names(url) == []
    assert not relation_exists(url, "one")


def test_a_lock_is_not_waited_for(empty_database: Database, tmp_path: Path) -> None:
    url = empty_database.owner_url
    write(tmp_path, m0001_one="CREATE TABLE one ()")
    migrate(url, runtime_role=RUNTIME_ROLE, folder=tmp_path)
    write(tmp_path, m0002_two="CREATE TABLE two (); ALTER TABLE one ADD n int")
    with psycopg.connect(url) as reader:
        reader.execute("SET idle_in_transaction_session_timeout = '20s'")  # without a lock_timeout: fails, not hangs
        reader.execute("SELECT FROM one")
        with pytest.raises(UnavailableError) as caught:
            migrate(url, runtime_role=RUNTIME_ROLE, folder=tmp_path, lock_timeout_ms=50)
    assert caught.value.code == "migrate.lock_timeout"
    assert not relation_exists(url, "two")
    assert [m.name for m in migrate(url, runtime_role=RUNTIME_ROLE, folder=tmp_path)] == ["two"]


def test_an_index_that_was_not_finished_is_made_again(empty_database: Database, tmp_path: Path) -> None:
    (tmp_path / "0001_table.sql").write_text("CREATE TABLE work.t (n integer); INSERT INTO work.t VALUES (1), (1);")
    migrate(empty_database.owner_url, runtime_role=RUNTIME_ROLE, folder=tmp_path)
    index = "CREATE {} INDEX CONCURRENTLY IF NOT EXISTS t_n ON work.t (n);"
    with psycopg.connect(empty_database.owner_url, autocommit=True) as owner:
        # What is left of an index that was not finished, for whatever reason, is there under its name.
        with pytest.raises(psycopg.errors.UniqueViolation):
            owner.execute(index.format("UNIQUE"))
        (tmp_path / "0002_index.sql").write_text("-- migrate: no transaction\n" + index.format(""))
        migrate(empty_database.owner_url, runtime_role=RUNTIME_ROLE, folder=tmp_path)
        found = owner.execute("SELECT indisvalid, indisunique FROM pg_index WHERE indrelid = 'work.t'::regclass")
        assert found.fetchall() == [(True, False)]


def test_grants_are_stated_anew_for_the_role_that_is_named(empty_database: Database, tmp_path: Path) -> None:
    url = empty_database.owner_url
    write(tmp_path, m0001_one="CREATE TABLE one ()", grants='GRANT SELECT ON one TO :"runtime_role"')
    with psycopg.connect(empty_database.admin_url) as admin:
        admin.execute('CREATE ROLE "say ""hi"""')
    try:
        migrate(url, runtime_role='say "hi"', folder=tmp_path)
        write(tmp_path, grants='REVOKE ALL ON one FROM :"runtime_role"; GRANT INSERT ON one TO :"runtime_role"')
        assert migrate(url, runtime_role='say "hi"', folder=tmp_path) == []
        with psycopg.connect(url) as connection:
            granted = connection.execute(
                "SELECT privilege_type FROM information_schema.role_table_grants WHERE grantee = 'say \"hi\"'"
            ).fetchall()
        assert granted == [("INSERT",)]
    finally:
        with psycopg.connect(empty_database.admin_url) as admin:
            admin.execute('DROP OWNED BY "say ""hi"""; DROP ROLE "say ""hi"""')


def test_the_project_s_own_files_are_applied(database: Database) -> None:
    assert names(database.owner_url) == [m.name for m in read_migrations(migrations_folder())]
    assert check(database.runtime_url).clean


def test_an_unreachable_database_is_said_to_be(tmp_path: Path) -> None:
    with pytest.raises(UnavailableError) as caught:
        check(f"postgresql://nobody@/nothing?host={tmp_path}", folder=tmp_path)
    assert caught.value.code == "postgres.unreachable"


def test_a_role_that_may_not_is_told_so(empty_database: Database, tmp_path: Path) -> None:
    with pytest.raises(UnavailableError, match=r"The table work\.migration failed: permission denied") as caught:
        migrate(empty_database.runtime_url, runtime_role=RUNTIME_ROLE, folder=tmp_path)
    assert caught.value.code == "migrate.failed"
    migrate(empty_database.owner_url, runtime_role=RUNTIME_ROLE, folder=tmp_path)
    with pytest.raises(UnavailableError, match="permission denied for schema work"):
        check(empty_database.runtime_url, folder=tmp_path)
