"""A ledger in PostgreSQL is damaged in every way that somebody could think of, and the check names where."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from adapters.postgres.connection import open_pool
from adapters.postgres.index_stored import table_windows
from adapters.postgres.index_sums import TABLES as INDEX_TABLES
from adapters.postgres.reindex import TABLES, reindex
from api.fsck import FILES, INDEX
from api.wiring import INDEXER
from tests.conftest import ONE_SERVER
from tests.support.logged import BAD, ERASED, EVENTS, LEAF, STRANGER, World, first_finding, flip, sound, world
from traceability.ledger.commitment import commit_stored, part_commitments
from traceability.ledger.parts import PART_NAMES, Parts
from traceability.notary.checkpoint import Checkpoint
from traceability.notary.note import SigningKey

__all__ = ["sound", "world"]  # fixtures

Damage = Callable[[World], object]


def sql(*statements: str) -> Damage:
    def damage(world: World) -> None:
        assert world.sql(*statements) > 0

    return damage


def rewritten(world: World) -> None:
    """Change who captured an event, and everything in the record that follows from it."""
    row = world.row(BAD)
    head = row["head"].replace(b"dairy.example", b"store.example")
    assert head != row["head"]
    others = [row[name] for name in PART_NAMES[1:]]
    world.sql(
        f"UPDATE ledger.record SET head = %(head)s, commitment = %(c)s, leaf_hash = sha256('\\x0001'::bytea"
        f" || uuid_send(event_id) || int8send(recorded_at) || %(c)s) WHERE position = {BAD}",
        head=head,
        c=commit_stored(row["salt"], row["personal_salt"], head, *others),
    )


def swapped(*tables: str) -> Damage:
    """Swap two records that were recorded in one moment, and their rows in these tables."""

    def damage(world: World) -> None:
        # A partition takes no negative position, so it goes by way of one that is free.
        for table in tables:
            for old, new in ((BAD, 10_000), (BAD + 1, BAD), (10_000, BAD + 1)):
                world.sql(f"UPDATE ledger.{table} SET position = {new} WHERE position = {old}")

    return damage


def unlawfully_erased(world: World) -> None:
    row = world.row(BAD)
    what = tuple(row["what"].split(b"\n"))
    parts = Parts(row["head"], what, *(row[name] for name in PART_NAMES[2:]))
    left = b"".join(part_commitments(parts, row["salt"], row["personal_salt"])[6:])
    world.sql(
        f"UPDATE ledger.record SET personal = '', source = '', personal_salt = %(left)s WHERE position = {BAD}",
        left=left,
    )


def forged_row(size: int, key: SigningKey | None = None) -> Damage:
    """Sign another root for a size in the database, with a key or with the log's own, which was stolen."""

    def damage(world: World) -> None:
        checkpoint = Checkpoint("traceability.local/main", size, bytes(32))
        note = (key or world.key).sign(checkpoint.text())
        world.sql(
            f"UPDATE notary.checkpoint SET root = %(root)s, note = %(note)s WHERE size = {size}",
            root=checkpoint.root,
            note=note,
        )

    return damage


def forged_file(size: int, key: SigningKey | None = None) -> Damage:
    def damage(world: World) -> None:
        note = (key or world.key).sign(Checkpoint("traceability.local/main", size, bytes(32)).text())
        (world.tiles / "checkpoint").write_text(note, encoding="utf-8")

    return damage


def changed_file(path: str, change: Callable[[bytes], bytes]) -> Damage:
    def damage(world: World) -> None:
        file = world.tiles / path
        file.write_bytes(change(file.read_bytes()))

    return damage


def restored_content(world: World) -> None:
    """Bring back what was erased, as a restored backup would whose redactions nobody applied again."""
    world.sql(
        "UPDATE ledger.record SET personal = %(personal)s, source = %(source)s, personal_salt = %(personal_salt)s"
        f" WHERE position = {ERASED}",
        **world.erased,
    )


def rolled_back(world: World) -> None:
    """Take everything back to position 300, as a backup of that time would."""
    restored_content(world)
    world.sql(
        *(f"DELETE FROM ledger.{table} WHERE position > 300" for table in ("record", *TABLES)),
        "UPDATE ledger.head SET position = 300",
        "DELETE FROM notary.checkpoint WHERE size > 300",
    )


