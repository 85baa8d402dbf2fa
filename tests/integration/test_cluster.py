"""What is true of a Citus cluster alone: where tables and functions lie, and how many nodes a question is asked of.

Where TRACEABILITY_CITUS_URL names a cluster, all other tests with a database run on it too.
"""

from __future__ import annotations

import shutil
import uuid
from collections.abc import Iterator
from pathlib import Path

import psycopg
import pytest

from adapters.postgres import migrate as migrating
from adapters.postgres.distribution import distribute
from adapters.postgres.embedded import RUNTIME_ROLE
from adapters.postgres.index_stored import _conditions, table_windows
from adapters.postgres.ledgers import add_ledger
from adapters.postgres.log_chain import create_log
from adapters.postgres.migrate import migrate, migrations_folder
from adapters.postgres.notary import _LOGS, find_logs
from adapters.postgres.organisations import _ORGANISATIONS
from adapters.postgres.visibility import HEAD_AND_NEW
from adapters.system import SystemClock
from tests.conftest import CITUS_URL, Database, Server, database_of
from tests.ledgers import event, postgres_ledger
from tests.support.cluster import Cluster
from tests.support.ledger_history import check_ledger
from traceability.errors import UnavailableError

pytestmark = pytest.mark.skipif(not CITUS_URL, reason="no Citus cluster")

LOCAL = {"work.migration"}
ALL_OF_THEM = """
SELECT c.oid::regclass::text, d.colocationid,
       CASE WHEN d.logicalrelid IS NOT NULL THEN column_to_column_name(d.logicalrelid, d.partkey) END
  FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace LEFT JOIN pg_dist_partition d ON d.logicalrelid = c.oid
 WHERE n.nspname IN ('ledger', 'notary', 'access', 'work') AND c.relkind IN ('r', 'p')
"""
ASKED = {"ledger": 1, "name": None, "visibilities": 0, "declared": 0}


@pytest.fixture
def cluster(postgres: Server) -> Cluster:
    assert isinstance(postgres, Cluster)
    return postgres


@pytest.fixture
def joined(cluster: Cluster) -> Iterator[Database]:
    """Give a database of all nodes without any migration."""
    name = f"test_{uuid.uuid4().hex[:12]}"
    cluster.create(name, "template0")
    yield database_of(cluster, name)
    cluster.drop(name)


def spread(url: str) -> dict[str, tuple[int | None, str | None]]:
    """Return of each table the group that it lies in, and by what."""
    with psycopg.connect(url) as connection:
        return {name: (group, key) for name, group, key in connection.execute(ALL_OF_THEM)}


def test_every_table_lies_where_its_ledger_lies(database: Database) -> None:
    tables = spread(database.admin_url)
    local = {name for name, where in tables.items() if where == (None, None)}
    assert local == LOCAL
    assert {"ledger.record", "ledger.record_0", "work.irregularity"} < tables.keys()
    assert {where for name, where in tables.items() if name not in local} == {(tables["ledger.head"][0], "ledger_id")}


def test_an_append_is_sent_to_its_ledger(database: Database) -> None:
    with psycopg.connect(database.admin_url) as connection:
        found = connection.execute(
            "SELECT p.proname, d.distribution_argument_index FROM pg_dist_object d JOIN pg_proc p ON p.oid = d.objid"
            " WHERE d.classid = 'pg_proc'::regclass AND d.distribution_argument_index IS NOT NULL"
        ).fetchall()
    assert found == [("append", 0)]


def test_what_was_recorded_before_goes_to_the_nodes(joined: Database, monkeypatch: pytest.MonkeyPatch) -> None:
    with monkeypatch.context() as plain:
        plain.setattr(migrating, "distribute", lambda _connection: None)
        migrate(joined.owner_url, runtime_role=RUNTIME_ROLE)
    assert set(spread(joined.admin_url).values()) == {(None, None)}
    with postgres_ledger(joined.runtime_url) as ledger:
        ledger.append([event("item:a"), event("item:b")])
        create_log(ledger.pool, 1, name="main", origin="log.example/main", vkey="v", clock=SystemClock())
        before = check_ledger(ledger, joined.owner_url)
    assert migrate(joined.owner_url, runtime_role=RUNTIME_ROLE) == []
    assert (None, "ledger_id") not in spread(joined.admin_url).values()
    with postgres_ledger(joined.runtime_url) as ledger:
        assert check_ledger(ledger, joined.owner_url) == before
        assert [log.identity.name for log in find_logs(ledger.pool, 1)] == ["main"]
        assert ledger.append([event("item:a")]) == 3
    with psycopg.connect(joined.admin_url) as coordinator:
        left = coordinator.execute(
            "SELECT relname FROM pg_class WHERE relnamespace = 'ledger'::regnamespace AND relkind = 'r'"
            " AND relname !~ '_[0-9]{6,}$' AND pg_relation_size(oid) > 0"
        ).fetchall()
    assert left == [], "nothing stays on the coordinator, where no erasure would reach it"


