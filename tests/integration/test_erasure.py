"""What was erased is in no file of the server, and everything else is as it was."""

from __future__ import annotations

import secrets
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from uuid import UUID, uuid4

import psycopg
import pytest

from adapters.postgres.embedded import RUNTIME_ROLE, EmbeddedServer, create_database, embedded_server
from adapters.postgres.erasure import erase, purge
from adapters.postgres.findings import PostgresFindings
from adapters.postgres.ledger import PostgresLedger
from adapters.postgres.migrate import migrate
from adapters.system import SystemClock
from tests.conftest import Database, database_of
from tests.ledgers import event, postgres_ledger
from tests.support.findings import finding, ids, store
from tests.support.ledger_history import check_ledger
from traceability.errors import ConflictError, NotFoundError, UnavailableError
from traceability.ledger.commitment import part_commitments
from traceability.ledger.event import LedgerEvent, Redacted
from traceability.ledger.findings import Letter
from traceability.ledger.store import Record

WINDOW = 8  # PostgreSQL's compression puts a byte of its own after eight that it copies


def mark() -> str:
    """Make a text that is nowhere else: 16 characters, so that any compression leaves eight in a row."""
    return secrets.token_urlsafe(12)


@dataclass(frozen=True)
class Secret:
    personal: str
    source: str
    filling: str = ""

    def event(self, name: str) -> LedgerEvent:
        given = event(f"item:{name}", text=name, identity=name)
        personal = f'{{"p":"{self.personal}{self.filling}"}}'.encode()
        return replace(given, parts=replace(given.parts, personal=personal, source=f"<{self.source}>".encode()))

    def needles(self) -> list[bytes]:
        return [self.personal.encode(), self.source.encode()]


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[EmbeddedServer]:
    """Give a server whose files hold nothing but these tests' data."""
    with embedded_server(tmp_path_factory.mktemp("erasure")) as server:
        yield server


@pytest.fixture(scope="module")
def own_database(server: EmbeddedServer) -> Database:
    with psycopg.connect(server.url(role=None, database="postgres"), autocommit=True) as admin:
        create_database(admin, "erasure")
    database = database_of(server, "erasure")
    migrate(database.owner_url, runtime_role=RUNTIME_ROLE)
    return database


def files_with(folder: Path, needles: list[bytes]) -> set[bytes]:
    """Return those of these bytes that some file of a folder holds."""
    contents = [path.read_bytes() for path in folder.rglob("*") if path.is_file() and not path.is_symlink()]
    assert sum(map(len, contents)) > 20_000_000  # the whole cluster was read, write-ahead log and catalogues included
    return {needle for needle in needles if any(needle in content for content in contents)}


@dataclass(frozen=True)
class LetterSecret:
    """What a letter holds and what its finding quotes of it."""

    finding_id: UUID
    body: str
    quoted: str

    def needles(self) -> list[bytes]:
        return [self.body.encode(), self.quoted.encode()]


def a_letter(ledger: PostgresLedger, position: int | None) -> LetterSecret:
    """Store the letter of an event that repeats the one at a position, or of one that was never recorded."""
    secret = LetterSecret(next(ids()), mark(), mark())
    letter = Letter(letter_id=uuid4(), body=secret.body.encode(), position=position)
    given = finding(secret.finding_id, letter_id=letter.letter_id, position=position, message=secret.quoted)
    store(ledger.pool, [given], [letter])
    return secret


def leave_a_dead_row(ledger: PostgresLedger, given: LedgerEvent) -> None:
    """Append and roll back, as a group does that is tried again one by one."""
    with ledger.pool.connection() as connection, connection.transaction(force_rollback=True):
        ledger.append_on(connection, [ledger.prepare(given)])