DAMAGES: dict[str, tuple[Damage, tuple[str, str, int | None]]] = {
    **{f"bit of {part}": (sql(flip(part)), ("database", "log.commitment", LEAF)) for part in PART_NAMES},
    "bit of salt": (sql(flip("salt")), ("database", "log.commitment", LEAF)),
    "bit of personal salt": (sql(flip("personal_salt")), ("database", "log.commitment", LEAF)),
    "bit of commitment": (sql(flip("commitment")), ("database", "log.commitment", LEAF)),
    "bit of leaf hash": (sql(flip("leaf_hash")), ("database", "log.leaf", LEAF)),
    "event id": (
        sql(f"UPDATE ledger.record SET event_id = md5('another')::uuid WHERE position = {BAD}"),
        ("database", "log.leaf", LEAF),
    ),
    "recorded later": (
        sql(f"UPDATE ledger.record SET recorded_at = recorded_at + 1 WHERE position = {BAD}"),
        ("database", "log.leaf", LEAF),
    ),
    "recorded earlier": (
        sql(f"UPDATE ledger.record SET recorded_at = -7 WHERE position = {BAD}"),
        ("database", "log.time", LEAF),
    ),
    "occurred_at in the head": (
        sql(
            "UPDATE ledger.record SET head ="
            " overlay(head PLACING '2025'::bytea FROM position('2026-03-01'::bytea IN head))"
            f" WHERE position = {BAD}"
        ),
        ("database", "log.commitment", LEAF),
    ),
    "captured_by with all that follows": (rewritten, ("database", "log.root", LEAF)),
    "type beside the parts": (
        sql(f"UPDATE ledger.record SET type = 'epcis.object_event.v2' WHERE position = {BAD}"),
        ("database", "log.column", LEAF),
    ),
    "visibility beside the parts": (
        sql(f"UPDATE ledger.record SET visibility = visibility + 1 WHERE position = {BAD}"),
        (INDEX, "log.column", LEAF),
    ),
    "captured_by of a visibility": (
        sql("UPDATE ledger.visibility SET captured_by = 'store.example' WHERE position = 1"),
        (INDEX, "log.index", 0),
    ),
    "parties of a visibility": (
        sql("UPDATE ledger.visibility SET parties = '{}' WHERE position = 1"),
        (INDEX, "log.index", 0),
    ),
    "visibility gone": (sql("DELETE FROM ledger.visibility WHERE position = 1"), (INDEX, "log.index", 0)),
    "visibility too many": (
        sql(f"INSERT INTO ledger.visibility VALUES (1, {BAD}, 17, 'store.example', '{{}}', NULL)"),
        (INDEX, "log.index", LEAF),
    ),
    "visibility of a later event": (
        sql(f"UPDATE ledger.visibility SET position = {BAD} WHERE position = 1"),
        (INDEX, "log.index", 0),
    ),
    "tag changed": (
        sql(f"UPDATE ledger.posting SET tag = tag # 1 WHERE position = {BAD}"),
        (INDEX, "log.index", LEAF),
    ),
    "tag gone": (
        sql(
            f"DELETE FROM ledger.posting WHERE position = {BAD}"
            f" AND tag = (SELECT min(tag) FROM ledger.posting WHERE position = {BAD})"
        ),
        (INDEX, "log.index", LEAF),
    ),
    "tag too many": (sql(f"INSERT INTO ledger.posting VALUES (1, {BAD}, 17, 4711)"), (INDEX, "log.index", LEAF)),
    "tag beyond the head": (
        sql(f"INSERT INTO ledger.posting VALUES (1, {EVENTS + 2}, 17, 4711)"),
        (INDEX, "log.index", EVENTS + 1),
    ),
    "mark closes": (
        sql(f"UPDATE ledger.mark SET opens = NOT opens WHERE position = {BAD}"),
        (INDEX, "log.index", LEAF),
    ),
    "mark twice": (
        sql(f"INSERT INTO ledger.mark SELECT * FROM ledger.mark WHERE position = {BAD}"),
        (INDEX, "log.index", LEAF),
    ),
    "mark before the beginning": (
        sql("UPDATE ledger.mark SET position = -position WHERE position = 4"),
        (INDEX, "log.index", -5),
    ),
    "edge turned round": (
        sql(f"UPDATE ledger.edge SET is_input = NOT is_input WHERE position = {BAD + 1}"),
        (INDEX, "log.index", LEAF + 1),
    ),
    "occurred_at of a sighting": (
        sql(f"UPDATE ledger.sighting SET occurred_at = occurred_at + 1 WHERE position = {BAD}"),
        (INDEX, "log.index", LEAF),
    ),
    "step of a sighting": (
        sql(f"UPDATE ledger.sighting SET biz_step = disposition, disposition = biz_step WHERE position = {BAD}"),
        (INDEX, "log.index", LEAF),
    ),
    "sighting gone": (sql(f"DELETE FROM ledger.sighting WHERE position = {BAD}"), (INDEX, "log.index", LEAF)),
    "two records swapped": (swapped("record"), ("database", "log.root", LEAF)),
    "two records swapped, and their index": (
        swapped("record", "posting", "mark", "edge", "sighting"),
        ("database", "log.root", LEAF),
    ),
    "record removed": (
        sql(f"DELETE FROM ledger.record WHERE position = {BAD}"),
        ("database", "log.gap", LEAF),
    ),
    "last record removed": (
        sql(f"DELETE FROM ledger.record WHERE position = {EVENTS + 1}"),
        ("database", "log.gap", EVENTS),
    ),
    "record beyond the head": (
        sql(f"UPDATE ledger.head SET position = {EVENTS}"),
        ("database", "log.stray", None),
    ),
    "erased without an event that says so": (unlawfully_erased, ("database", "log.unlawful_erasure", LEAF)),
    "erased with content": (
        sql(f"UPDATE ledger.record SET source = 'x' WHERE position = {ERASED}"),
        ("database", "log.erased_content", ERASED - 1),
    ),
    "content is back that was erased": (restored_content, ("database", "log.not_erased", ERASED - 1)),
    "root of a checkpoint": (
        sql("UPDATE notary.checkpoint SET root = sha256('x') WHERE size = 300"),
        ("database", "log.checkpoint", None),
    ),
    "checkpoint by a stranger": (forged_row(300, STRANGER), ("database", "log.checkpoint", None)),
    "checkpoint by the stolen key": (forged_row(300), ("database", "log.root", None)),
    "served checkpoint by a stranger": (forged_file(EVENTS + 1, STRANGER), (FILES, "log.checkpoint", None)),
    "served checkpoint by the stolen key": (forged_file(EVENTS + 1), (FILES, "log.rolled_back", None)),
    "served checkpoint beyond the database": (forged_file(EVENTS + 9), (FILES, "log.rolled_back", None)),
    "database rolled back": (rolled_back, (FILES, "log.rolled_back", None)),
    "records rolled back": (
        sql("DELETE FROM ledger.record WHERE position > 300", "UPDATE ledger.head SET position = 300"),
        ("database", "log.rolled_back", None),
    ),
    "tile cut short": (changed_file("tile/0/001", lambda data: data[:-1]), (FILES, "log.tile", 256)),
    "bit of a tile": (changed_file("tile/0/001", lambda d: bytes((d[0] ^ 1,)) + d[1:]), (FILES, "log.tile", 256)),
    "bit of a bundle": (
        changed_file("tile/entries/001", lambda d: d[:-1] + bytes((d[-1] ^ 1,))),
        (FILES, "log.tile", 256),
    ),
    "bundle cut short": (changed_file("tile/entries/001", lambda data: data[:-1]), (FILES, "log.bundle", 256)),
}


