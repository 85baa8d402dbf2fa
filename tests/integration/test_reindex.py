"""The stored index is what the records say, a naive builder agrees, and what differs is found and mended."""

from __future__ import annotations

from typing import Any

import orjson
import psycopg
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from adapters.postgres.reindex import TABLES, IndexDifference, reindex
from tests.conftest import ONE_SERVER, Database
from tests.contract.test_ledger_contract import two_hashes
from tests.ledgers import event, index_test_event, numbered, postgres_ledger
from traceability.errors import NotFoundError
from traceability.ledger.event import LedgerEvent
from traceability.ledger.index import TagHash, tag_hash, visibility_id
from traceability.ledger.store import Ledger

Index = dict[str, list[tuple[Any, ...]]]
COLUMNS = {
    "posting": "position, tag, visibility",
    "mark": "position, child, parent, kind, opens, occurred_at, visibility",
    "edge": "position, node, via, is_input, occurred_at, visibility",
    "sighting": "position, occurred_at, visibility, event, retracts, biz_step, disposition",
    "visibility": "position, visibility, captured_by, parties, biz_step",
}
OCCURRED_AT = 1_772_352_900_000_000  # of every event of tests.ledgers

NO_TIME: dict[str, Any] = {"occurred_at": None}

names = st.sampled_from([f"item:{n}" for n in range(6)])
events = st.builds(
    lambda tags, identity, marks, edges, head: event(*tags, identity=identity, marks=marks, edges=edges, **head),
    tags=st.lists(st.sampled_from(["item:0", "item:1", "party:a", "party:b"]), max_size=4),
    identity=st.none() | st.sampled_from([f"identity:{n}" for n in range(40)]),
    marks=st.lists(st.tuples(st.none() | names, names, st.booleans()), max_size=4),
    edges=st.lists(st.tuples(names, st.booleans(), st.none() | st.just("transformation:t")), max_size=4),
    head=st.sampled_from([{}, NO_TIME]),
)


def naive_index(ledger: Ledger, hash_of: TagHash) -> Index:
    """Build the index of every record from parts 0 to 5, without any of the store's code."""
    index: dict[str, set[tuple[Any, ...]]] = {table: set() for table in TABLES}
    known: set[int] = set()
    for position in range(1, ledger.head() + 1):
        (record,) = ledger.records([position])
        rows = index_test_event(record.event.parts)
        assert record.event.event_id is not None
        visibility = visibility_id(rows.visibility)
        for name in (*rows.tags, rows.identity, f"event_id:{record.event.event_id.hex}"):
            if name is not None:
                index["posting"].add((position, hash_of(name), visibility))
        if visibility not in known:
            known.add(visibility)
            seen = rows.visibility
            index["visibility"].add((position, visibility, seen.captured_by, seen.parties, seen.biz_step))
        if orjson.loads(record.event.parts.head)["occurred_at"] is None:
            continue
        index["sighting"].add((position, OCCURRED_AT, visibility, 0, False, None, None))
        for mark in rows.marks:
            child = 0 if mark.child is None else hash_of(mark.child)
            index["mark"].add(
                (position, child, hash_of(mark.parent), mark.kind.value, mark.opens, OCCURRED_AT, visibility)
            )
        for edge in rows.edges:
            via = 0 if edge.via is None else hash_of(edge.via)
            index["edge"].add((position, hash_of(edge.node), via, edge.is_input, OCCURRED_AT, visibility))
    return {table: sorted(rows, key=repr) for table, rows in index.items()}


def stored_index(database: Database) -> Index:
    def plain(value: Any) -> Any:
        return tuple(value) if isinstance(value, list) else value

    with psycopg.connect(database.runtime_url) as connection:
        return {
            table: sorted(
                (
                    tuple(map(plain, row))
                    for row in connection.execute(f"SELECT {columns} FROM ledger.{table}".encode())
                ),
                key=repr,
            )
            for table, columns in COLUMNS.items()
        }


def differences(database: Database, hash_of: TagHash = tag_hash, *, repair: bool = False) -> list[IndexDifference]:
    found = reindex(database.owner_url, "main", index_test_event, hash_of=hash_of, repair=repair)
    assert [difference.table for difference in found] == list(TABLES)
    return [difference for difference in found if difference]


@pytest.mark.parametrize("hash_of", [tag_hash, two_hashes])
def test_the_stored_index_is_the_naive_builder_s(database: Database, hash_of: TagHash) -> None:
    @settings(max_examples=20)
    @given(st.lists(events, min_size=1, max_size=6), st.booleans())
    def check(appended: list[LedgerEvent], in_bulk: bool) -> None:  # noqa: FBT001 - drawn
        if in_bulk:
            list(ledger.append_all(appended))
        else:
            ledger.append(appended)

    with postgres_ledger(database.runtime_url, hash_of) as ledger:
        check()
        assert stored_index(database) == naive_index(ledger, hash_of)
        assert differences(database, hash_of) == []


def fill(database: Database) -> Database:
    """Give every table of the index some rows."""
    with postgres_ledger(database.runtime_url) as ledger:
        list(ledger.append_all(numbered(["item:a", "party:b"], 40)))
        ledger.append(
            [event("item:x", marks=[("item:x", "item:y", True)], edges=[("item:x", True, None)], text=str(n))
             for n in range(3)]
        )  # fmt: skip
    return database