def test_no_byte_is_left_in_the_data_folder(server: EmbeddedServer, own_database: Database) -> None:
    database = own_database
    wide = Secret(mark(), mark(), "again and again " * 4_000)
    random = Secret(mark(), mark(), secrets.token_urlsafe(60_000))
    short = [Secret(mark(), mark()) for _ in range(120)]  # so many that ANALYZE could sample them
    staying = short[-1].needles()
    with postgres_ledger(database.runtime_url) as ledger:
        list(ledger.append_all([wide.event("wide"), random.event("random")]))
        ledger.append([secret.event(f"short {n}") for n, secret in enumerate(short)])
        repeat, forgotten, other = (a_letter(ledger, position) for position in (1, None, 122))
        leave_a_dead_row(ledger, short[0].event("rolled back"))
        leave_a_dead_row(ledger, random.event("rolled back"))
        before = check_ledger(ledger, database.owner_url)
        erased = before[:12]
        salts = [salt for record in erased if (salt := record.event.personal_salt) is not None]
        plain = [*salts, *(needle for secret in [*short[:10], random] for needle in secret.needles())]
        plain += [*repeat.needles(), *forgotten.needles()]
        staying += other.needles()
        compressed = [wide.personal.encode()[i : i + WINDOW] for i in range(16 - WINDOW + 1)]
        with psycopg.connect(database.admin_url, autocommit=True) as admin:
            admin.execute("ANALYZE ledger.record, work.finding, work.letter")
            admin.execute("CHECKPOINT")
            assert files_with(server.data, plain) == set(plain)
            assert files_with(server.data, compressed)

            for record in erased:
                erase(database.owner_url, ledger, record.position, reason="asked to", authority="GDPR Art. 17")
            findings = PostgresFindings(ledger.pool, ledger.ledger_id, clock=SystemClock())
            findings.dismiss("dairy.example", forgotten.finding_id, forget=True)
            purge(database.owner_url, [record.position for record in erased])
            # What docs/guide/erasure.md tells the operator to do.
            admin.execute("SELECT pg_switch_wal()")
            admin.execute("CHECKPOINT")
            needles = [*plain, *compressed, wide.source.encode()]
            assert files_with(server.data, [*needles, *staying]) == set(staying)

        after = check_ledger(ledger, database.owner_url)
        assert after[12:122] == before[12:]
        for old, new in zip(erased, after, strict=False):
            assert (new.leaf_hash, new.visibility, new.event.tags) == (old.leaf_hash, old.visibility, old.event.tags)
            assert new.event.parts == replace(old.event.parts, personal=b"", source=b"")
            assert commitments_of(new) == commitments_of(old)
        redactions = [Redacted.of(record.event) for record in after[122:]]
        assert [redacted.position for redacted in redactions] == list(range(1, 13))
        assert redactions[0] == Redacted(position=1, reason="asked to", authority="GDPR Art. 17")


def commitments_of(record: Record) -> list[bytes]:
    assert record.event.salt is not None
    assert record.event.personal_salt is not None
    return part_commitments(record.event.parts, record.event.salt, record.event.personal_salt)


def test_an_open_transaction_keeps_a_purge_from_being_complete(database: Database) -> None:
    with postgres_ledger(database.runtime_url) as ledger:
        ledger.append([Secret(mark(), mark()).event("x")])
        with psycopg.connect(database.owner_url) as reader:
            reader.execute("SET TRANSACTION ISOLATION LEVEL REPEATABLE READ; SELECT FROM ledger.head")
            erase(database.owner_url, ledger, 1, reason="asked to", authority="GDPR Art. 17")
            with pytest.raises(UnavailableError) as caught:
                purge(database.owner_url, [1], patience=[])
            assert caught.value.code == "ledger.purge_incomplete"
        purge(database.owner_url, [1], patience=[])


def test_an_event_is_erased_once(database: Database) -> None:
    with postgres_ledger(database.runtime_url) as ledger:
        ledger.append([Secret(mark(), mark()).event("x")])
        assert erase(database.owner_url, ledger, 1, reason="asked to", authority="GDPR Art. 17") == 2
        for position, error, code in (
            (1, ConflictError, "ledger.already_erased"),
            (3, NotFoundError, "ledger.no_such_position"),
        ):
            with pytest.raises(error) as caught:
                erase(database.owner_url, ledger, position, reason="asked to", authority="GDPR Art. 17")
            assert caught.value.code == code
        assert ledger.head() == 2


def test_the_runtime_role_cannot_erase(database: Database) -> None:
    with postgres_ledger(database.runtime_url) as ledger:
        ledger.append([given := Secret(mark(), mark()).event("x")])
        with pytest.raises(psycopg.errors.InsufficientPrivilege):
            erase(database.runtime_url, ledger, 1, reason="none", authority="none")
        with pytest.raises(UnavailableError) as caught:
            purge(database.runtime_url, [1])
        assert caught.value.code == "ledger.purge_not_allowed"
        assert [record.event.parts for record in ledger.records([1, 2])] == [given.parts]


def test_what_was_erased_is_not_recorded_anew_as_something_else(database: Database) -> None:
    """A repeat of an erased event is still known: the index stays, so no identity is free again."""
    with postgres_ledger(database.runtime_url) as ledger:
        given = Secret(mark(), mark()).event("x")
        list(ledger.append_all([given]))
        erase(database.owner_url, ledger, 1, reason="asked to", authority="GDPR Art. 17")
        ((outcome,),) = ledger.append_all([given])
        assert (outcome.outcome.value, outcome.position) == ("duplicate", 1)
