"""The log over a real ledger: PostgreSQL coordinates, files serve."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import psycopg
import pytest

from adapters.postgres.erasure import erase
from adapters.postgres.ledger import PostgresLedger
from adapters.postgres.log_chain import create_log
from adapters.postgres.notary import PostgresLog, find_log
from adapters.system import SystemClock
from adapters.tiles import FileTileStore
from tests.conftest import Database
from tests.ledgers import event, numbered, postgres_ledger
from tests.support.logs import KEY
from traceability.ledger.commitment import entry_of
from traceability.merkle import EMPTY_ROOT
from traceability.notary.checkpoint import Checkpoint, open_checkpoint
from traceability.notary.errors import DamagedLogError, RolledBackError, StaleCheckpointError
from traceability.notary.fsck import check_database, check_files
from traceability.notary.log import Log, prove
from traceability.notary.ports import SignedCheckpoint
from traceability.notary.receipt import open_event
from traceability.notary.records import redacted_position
from traceability.notary.verify import verify_receipt


@dataclass
class World:
    ledger: PostgresLedger
    database: PostgresLog
    tiles: FileTileStore
    owner_url: str

    def integrate(self, most: int = 16_384) -> Checkpoint:
        log = Log(self.database, self.tiles, KEY, SystemClock())
        with self.database.leadership() as leads:
            assert leads
            while log.integrate(most):
                pass
        served = self.tiles.checkpoint()
        assert served is not None
        return open_checkpoint(served, KEY.verifier)[0]


@pytest.fixture
def world(database: Database, tmp_path: Path) -> Iterator[World]:
    with postgres_ledger(database.runtime_url) as ledger:
        log = create_log(
            ledger.pool,
            ledger.ledger_id,
            name="main",
            origin=KEY.name,
            vkey=KEY.verifier.text,
            clock=SystemClock(),
        )
        yield World(ledger, log, FileTileStore(tmp_path / "main"), database.owner_url)


def append(world: World, size: int) -> None:
    for _ in world.ledger.append_all(numbered(["item:a", "item:b"], size)):
        pass


def assert_good(world: World) -> None:
    for report in (check_database(world.database), check_files(world.database, world.tiles)):
        assert report.clean, report.findings


def test_entries_are_those_of_the_records_in_order(world: World) -> None:
    append(world, 20)
    records = world.ledger.records(range(1, 21))
    entries = world.database.entries(0, 20)
    assert [entry.leaf_hash for entry in entries] == [record.leaf_hash for record in records]
    for entry, record in zip(entries, records, strict=True):
        recorded = record.event
        assert recorded.event_id is not None
        assert recorded.recorded_at is not None
        assert recorded.commitment is not None
        assert entry.entry == entry_of(recorded.event_id, recorded.recorded_at, recorded.commitment)
    assert world.database.entries(18, 30) == entries[18:]


def test_a_log_over_a_ledger_and_a_receipt_out_of_it(world: World) -> None:
    assert world.integrate() == Checkpoint(KEY.name, 0, EMPTY_ROOT)
    append(world, 700)
    world.ledger.append([event("item:c", text="alone")])
    assert world.integrate(100).size == 701
    assert_good(world)
    record = world.ledger.records([701])[0]
    recorded = record.event
    assert recorded.event_id is not None
    assert recorded.recorded_at is not None
    assert recorded.salt is not None
    assert recorded.personal_salt is not None
    opening = open_event(
        recorded.event_id,
        recorded.recorded_at,
        recorded.parts,
        recorded.salt,
        recorded.personal_salt,
        extent={"more"},
        items=(),
    )
    receipt = prove(world.tiles, KEY.verifier, 700, opening)
    assert b"alone" in verify_receipt(receipt.text().encode(), KEY.verifier).opening.shown().more


def test_the_log_is_found_again_and_never_made_twice(world: World) -> None:
    pool, ledger_id = world.ledger.pool, world.ledger.ledger_id
    again = create_log(pool, ledger_id, name="other", origin="other", vkey="other", clock=SystemClock())
    found = find_log(pool, ledger_id)
    assert found is not None
    assert again.identity == found.identity == world.database.identity
    assert find_log(pool, 4711) is None


def test_one_of_two_processes_leads_until_its_connection_ends(world: World, admin: psycopg.Connection) -> None:
    other = find_log(world.ledger.pool, world.ledger.ledger_id)
    assert other is not None
    with world.database.leadership() as first:
        with other.leadership() as second:
            assert (first, second) == (True, False)
        leading = world.database._leading
        assert leading is not None
        admin.execute("SELECT pg_terminate_backend(%s::integer)", [leading.info.backend_pid])
        with pytest.raises(psycopg.OperationalError):
            world.database.sequenced()
    with other.leadership() as second:
        assert second
    assert world.database.sequenced() == 0


def test_two_that_lead_by_mistake_publish_one_log(world: World) -> None:
    append(world, 300)
    errors: list[Exception] = []

    def work(most: int) -> None:
        database = find_log(world.ledger.pool, world.ledger.ledger_id)
        assert database is not None
        log = Log(database, world.tiles, KEY, SystemClock())
        for _ in range(60):
            try:
                log.integrate(most)
            except StaleCheckpointError:
                continue
            except Exception as error:  # noqa: BLE001 - handed to the test
                errors.append(error)

    threads = [threading.Thread(target=work, args=(most,)) for most in (7, 20)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert errors == []
    assert world.integrate().size == 300
    assert_good(world)


def test_two_roots_for_one_size_cannot_be_stored(world: World) -> None:
    world.integrate()
    wrong = SignedCheckpoint(Checkpoint(KEY.name, 0, bytes(32)), "note", 1)
    assert world.database.insert(wrong).checkpoint.root == EMPTY_ROOT


def test_the_runtime_role_cannot_change_what_was_signed(world: World) -> None:
    world.integrate()
    with world.ledger.pool.connection() as connection:
        for statement in ("UPDATE notary.checkpoint SET size = 1", "DELETE FROM notary.log", "TRUNCATE notary.log"):
            with pytest.raises(psycopg.errors.InsufficientPrivilege):
                connection.execute(statement.encode())


def test_a_restored_database_is_not_signed_over(world: World) -> None:
    append(world, 300)
    world.integrate(100)
    with psycopg.connect(world.owner_url, autocommit=True) as owner:
        owner.execute("DELETE FROM notary.checkpoint WHERE size > 200")
    with pytest.raises(RolledBackError):
        world.integrate()
    assert check_files(world.database, world.tiles).findings[0].code == "log.rolled_back"
    with psycopg.connect(world.owner_url, autocommit=True) as owner:
        owner.execute("DELETE FROM notary.checkpoint")
        owner.execute("DELETE FROM ledger.record")
        owner.execute("UPDATE ledger.head SET position = 0")
    with pytest.raises(RolledBackError):
        world.integrate()


def test_fsck_names_the_first_record_that_was_tampered_with(world: World) -> None:
    append(world, 300)
    world.integrate()
    with psycopg.connect(world.owner_url, autocommit=True) as owner:
        owner.execute("UPDATE ledger.record SET more = more || ' ' WHERE position IN (123, 200)")
        owner.execute("UPDATE ledger.record SET leaf_hash = sha256('x') WHERE position = 250")
    findings = check_database(world.database).findings
    assert [(finding.code, finding.leaf) for finding in findings[:3]] == [
        ("log.commitment", 122),
        ("log.commitment", 199),
        ("log.leaf", 249),
    ]


def test_a_flipped_bit_in_the_database_is_not_signed(world: World) -> None:
    append(world, 10)
    with psycopg.connect(world.owner_url, autocommit=True) as owner:
        owner.execute("UPDATE ledger.record SET leaf_hash = sha256('x') WHERE position = 3")
    with pytest.raises(DamagedLogError, match="leaf 2"):
        world.integrate()
    assert world.database.last_signed() is None
    assert world.tiles.checkpoint() is None


def test_checkpoints_are_read_in_pages(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    append(world, 30)
    world.integrate(4)
    monkeypatch.setattr("adapters.postgres.notary._CHECKPOINTS", 3)
    monkeypatch.setattr("adapters.postgres.notary._EVENTS", 7)
    assert [signed.checkpoint.size for signed in world.database.all_signed()] == [4, 8, 12, 16, 20, 24, 28, 30]
    assert [stored.position for stored in world.database.events()] == list(range(1, 31))
    assert_good(world)


def test_records_are_read_by_leaf(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    append(world, 30)
    world.integrate(4)
    monkeypatch.setattr("adapters.postgres.notary._EVENTS", 7)
    rows = list(world.database.rows(3, 25))
    assert [row[0] for row in rows] == list(range(4, 26))
    for row, stored in zip(rows, list(world.database.events())[3:25], strict=True):
        head, *others = stored.parts.flat()
        assert row[1] == stored.event_id.bytes
        assert row[5:9] == (stored.leaf_hash, stored.commitment, stored.salt, stored.personal_salt)
        assert row[9:] == (head, b"\n".join(stored.parts.what), *others)
    assert list(world.database.rows(30, 40)) == []
    monkeypatch.setattr("adapters.postgres.notary._PATIENCE", 0.0)  # a statement for each
    assert list(world.database.rows(3, 25)) == rows
    assert [signed.checkpoint.size for signed in world.database.all_signed(20)] == [20, 24, 28, 30]


def test_redactions_are_found_window_by_window(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    append(world, 30)
    for position in (3, 7):
        erase(world.owner_url, world.ledger, position, reason="asked", authority="court")
    monkeypatch.setattr("adapters.postgres.notary._WINDOW", 4)
    named = [redacted_position(head, more) for head, more in world.database.redactions_after(0)]
    assert named == [3, 7]
    assert [redacted_position(head, more) for head, more in world.database.redactions_after(31)] == [7]
    assert list(world.database.redactions_after(32)) == []


def test_a_record_outside_of_the_ledger_s_positions_is_seen(world: World) -> None:
    append(world, 30)
    assert world.database.stray_position() is None
    with psycopg.connect(world.owner_url, autocommit=True) as owner:
        owner.execute("UPDATE ledger.record SET position = 4711 WHERE position = 9")
        assert world.database.stray_position() == 4711
        owner.execute("UPDATE ledger.record SET position = 0 WHERE position = 5")
    assert world.database.stray_position() == 0