@pytest.fixture(scope="module")
def filled(shared_database: Database) -> Database:
    """Give a filled ledger; every test that damages its index also mends it."""
    return fill(shared_database)


DAMAGES = [
    ("DELETE FROM ledger.{table}", "all rows gone"),
    ("DELETE FROM ledger.{table} WHERE position = (SELECT max(position) FROM ledger.{table})", "some rows gone"),
    ("UPDATE ledger.{table} SET visibility = visibility + 1", "altered"),
    ("UPDATE ledger.{table} SET position = position + 1000", "beyond the head"),
    ("UPDATE ledger.{table} SET position = -position", "before the beginning"),
]


@pytest.mark.parametrize("table", TABLES)
@pytest.mark.parametrize("damage", [pytest.param(sql, id=name) for sql, name in DAMAGES])
def test_damage_is_named_and_mended(filled: Database, table: str, damage: str) -> None:
    if table == "posting" and "-position" in damage:
        damage = "INSERT INTO ledger.posting VALUES (1, 17, 4711, 0)"
    sound = stored_index(filled)
    with psycopg.connect(filled.admin_url, autocommit=True) as admin:
        damaged = admin.execute(damage.format(table=table).encode()).rowcount
        admin.execute("INSERT INTO work.judged VALUES (1, 'dairy.example', 1, '', 1)")
    assert damaged > 0
    (named,) = differences(filled)
    assert named.table == table
    assert max(named.surplus, named.missing) == damaged
    assert stored_index(filled) != sound
    assert differences(filled, repair=True) == [named]
    assert differences(filled) == []
    assert stored_index(filled) == sound
    with psycopg.connect(filled.admin_url) as admin:  # what was judged by another index is judged again
        assert admin.execute("SELECT FROM work.judged").rowcount == 0


@pytest.mark.parametrize("table", ["mark", "edge"])
def test_a_row_that_is_there_twice_is_one_too_many(filled: Database, table: str) -> None:
    sound = stored_index(filled)
    with psycopg.connect(filled.admin_url, autocommit=True) as admin:
        admin.execute(f"INSERT INTO ledger.{table} SELECT * FROM ledger.{table}".encode())
    assert differences(filled, repair=True) == [IndexDifference(table, surplus=3, missing=0)]
    assert stored_index(filled) == sound


def test_another_ledger_s_rows_are_left_alone(database: Database) -> None:
    filled = fill(database)
    with psycopg.connect(filled.admin_url, autocommit=True) as admin:
        admin.execute("INSERT INTO ledger.head (ledger_id, name) VALUES (2, 'other')")
        admin.execute("INSERT INTO ledger.mark SELECT 2, 1, child, parent, kind, opens, 0, 0 FROM ledger.mark")
    sound = stored_index(filled)
    assert differences(filled, repair=True) == []
    assert stored_index(filled) == sound
    assert reindex(filled.owner_url, "other", index_test_event, repair=False)[1] == IndexDifference("mark", 3, 0)


@ONE_SERVER
def test_a_rebuild_reads_neither_personal_data_nor_source_nor_salts(filled: Database) -> None:
    """The owner is not allowed to read these columns, so a rebuild that did would fail."""
    with psycopg.connect(filled.admin_url, autocommit=True) as admin:
        admin.execute("CREATE ROLE rebuilder LOGIN")
        try:
            admin.execute(f"GRANT CONNECT, TEMPORARY ON DATABASE {filled.name} TO rebuilder".encode())
            admin.execute("GRANT USAGE ON SCHEMA ledger TO rebuilder")
            admin.execute("GRANT SELECT, UPDATE ON ledger.head TO rebuilder")
            for table in TABLES:
                admin.execute(f"GRANT SELECT, INSERT, DELETE ON ledger.{table} TO rebuilder".encode())
            admin.execute(
                'GRANT SELECT (ledger_id, position, event_id, type, head, what, "where", why, how, more)'
                " ON ledger.record TO rebuilder"
            )
            admin.execute("GRANT USAGE ON SCHEMA work TO rebuilder")
            admin.execute("GRANT SELECT, DELETE ON work.judged TO rebuilder")
            admin.execute("DELETE FROM ledger.mark")
            url = filled.admin_url.replace("postgres@", "rebuilder@")
            found = reindex(url, "main", index_test_event)
            assert [d for d in found if d] == [IndexDifference("mark", 0, 3)]
        finally:
            admin.execute("DROP OWNED BY rebuilder")
            admin.execute("DROP ROLE rebuilder")


def test_appends_go_on_during_a_rebuild(database: Database) -> None:
    filled = fill(database)
    with postgres_ledger(filled.runtime_url) as ledger:
        appended: list[int] = []

        def append_once(_done: int, _head: int) -> None:
            if not appended:
                appended.append(ledger.append([event("item:meanwhile", marks=[("item:c", "item:p", True)])]))

        found = reindex(filled.owner_url, "main", index_test_event, progress=append_once, repair=False)
        assert appended == [44]
        assert [d for d in found if d] == []


def test_an_unknown_ledger_is_refused(database: Database) -> None:
    with pytest.raises(NotFoundError) as caught:
        reindex(database.owner_url, "absent", index_test_event)
    assert caught.value.code == "ledger.unknown"
