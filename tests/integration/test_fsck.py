"""A ledger in PostgreSQL is damaged in every way that somebody could think of, and the check names where."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import psycopg
import pytest
from pydantic import SecretStr

from adapters.postgres.embedded import EmbeddedServer
from adapters.postgres.erasure import erase
from adapters.postgres.reindex import TABLES, reindex
from adapters.signing import signing_key
from api.fsck import FILES, INDEX, LAST, RECORDS, SCOPES, Asked, Checked, LogCheck
from api.notary import published_log, writable_log
from api.settings import Settings
from api.wiring import INDEXER, Engine, open_engine
from tests.conftest import Database, fresh_database
from tests.support.capture_runs import capture_engine, captured, pack, packs
from tests.support.epcis_events import DAIRY, PALLET, document, typed
from traceability.errors import NotFoundError
from traceability.ledger.commitment import commit_stored, part_commitments
from traceability.ledger.parts import PART_NAMES, Parts
from traceability.notary.checkpoint import Checkpoint
from traceability.notary.errors import VerificationError
from traceability.notary.note import SigningKey

DRIVER = "https://ns.example/epcis/driver"
CONTEXT = ["https://ref.gs1.org/standards/epcis/2.0.0/epcis-context.jsonld", {"ns": "https://ns.example/epcis/"}]
EVENTS = 620
ROUND = 150
BAD = 124
"""The position that is damaged, an aggregation, of leaf 123; the one after it is a transformation."""

ERASED = 77
"""The position that was erased lawfully; the last event says so."""


def event(number: int) -> dict[str, Any]:
    """Return an event with every part; whose number is 0 modulo 3 is an aggregation, 1 a transformation."""
    members: dict[str, Any] = {
        "eventID": f"urn:uuid:2f3b1c52-5a0e-4b0e-9d3a-0d6a{number:08}",
        "bizStep": "shipping",
        "disposition": "in_transit",
        "readPoint": {"id": "https://id.gs1.org/414/9521234000006"},
        "sourceList": [{"type": "owning_party", "source": "https://id.gs1.org/417/9521234000006"}],
        "sensorElementList": [{"sensorReport": [{"type": "Temperature", "value": 4.1, "uom": "CEL"}]}],
        "ns:driver": f"driver {number}",
    }
    if number % 3 == 0:
        return typed(
            "AggregationEvent", action="ADD", parentID=PALLET, childEPCs=[pack(number), pack(number + 1)], **members
        )
    if number % 3 == 1:
        lists = {"inputEPCList": [pack(number)], "outputEPCList": [pack(100_000 + number)]}
        return typed("TransformationEvent", action=None, **lists, **members)
    return packs(number, **{name: value for name, value in members.items() if name != "eventID"})[0]


@dataclass(frozen=True)
class World:
    """A ledger, its log's files, and the means to change both without anybody's leave."""

    database: Database
    data: Path
    erased: dict[str, Any] = field(default_factory=dict)
    """What the erased record was before."""

    @property
    def settings(self) -> Settings:
        urls = {"database_url": self.database.runtime_url, "database_owner_url": self.database.owner_url}
        secrets: Any = {name: SecretStr(url) for name, url in urls.items()}
        return Settings(data=self.data, organisation=DAIRY, **secrets)

    @property
    def tiles(self) -> Path:
        return self.data / "logs" / "main"

    @property
    def key(self) -> SigningKey:
        with open_engine(self.settings) as engine:
            return signing_key(self.data / "keys" / "main.key", "traceability.local/main", engine.entropy)

    def sql(self, *statements: str, **values: object) -> int:
        """Change the database as the superuser, with triggers and foreign keys off; say how many rows."""
        with psycopg.connect(self.database.admin_url, autocommit=True) as admin:
            admin.execute("SET session_replication_role = replica")
            return sum(admin.execute(statement.encode(), values).rowcount for statement in statements)

    def row(self, position: int) -> dict[str, Any]:
        """Return a record by its columns."""
        with psycopg.connect(self.database.admin_url, row_factory=psycopg.rows.dict_row) as admin:
            found = admin.execute("SELECT * FROM ledger.record WHERE position = %s", [position]).fetchone()
        assert found is not None
        return found

    def check(self, *scopes: str, window: int = 200, **asked: Any) -> Checked:
        with open_engine(self.settings) as engine:
            return self.check_with(engine, *scopes, window=window, **asked)

    def check_with(self, engine: Engine, *scopes: str, window: int = 200, workers: int = 1, **asked: Any) -> Checked:
        wanted = Asked(frozenset(scopes or SCOPES), **asked)
        return LogCheck(engine, published_log(engine), wanted, workers=workers, window=window).run()

    def grow(self, engine: Engine, *numbers: int) -> None:
        """Capture and publish more events."""
        captured(engine, document(*map(event, numbers), context=CONTEXT))
        publish(engine)


def publish(engine: Engine, most: int = ROUND) -> None:
    """Sign and publish everything, at most so many leaves a round."""
    database, log = writable_log(engine)
    with database.leadership() as leads:
        assert leads
        while log.integrate(most):
            pass


@pytest.fixture(scope="module")
def sound(
    postgres: EmbeddedServer, admin: psycopg.Connection, template: str, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[World]:
    """Make a ledger once, with a lawful erasure; it is copied for every test."""
    for database in fresh_database(postgres, admin, template):
        world = World(database, tmp_path_factory.mktemp("sound") / "data")
        world.sql(f"UPDATE ledger.head SET personal = ARRAY['{DRIVER}']")
        with capture_engine(database, world.data) as engine:
            for first in range(0, EVENTS, 310):
                captured(engine, document(*map(event, range(first, first + 310)), context=CONTEXT))
            publish(engine)
            world.erased.update(world.row(ERASED))
            erase(database.owner_url, engine.ledger, ERASED, reason="asked to", authority="GDPR Art. 17")
            publish(engine)
        yield world


@pytest.fixture
def world(sound: World, postgres: EmbeddedServer, admin: psycopg.Connection, tmp_path: Path) -> Iterator[World]:
    """Give a copy that may be damaged."""
    shutil.copytree(sound.data, tmp_path / "data")
    for database in fresh_database(postgres, admin, sound.database.name):
        yield World(database, tmp_path / "data", sound.erased)


def first_finding(checked: Checked) -> tuple[str, str, int | None] | None:
    """Return where the first finding is, its code and its leaf."""
    for name, report in (*checked.scopes.items(), *checked.outside.items()):
        for finding in report.findings:
            return name, finding.code, finding.leaf
    return None


def test_a_sound_ledger_is_good(world: World) -> None:
    checked = world.check()
    assert first_finding(checked) is None, checked
    database, files = checked.scopes["database"], checked.scopes[FILES]
    assert (database.leaves, database.checkpoints, database.erased, files.leaves) == (EVENTS + 1, 6, 1, EVENTS + 1)
    assert checked.scopes[INDEX].leaves == EVENTS + 1
    # Every table of the index has rows that could be damaged, every part bytes.
    row = world.row(BAD)
    assert all(row[name] for name in PART_NAMES)
    assert row["type"] == "epcis.aggregation_event.v2"


def flip(column: str) -> str:
    return (
        f'UPDATE ledger.record SET "{column}" = set_byte("{column}", octet_length("{column}") / 2,'
        f' get_byte("{column}", octet_length("{column}") / 2) # 1) WHERE position = {BAD}'
    )


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


STRANGER = SigningKey("traceability.local/main", bytes(32))
LEAF = BAD - 1
DAMAGES: dict[str, tuple[Damage, tuple[str, str, int | None]]] = {
    **{f"bit of {part}": (sql(flip(part)), ("database", "log.commitment", LEAF)) for part in PART_NAMES},
    "bit of salt": (sql(flip("salt")), ("database", "log.commitment", LEAF)),
    "bit of personal salt": (sql(flip("personal_salt")), ("database", "log.commitment", LEAF)),
    "bit of commitment": (sql(flip("commitment")), ("database", "log.commitment", LEAF)),
    "bit of leaf hash": (sql(flip("leaf_hash")), ("database", "log.leaf", LEAF)),
    "event id": (
        sql(f"UPDATE ledger.record SET event_id = gen_random_uuid() WHERE position = {BAD}"),
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
            "UPDATE ledger.record SET head = replace(convert_from(head, 'UTF8'), '2026-03-01', '2025-03-01')::bytea"
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
        sql(f"DELETE FROM ledger.posting WHERE ctid = (SELECT min(ctid) FROM ledger.posting WHERE position = {BAD})"),
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


def test_the_damage_of_each_case_is_done_to_a_sound_ledger(world: World) -> None:
    """Without damage nothing is found, by whichever scopes."""
    for scopes in ((), (RECORDS,), (INDEX,), (FILES,)):
        assert world.check(*scopes).clean


INDEX_DAMAGES = [name for name, (_, (scope, code, _)) in DAMAGES.items() if (scope, code) == (INDEX, "log.index")]


@pytest.mark.parametrize("name", [*INDEX_DAMAGES, "two records swapped", "two records swapped, and their index"])
def test_a_rebuilt_index_agrees_about_which_table_differs(world: World, name: str) -> None:
    """`db reindex` sorts and compares in SQL, the check adds up sums: they must say the same."""
    DAMAGES[name][0](world)
    rebuilt = reindex(world.database.owner_url, "main", INDEXER, repair=False)
    findings = world.check(INDEX).scopes[INDEX].findings
    named = {finding.message.partition("(")[2].partition(")")[0] for finding in findings}
    assert named == {difference.table for difference in rebuilt if difference}


def test_worker_processes_find_the_same(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("traceability.notary.records.BLOCK", 32)
    with open_engine(world.settings) as engine:
        assert world.check_with(engine, workers=2).clean
        world.sql(flip("how"), f"UPDATE ledger.posting SET tag = tag # 1 WHERE position = {BAD + 200}")
        checked = world.check_with(engine, workers=2)
    assert [f.leaf for f in checked.scopes["database"].findings] == [LEAF]
    assert [f.leaf for f in checked.scopes[INDEX].findings] == [LEAF + 200]


def test_what_is_new_is_checked_on_top_of_what_was_confirmed(world: World) -> None:
    with open_engine(world.settings) as engine:
        for since in (LAST, 500):
            with pytest.raises(NotFoundError) as caught:
                world.check_with(engine, since=since)
            assert caught.value.code == "log.nothing_confirmed"
        assert world.check_with(engine).clean
        world.grow(engine, *range(1_000, 1_300))
        # Before the confirmed tree nothing is looked at, after it everything.
        world.sql(flip("how"), f"UPDATE ledger.posting SET tag = tag # 1 WHERE position = {BAD}")
        for since, begins in ((LAST, EVENTS + 2), (EVENTS + 2, EVENTS + 2), (400, 400), (600, 600)):
            checked = world.check_with(engine, since=since)
            assert (checked.clean, checked.since) == (True, begins), checked
        assert world.check_with(engine, since=LAST).scopes["database"].leaves == 0
        damaged = world.check_with(engine, since=BAD)
        assert first_finding(damaged) == ("database", "log.commitment", LEAF)
        assert damaged.scopes[INDEX].findings[0].leaf == LEAF
        assert world.check_with(engine, since=BAD + 1).clean
        # No check confirmed more than there is.
        with pytest.raises(VerificationError):
            world.check_with(engine, since=5_000)


def test_new_damage_is_found_by_a_check_of_what_is_new(world: World) -> None:
    with open_engine(world.settings) as engine:
        assert world.check_with(engine).clean
        world.grow(engine, *range(1_000, 1_200))
        world.sql(f"UPDATE ledger.sighting SET biz_step = 'packing' WHERE position = {EVENTS + 100}")
        world.sql(f"UPDATE ledger.record SET source = 'x' WHERE position = {EVENTS + 150}")
        (world.tiles / "tile/0/003.p/53").write_bytes(bytes(53 * 32))
        checked = world.check_with(engine, since=LAST)
        assert checked.since == EVENTS + 2
        assert first_finding(checked) == ("database", "log.commitment", EVENTS + 149)
        assert (checked.scopes[INDEX].findings[0].code, checked.scopes[INDEX].findings[0].leaf) == (
            "log.index",
            EVENTS + 99,
        )
        assert checked.scopes[FILES].findings[0].code == "log.tile"
        # What was bad is not confirmed.
        assert world.check_with(engine, since=LAST).since == EVENTS + 2


class Interrupted(BaseException):
    """Stands for Ctrl-C."""


def test_a_check_that_was_interrupted_goes_on(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("traceability.notary.records.BLOCK", 32)

    def show(what: str) -> Callable[[int, int], None]:
        def progress(done: int, _whole: int) -> None:
            if what == "Reading records" and done > 500:
                raise Interrupted

        return progress

    with open_engine(world.settings) as engine:
        run = LogCheck(engine, published_log(engine), Asked(), show, workers=1, window=100)
        with pytest.raises(Interrupted):
            run.run()
        # What it saw is not looked at again, unless somebody wants to.
        world.sql(flip("how"))
        resumed = world.check_with(engine)
        assert (resumed.clean, resumed.resumed, resumed.since) == (True, True, 301)
        assert resumed.scopes[FILES].leaves == EVENTS + 1
        again = world.check_with(engine)
        assert (again.clean, again.resumed) == (False, False)
        assert first_finding(again) == ("database", "log.commitment", LEAF)


def test_restarting_forgets_an_interrupted_check(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("traceability.notary.records.BLOCK", 32)
    with open_engine(world.settings) as engine:
        log = published_log(engine)
        show = _interrupting(400)
        with pytest.raises(Interrupted):
            LogCheck(engine, log, Asked(frozenset({RECORDS})), show, workers=1, window=100).run()
        # It did not look at the index, so a check of the index begins at the beginning.
        assert not world.check_with(engine, INDEX, restart=False).resumed
        with pytest.raises(Interrupted):
            LogCheck(engine, log, Asked(frozenset({RECORDS})), show, workers=1, window=100).run()
        assert not world.check_with(engine, RECORDS, restart=True).resumed


def _interrupting(after: int) -> Callable[[str], Callable[[int, int], None]]:
    def progress(done: int, _whole: int) -> None:
        if done > after:
            raise Interrupted

    return lambda _what: progress


def test_an_erasure_and_the_event_that_says_so_may_be_far_apart(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    """The position is before the interruption, the event after it; or the event came while the check ran."""
    monkeypatch.setattr("traceability.notary.records.BLOCK", 32)
    with open_engine(world.settings) as engine:
        with pytest.raises(Interrupted):
            LogCheck(engine, published_log(engine), Asked(), _interrupting(500), workers=1, window=100).run()
        assert world.check_with(engine).clean

        def show(_what: str) -> Callable[[int, int], None]:
            def progress(done: int, _whole: int) -> None:
                if done == 320:
                    erase(world.database.owner_url, engine.ledger, 400, reason="asked", authority="court")

            return progress

        run = LogCheck(engine, published_log(engine), Asked(), show, workers=1)
        checked = run.run()
        assert (checked.clean, checked.scopes["database"].erased) == (True, 2), checked


def test_the_last_check_remembers_what_a_rolled_back_ledger_forgot(world: World) -> None:
    """Database and files are those of an older backup and agree with each other; only the check's own file differs."""
    older = world.data.with_name("older")
    shutil.copytree(world.tiles, older)
    shutil.copy(world.data / "logs/main/checkpoint", older / "checkpoint")
    assert world.check().clean
    with open_engine(world.settings) as engine:
        world.grow(engine, *range(1_000, 1_100))
        assert world.check_with(engine, since=LAST).clean
    size = EVENTS + 1
    world.sql(
        *(f"DELETE FROM ledger.{table} WHERE position > {size}" for table in ("record", *TABLES)),
        f"UPDATE ledger.head SET position = {size}",
        f"DELETE FROM notary.checkpoint WHERE size > {size}",
    )
    shutil.rmtree(world.tiles)
    shutil.copytree(older, world.tiles)
    checked = world.check()
    assert first_finding(checked) == ("an earlier check", "log.rolled_back", None), checked
    assert not world.check(since=LAST).clean


def test_what_was_confirmed_is_believed_only_under_the_log_s_key(world: World) -> None:
    assert world.check().clean
    file = world.data / "fsck" / "main.json"
    good = file.read_text(encoding="utf-8")
    kept = json.loads(good)
    note = kept["scopes"][RECORDS]["note"]
    forged = STRANGER.sign(note.split("\n\n")[0] + "\n")
    for bad in (
        good.replace(json.dumps(note, ensure_ascii=False), json.dumps(forged, ensure_ascii=False)),
        good.replace(kept["scopes"][RECORDS]["peaks"][0], "00" * 32),
        good.replace(kept["scopes"][RECORDS]["peaks"][0], "nonsense"),
        good[:-20],
        "",
    ):
        assert bad != good
        file.write_text(bad, encoding="utf-8")
        with pytest.raises(NotFoundError):
            world.check(since=LAST)
    file.write_text(good, encoding="utf-8")
    assert world.check(since=LAST).clean