@pytest.mark.parametrize("name", DAMAGES)
def test_damage_is_named(world: World, name: str) -> None:
    damage, expected = DAMAGES[name]
    damage(world)
    checked = world.check()
    assert not checked.clean
    assert first_finding(checked) == expected, checked


INDEX_DAMAGES = [name for name, (_, (scope, code, _)) in DAMAGES.items() if (scope, code) == (INDEX, "log.index")]


@pytest.mark.parametrize("name", [*INDEX_DAMAGES, "two records swapped", "two records swapped, and their index"])
def test_a_rebuilt_index_agrees_about_which_table_differs(world: World, name: str) -> None:
    """`db reindex` sorts and compares in SQL, the check adds up sums: they must say the same."""
    DAMAGES[name][0](world)
    rebuilt = reindex(world.database.owner_url, "main", INDEXER, repair=False)
    findings = world.check(INDEX).scopes[INDEX].findings
    named = {finding.message.partition("(")[2].partition(")")[0] for finding in findings}
    assert named == {difference.table for difference in rebuilt if difference}


@ONE_SERVER
@pytest.mark.parametrize("name", INDEX_DAMAGES)
def test_an_index_that_is_read_page_by_page_is_named_the_same(
    world: World, name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As large windows are: in pieces of two pages, each statement one."""
    for constant, size in (("_FEW", 0), ("_PAGES", 1), ("_PIECE", 2)):
        monkeypatch.setattr(f"adapters.postgres.index_stored.{constant}", size)
    with open_pool(world.database.runtime_url, max_size=1) as pool:
        windows = table_windows(pool, 1, EVENTS + 2, last=True, key=bytes(32))
        assert {window.table for window in windows if window.page > 0} == set(INDEX_TABLES)
    assert world.check(INDEX, window=300).clean
    damage, expected = DAMAGES[name]
    damage(world)
    assert first_finding(world.check(INDEX, window=300)) == expected
