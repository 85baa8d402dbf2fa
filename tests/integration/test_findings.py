"""Findings in PostgreSQL: each organisation's own, found by every filter, settled together, gone with an erasure."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from uuid import UUID, uuid4

import psycopg
import pytest

from adapters.postgres.erasure import erase, purge
from adapters.postgres.findings import PostgresFindings, add
from adapters.postgres.ledger import PostgresLedger
from adapters.system import SystemClock
from tests.conftest import Database
from tests.ledgers import event, postgres_ledger
from tests.support.findings import NOW, finding, ids, store
from traceability.errors import NotFoundError
from traceability.ledger.findings import DESTROYED, Finding, FindingFilter, FindingState, Letter, Origin

DAIRY = "dairy.example"
ALL = FindingFilter()


@pytest.fixture
def ledger(database: Database) -> Iterator[PostgresLedger]:
    with postgres_ledger(database.runtime_url) as ledger:
        yield ledger


@pytest.fixture
def findings(ledger: PostgresLedger) -> PostgresFindings:
    return PostgresFindings(ledger.pool, ledger.ledger_id, clock=SystemClock())


def test_a_finding_comes_back_as_it_was_added(ledger: PostgresLedger, findings: PostgresFindings) -> None:
    new, letter_id = ids(), uuid4()
    first = finding(next(new), letter_id=letter_id, origin=Origin(DAIRY, "a.json", uuid4()), position=7)
    second = finding(next(new), event_index=None, severity="warning", state=FindingState.DISMISSED, settled_at=NOW)
    letter = Letter(letter_id=letter_id, body=b'{"type": "\xc3\xa4"}', context=b'"https://x.example"', position=7)
    store(ledger.pool, [first, second], [letter])
    assert findings.page(DAIRY, ALL, limit=9) == [second, first]
    assert findings.page(DAIRY, ALL, limit=9, oldest_first=True) == [first, second]
    assert findings.get(DAIRY, first.finding_id) == first
    assert findings.letter(DAIRY, letter_id) == letter


def test_nobody_else_sees_it(ledger: PostgresLedger, findings: PostgresFindings) -> None:
    given = finding(next(ids()), letter_id=uuid4())
    letter = Letter(letter_id=given.letter_id or uuid4(), body=b"{}")
    store(ledger.pool, [given], [letter])
    other = PostgresFindings(ledger.pool, ledger.ledger_id + 1, clock=SystemClock())
    for store_, organisation in ((findings, "store.example"), (findings, "public"), (other, DAIRY)):
        assert store_.page(organisation, ALL, limit=9) == []
        assert store_.letter(organisation, letter.letter_id) is None
        with pytest.raises(NotFoundError) as caught:
            store_.get(organisation, given.finding_id)
        assert caught.value.code == "finding.unknown"
        with pytest.raises(NotFoundError):
            store_.dismiss(organisation, given.finding_id, forget=True)
        with pytest.raises(NotFoundError):
            store_.replayed(organisation, given.finding_id, 1, [])
    assert findings.get(DAIRY, given.finding_id) == given
    assert findings.letter(DAIRY, letter.letter_id) == letter


def test_every_filter_finds_what_fits_and_no_more(ledger: PostgresLedger, findings: PostgresFindings) -> None:
    new, job = ids(), uuid4()
    one = finding(next(new), origin=Origin(DAIRY, "a.json", job), position=3)
    two = finding(next(new), code="gs1.check_digit", severity="warning", found_at=NOW + 10)
    three = finding(next(new), code="epcis.type", state=FindingState.REPLAYED, settled_at=NOW)
    store(ledger.pool, [one, two, three])
    cases: list[tuple[FindingFilter, list[Finding]]] = [
        (ALL, [one, two, three]),
        (FindingFilter(job_id=job), [one]),
        (FindingFilter(document="a.json"), [one]),
        (FindingFilter(document="a.jso"), []),
        (FindingFilter(code="epcis.time"), [one]),
        (FindingFilter(code="epcis.*"), [one, three]),
        (FindingFilter(code="epcis"), []),
        (FindingFilter(code="*"), [one, two, three]),
        (FindingFilter(code="%*"), []),
        (FindingFilter(severity="warning"), [two]),
        (FindingFilter(state=FindingState.OPEN), [one, two]),
        (FindingFilter(position=3), [one]),
        (FindingFilter(since=NOW + 10), [two]),
        (FindingFilter(until=NOW + 10), [one, three]),
        (FindingFilter(code="epcis.*", state=FindingState.OPEN), [one]),
        (FindingFilter(document="\x00", code="\ud800"), []),
    ]
    for wanted, expected in cases:
        assert findings.page(DAIRY, wanted, limit=9, oldest_first=True) == expected, wanted


@pytest.mark.parametrize("oldest_first", [True, False])
def test_pages_hold_each_finding_once(
    ledger: PostgresLedger, findings: PostgresFindings, *, oldest_first: bool
) -> None:
    new = ids()
    given = [finding(next(new), event_index=n) for n in range(25)]
    store(ledger.pool, given)
    found: list[Finding] = []
    after: UUID | None = None
    while page := findings.page(DAIRY, ALL, after=after, limit=7, oldest_first=oldest_first):
        found += page
        after = page[-1].finding_id
    assert found == (given if oldest_first else given[::-1])


def test_what_postgresql_cannot_hold_is_replaced_and_what_has_no_end_is_cut(
    ledger: PostgresLedger, findings: PostgresFindings
) -> None:
    hostile = finding(next(ids()), path="$['\x00\ud800']", message="x" * 5_000, origin=Origin(DAIRY, "\udcff.json"))
    store(ledger.pool, [hostile])
    (stored,) = findings.page(DAIRY, ALL, limit=9)
    assert (stored.path, len(stored.message)) == ("$['\ufffd?']", 2_000)
    assert findings.page(DAIRY, FindingFilter(document="\udcff.json"), limit=9) == [stored]


def test_findings_are_there_with_the_batch_or_not_at_all(ledger: PostgresLedger, findings: PostgresFindings) -> None:
    new = ids()
    given = [finding(next(new), letter_id=uuid4()) for _ in range(5_000)]
    letters = [Letter(letter_id=one.letter_id or uuid4(), body=b"{}") for one in given]
    with ledger.pool.connection() as connection:
        with connection.transaction(force_rollback=True):
            add(connection, 1, given, letters)
        assert findings.page(DAIRY, ALL, limit=9) == []
        with connection.transaction():
            add(connection, 1, given, letters)
        assert len(findings.page(DAIRY, ALL, limit=9_999)) == 5_000
        with pytest.raises(psycopg.errors.NoActiveSqlTransaction):
            add(connection, 1, given, letters)


def test_the_findings_of_one_event_are_settled_together(ledger: PostgresLedger, findings: PostgresFindings) -> None:
    new, letter_id = ids(), uuid4()
    one, two = (finding(next(new), letter_id=letter_id) for _ in range(2))
    other = finding(next(new))
    store(ledger.pool, [one, two, other], [Letter(letter_id=letter_id, body=b"{}")])
    closed = findings.dismiss(DAIRY, one.finding_id, forget=False)
    assert (closed.state, closed.settled_at is not None) == (FindingState.DISMISSED, True)
    assert findings.dismiss(DAIRY, two.finding_id, forget=False).settled_at == closed.settled_at
    assert findings.get(DAIRY, other.finding_id) == other

    list(ledger.append_all([event(identity="x")]))
    warning = finding(next(new), position=1, severity="warning")
    settled = findings.replayed(DAIRY, one.finding_id, 1, [warning])
    assert (settled.state, settled.position) == (FindingState.REPLAYED, 1)
    assert findings.replayed(DAIRY, two.finding_id, 1, [warning]).settled_at == settled.settled_at
    assert findings.get(DAIRY, two.finding_id).state is FindingState.REPLAYED
    assert findings.page(DAIRY, FindingFilter(position=1, severity="warning"), limit=9) == [warning]
    assert findings.dismiss(DAIRY, one.finding_id, forget=False) == settled
    letter = findings.letter(DAIRY, letter_id)
    assert letter is not None
    assert letter.position == 1


def test_to_forget_destroys_the_letter_and_the_sentences(ledger: PostgresLedger, findings: PostgresFindings) -> None:
    new, letter_id = ids(), uuid4()
    one, two = (finding(next(new), letter_id=letter_id) for _ in range(2))
    other = finding(next(new), letter_id=uuid4())
    kept = Letter(letter_id=other.letter_id or uuid4(), body=b"kept")
    store(ledger.pool, [one, two, other], [Letter(letter_id=letter_id, body=b"gone"), kept])
    for _ in range(2):
        forgotten = findings.dismiss(DAIRY, one.finding_id, forget=True)
        assert (forgotten.message, forgotten.path, forgotten.letter_id) == (DESTROYED, "$", None)
    assert findings.get(DAIRY, two.finding_id).message == DESTROYED
    assert findings.letter(DAIRY, letter_id) is None
    assert findings.get(DAIRY, other.finding_id) == other
    assert findings.letter(DAIRY, kept.letter_id) == kept


def letters_left(database: Database) -> set[bytes]:
    with psycopg.connect(database.owner_url) as connection:
        return {body for (body,) in connection.execute("SELECT body FROM work.letter")}


def test_an_erasure_destroys_what_repeats_contradicts_or_became_the_event(
    database: Database, ledger: PostgresLedger, findings: PostgresFindings
) -> None:
    list(ledger.append_all([event(identity=str(n)) for n in range(2)]))
    new = ids()
    names = ("repeat", "contradiction", "malformed", "of another event", "never recorded")
    letters = {name: Letter(letter_id=uuid4(), body=name.encode(), position=at)
               for name, at in zip(names, (1, 1, None, 2, None), strict=True)}  # fmt: skip
    given = {name: finding(next(new), letter_id=letter.letter_id, position=letter.position)
             for name, letter in letters.items()}  # fmt: skip
    about = finding(next(new), position=1, severity="warning")
    store(ledger.pool, [*given.values(), about], list(letters.values()))
    findings.replayed(DAIRY, given["malformed"].finding_id, 1, [])
    # What contradicts event 1 was corrected into event 2: erasing either of them ends the letter.
    findings.replayed(DAIRY, given["contradiction"].finding_id, 2, [])

    erase(database.owner_url, ledger, 1, reason="asked to", authority="GDPR Art. 17")
    assert letters_left(database) == {b"of another event", b"never recorded"}
    for gone in (given["repeat"], given["contradiction"], given["malformed"], about):
        left = findings.get(DAIRY, gone.finding_id)
        assert (left.message, left.path, left.letter_id, left.position) == (DESTROYED, "$", None, 1)
    assert findings.get(DAIRY, given["never recorded"].finding_id) == given["never recorded"]
    purge(database.owner_url, [1])

    # The erased event comes again, once as a repeat and once as a correction.
    again = Letter(letter_id=uuid4(), body=b"again", position=1)
    noted = finding(next(new), letter_id=again.letter_id, position=1)
    store(ledger.pool, [noted], [again])
    assert findings.get(DAIRY, noted.finding_id).message == DESTROYED
    findings.replayed(DAIRY, given["never recorded"].finding_id, 1, [finding(next(new), position=1)])
    assert findings.get(DAIRY, given["never recorded"].finding_id).message == DESTROYED
    assert letters_left(database) == {b"of another event"}


def test_a_letter_cannot_come_in_beside_an_erasure(database: Database, ledger: PostgresLedger) -> None:
    list(ledger.append_all([event(identity="x")]))
    letter = Letter(letter_id=uuid4(), body=b"beside", position=1)
    given = finding(next(ids()), letter_id=letter.letter_id, position=1)
    erasing = threading.Thread(
        target=erase, args=(database.owner_url, ledger, 1), kwargs={"reason": "asked to", "authority": "Art. 17"}
    )
    with ledger.pool.connection() as connection, connection.transaction():
        add(connection, 1, [given], [letter])
        erasing.start()
        # The erasure waits for our transaction, so it finds the letter.
        with psycopg.connect(database.admin_url, autocommit=True) as admin:
            while not admin.execute(
                "SELECT FROM pg_locks WHERE NOT granted AND relation = 'work.letter'::regclass"
            ).rowcount:
                assert erasing.is_alive()
    erasing.join()
    assert letters_left(database) == set()
