"""A ledger's logs one after another, over real PostgreSQL: closed under writers, integrators and crashes."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

import psycopg
import pytest

from adapters.postgres.erasure import erase
from adapters.postgres.ledger import PostgresLedger
from adapters.postgres.ledgers import add_ledger
from adapters.postgres.log_chain import NewLog, close_log, create_log
from adapters.postgres.notary import PostgresLog, find_log, find_logs
from adapters.system import SystemClock
from adapters.tiles import FileTileStore
from tests.conftest import Database
from tests.ledgers import event, postgres_ledger
from tests.support.logs import KEY
from traceability.errors import ConflictError
from traceability.merkle import root_of
from traceability.notary.checkpoint import Checkpoint, open_checkpoint
from traceability.notary.errors import ClosedLogError, StaleCheckpointError
from traceability.notary.fsck import check_database, check_files
from traceability.notary.log import Log
from traceability.notary.note import SigningKey
from traceability.notary.ports import SignedCheckpoint

NEXT = SigningKey("dairy.example/next", bytes(range(1, 33)))
CLOCK = SystemClock()


@dataclass
class Chain:
    ledger: PostgresLedger
    folder: Path

    def close(self, key: SigningKey = NEXT, name: str = "next") -> PostgresLog:
        log = find_log(self.ledger.pool, self.ledger.ledger_id)
        assert log is not None
        following = NewLog(name, key.name, key.verifier.text)
        return close_log(self.ledger.pool, self.ledger.ledger_id, log.log_id, following, clock=CLOCK)

    def writer(self, number: int, key: SigningKey) -> Log:
        log = find_logs(self.ledger.pool, self.ledger.ledger_id)[number]
        return Log(log, FileTileStore(self.folder / log.identity.name), key, CLOCK)

    def assert_good(self, number: int, key: SigningKey, first: int, last: int) -> None:
        """Check that a log publishes exactly the records from `first` to `last`."""
        log = find_logs(self.ledger.pool, self.ledger.ledger_id)[number]
        tiles = FileTileStore(self.folder / log.identity.name)
        served = tiles.checkpoint()
        assert served is not None
        hashes = [record.leaf_hash for record in self.ledger.records(range(first, last + 1))]
        expected = Checkpoint(key.name, last + 1 - first, root_of(hashes))
        assert open_checkpoint(served, key.verifier)[0] == expected
        for report in (check_database(log), check_files(log, tiles)):
            assert report.clean, report.findings
        assert check_database(log).leaves == last + 1 - first


@pytest.fixture
def chain(database: Database, tmp_path: Path) -> Iterator[Chain]:
    with postgres_ledger(database.runtime_url) as ledger:
        vkey = KEY.verifier.text
        create_log(ledger.pool, ledger.ledger_id, name="main", origin=KEY.name, vkey=vkey, clock=CLOCK)
        yield Chain(ledger, tmp_path)


def append(ledger: PostgresLedger, size: int) -> None:
    for _ in ledger.append_all(event("item:a", text=str(number)) for number in range(size)):
        pass


def finish(log: Log, most: int = 16_384) -> None:
    while log.integrate(most):
        pass


def test_the_next_log_begins_where_the_closed_one_ends(chain: Chain) -> None:
    append(chain.ledger, 300)
    log = chain.writer(0, KEY)
    log.integrate(100)
    opened = chain.close()
    assert (opened.log_id, opened.identity.first_position, opened.identity.last_position) == (2, 301, None)
    append(chain.ledger, 50)
    finish(log, 70)
    finish(chain.writer(1, NEXT))
    chain.assert_good(0, KEY, 1, 300)
    chain.assert_good(1, NEXT, 301, 350)
    closed = find_logs(chain.ledger.pool, chain.ledger.ledger_id)[0].identity
    assert (closed.last_position, closed.final_size) == (300, 300)
    assert log.integrate() is None


def test_a_log_may_close_without_a_leaf(chain: Chain) -> None:
    opened = chain.close()
    assert opened.identity.first_position == 1
    assert find_logs(chain.ledger.pool, chain.ledger.ledger_id)[0].identity.final_size == 0
    append(chain.ledger, 3)
    finish(chain.writer(0, KEY))
    finish(chain.writer(1, NEXT))
    chain.assert_good(1, NEXT, 1, 3)


def test_nothing_is_signed_beyond_the_end_of_a_closed_log(chain: Chain) -> None:
    append(chain.ledger, 10)
    chain.close()
    append(chain.ledger, 10)
    log = find_logs(chain.ledger.pool, chain.ledger.ledger_id)[0]
    beyond = Checkpoint(KEY.name, 11, bytes(32))
    with pytest.raises(ClosedLogError):
        log.insert(SignedCheckpoint(beyond, KEY.sign(beyond.text()), 1))
    assert log.last_signed() is None
    assert log.sequenced() == 10
    assert log.identity.last_position == 10
    assert [stored.position for stored in log.events()] == list(range(1, 11))


def test_a_checkpoint_under_way_is_waited_for_and_stays_within_the_log(chain: Chain) -> None:
    """The lock that keeps a closing from choosing an end before a checkpoint that is being stored."""
    append(chain.ledger, 10)
    log = find_log(chain.ledger.pool, chain.ledger.ledger_id)
    assert log is not None
    with chain.ledger.pool.connection() as storing, storing.transaction():
        storing.execute("SELECT pg_advisory_xact_lock_shared(%s, %s)", [0x6E6F7463, chain.ledger.ledger_id])
        closing = threading.Thread(target=chain.close)
        closing.start()
        closing.join(0.3)
        assert closing.is_alive()
        # A writer does not notice.
        chain.ledger.append([event("item:b")])
        assert chain.ledger.head() == 11
    closing.join()
    assert log.sequenced() == 11


def test_closing_under_writers_and_two_integrators_loses_and_repeats_nothing(chain: Chain) -> None:
    keys = [KEY, *(SigningKey(f"dairy.example/{n}", bytes([n]) * 32) for n in range(1, 5))]
    stop = threading.Event()

    def write() -> None:
        while not stop.is_set():
            chain.ledger.append([event("item:a"), event("item:b")])

    def integrate(most: int) -> None:
        while not stop.is_set():
            with suppress(StaleCheckpointError):
                for number in range(len(find_logs(chain.ledger.pool, chain.ledger.ledger_id))):
                    chain.writer(number, keys[number]).integrate(most)

    with ThreadPoolExecutor(4) as executor:
        running = [executor.submit(write) for _ in range(2)]
        running += [executor.submit(integrate, most) for most in (3, 50)]
        for number in range(1, 5):
            head = chain.ledger.head()
            while chain.ledger.head() < head + 20:
                assert not any(future.done() for future in running)
            chain.close(keys[number], f"log-{number}")
        stop.set()
        for future in running:
            future.result()
    position = 1
    for number, log in enumerate(find_logs(chain.ledger.pool, chain.ledger.ledger_id)):
        finish(chain.writer(number, keys[number]))
        last = log.identity.last_position or chain.ledger.head()
        assert log.identity.first_position == position
        chain.assert_good(number, keys[number], position, last)
        position = last + 1
    assert position == chain.ledger.head() + 1


def test_of_two_that_close_a_log_one_does(chain: Chain) -> None:
    append(chain.ledger, 5)
    log = find_log(chain.ledger.pool, chain.ledger.ledger_id)
    assert log is not None
    outcomes: list[str] = []

    def close(number: int) -> None:
        key = SigningKey(f"dairy.example/{number}", bytes([number]) * 32)
        following = NewLog(f"log-{number}", key.name, key.verifier.text)
        try:
            close_log(chain.ledger.pool, chain.ledger.ledger_id, log.log_id, following, clock=CLOCK)
            outcomes.append("closed")
        except ConflictError as error:
            outcomes.append(error.code)

    threads = [threading.Thread(target=close, args=(number,)) for number in (1, 2, 3)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(outcomes) == ["closed", "log.closed", "log.closed"]
    assert len(find_logs(chain.ledger.pool, chain.ledger.ledger_id)) == 2


def test_names_and_origins_are_given_once_among_all_ledgers(chain: Chain, database: Database) -> None:
    add_ledger(database.owner_url, "drugs", ())
    pool = chain.ledger.pool
    other = SigningKey("drugs.example/log", bytes(32))
    create_log(pool, 2, name="drugs", origin=other.name, vkey=other.verifier.text, clock=CLOCK)
    chain.close()
    taken = [("drugs", "new.example"), ("next", "new.example"), ("main", "new.example"), ("new", other.name)]
    for name, origin in taken:
        with pytest.raises(ConflictError) as caught:
            chain.close(SigningKey(origin, bytes(32)), name)
        assert caught.value.code == "log.exists"
    assert [log.identity.name for log in find_logs(pool, 1)] == ["main", "next"]
    with pytest.raises(ConflictError):
        create_log(pool, 3, name="next", origin="third.example", vkey="", clock=CLOCK)


def test_several_ledgers_have_a_log_each(chain: Chain, database: Database) -> None:
    add_ledger(database.owner_url, "drugs", ())
    pool = chain.ledger.pool
    with postgres_ledger(database.runtime_url, name="drugs") as drugs:
        other = create_log(pool, 2, name="drugs", origin=NEXT.name, vkey=NEXT.verifier.text, clock=CLOCK)
        append(chain.ledger, 7)
        append(drugs, 9)
        first = find_log(pool, 1)
        assert first is not None
        with first.leadership() as one, other.leadership() as two:
            assert (one, two) == (True, True)
            finish(chain.writer(0, KEY))
            finish(Log(other, FileTileStore(chain.folder / "drugs"), NEXT, CLOCK))
        chain.assert_good(0, KEY, 1, 7)
        Chain(drugs, chain.folder).assert_good(0, NEXT, 1, 9)


def test_an_erasure_that_a_later_log_names_is_lawful(chain: Chain, database: Database) -> None:
    append(chain.ledger, 3)
    chain.close()
    erase(database.owner_url, chain.ledger, 2, reason="asked for", authority="data protection officer")
    report = check_database(find_logs(chain.ledger.pool, 1)[0])
    assert (report.clean, report.leaves, report.erased) == (True, 3, 1)
    with psycopg.connect(database.owner_url, autocommit=True) as owner:
        owner.execute("UPDATE ledger.record SET type = 'test.other.v1' WHERE position = 4")
    findings = check_database(find_logs(chain.ledger.pool, 1)[0]).findings
    assert [finding.code for finding in findings] == ["log.unlawful_erasure"]