def test_a_later_file_changes_tables_on_all_nodes(database: Database, tmp_path: Path) -> None:
    folder = tmp_path / "migrations"
    shutil.copytree(migrations_folder(), folder)
    number = len(list(folder.glob("0*.sql"))) + 1
    (folder / f"{number:04}_more.sql").write_text(
        "ALTER TABLE work.partner ADD COLUMN more text; -- a semicolon; in a comment\n"
        "CREATE INDEX partner_more ON work.partner (ledger_id, more) WHERE more <> 'a;b';\n"
        "CREATE TABLE work.more (ledger_id integer NOT NULL, name text NOT NULL, PRIMARY KEY (ledger_id, name),\n"
        "    FOREIGN KEY (ledger_id, name) REFERENCES work.partner ON DELETE CASCADE);\n"
    )
    (folder / f"{number + 1:04}_index.sql").write_text(
        "-- migrate: no transaction\n"
        "CREATE INDEX CONCURRENTLY IF NOT EXISTS edge_more ON ledger.edge (ledger_id, position);\n"
    )
    assert len(migrate(database.owner_url, runtime_role=RUNTIME_ROLE, folder=folder)) == 2
    tables = spread(database.admin_url)
    assert tables["work.more"] == tables["ledger.head"]
    with psycopg.connect(database.runtime_url, autocommit=True) as runtime:
        runtime.execute("INSERT INTO work.listed_up_to VALUES (1, 0)")
        assert runtime.execute("SELECT more FROM work.partner WHERE ledger_id = 1 AND more = 'x'").fetchall() == []
        with pytest.raises(psycopg.errors.ForeignKeyViolation):
            runtime.execute("INSERT INTO work.more VALUES (1, 'nobody')")
    with psycopg.connect(database.owner_url, autocommit=True) as owner:
        assert distribute(owner)  # again, with nothing to do


@pytest.mark.parametrize("statement", [_LOGS, _ORGANISATIONS, HEAD_AND_NEW])
def test_a_question_about_a_ledger_is_asked_of_one_node(database: Database, statement: str) -> None:
    """So that it sees all its tables at one time."""
    with psycopg.connect(database.runtime_url) as connection:
        plan = "\n".join(line for (line,) in connection.execute(f"EXPLAIN {statement}".encode(), ASKED))
    assert "Task Count: 1\n" in plan
    assert "Subplan" not in plan


def test_rows_beyond_the_head_are_looked_for_where_the_head_is(database: Database) -> None:
    with postgres_ledger(database.runtime_url) as ledger, ledger.pool.connection() as connection:
        for window in table_windows(ledger.pool, 1, 100, last=True, key=bytes(16)):
            for where in _conditions(connection, window, 1, bounded=False, cluster=True):
                asked = f"EXPLAIN SELECT count(*) FROM ledger.{window.table} WHERE {where}"
                plan = "\n".join(line for (line,) in connection.execute(asked.encode()))
                assert "Task Count: 1\n" in plan
                assert "Subplan" not in plan


def test_ledgers_lie_on_different_nodes(database: Database) -> None:
    names = ["main", *(f"ledger-{n}" for n in range(2, 9))]
    for name in names[1:]:
        add_ledger(database.owner_url, name, [])
    for name in names:
        with postgres_ledger(database.runtime_url, name=name) as ledger:
            assert ledger.append([event("item:a", text=name)]) == 1
            assert [found.event.tags for found in ledger.records([1])] == [["item:a"]]
    with psycopg.connect(database.admin_url) as connection:
        (nodes,) = connection.execute(
            "SELECT count(DISTINCT (c.nodename, c.nodeport)) FROM generate_series(1, %s) ledger"
            " JOIN citus_shards c ON c.shardid = get_shard_id_for_distribution_column('ledger.head', ledger)",
            [len(names)],
        ).fetchone() or (0,)
    assert nodes > 1


def test_an_append_whose_node_is_lost_may_have_been_made(database: Database, cluster: Cluster) -> None:
    def lose(_connection: psycopg.Connection, _position: int) -> None:
        for worker in cluster.workers:
            with psycopg.connect(psycopg.conninfo.make_conninfo(worker, dbname="postgres"), autocommit=True) as node:
                node.execute(
                    "SELECT pg_terminate_backend(pid, 5000) FROM pg_stat_activity WHERE datname = %s AND usename = %s",
                    [database.name, RUNTIME_ROLE],
                )

    with postgres_ledger(database.runtime_url) as ledger:
        ledger.append([event("item:a")])
        with pytest.raises(UnavailableError) as caught:
            ledger.append_prepared([ledger.prepare(event("item:b"))], settle=lose)
        assert caught.value.code == "ledger.outcome_unknown"
        assert ledger.append([event("item:c")]) == 2
