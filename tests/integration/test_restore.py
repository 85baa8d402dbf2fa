"""A ledger rebuilt from its audit export is the same: records, leaves, index, answers. What was erased stays so."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any, Self

import orjson
import psycopg
import pytest
from hypothesis import HealthCheck, Phase, given, settings
from pydantic import SecretStr

from adapters.exports.files import read_file
from adapters.exports.provenance import ExportedEvents
from adapters.postgres.erasure import erase, erasures_after
from adapters.postgres.ledgers import add_ledger
from adapters.postgres.reindex import TABLES, reindex
from adapters.postgres.restore import Restored, restore
from api.audit import (
    ItemQuestion,
    Question,
    TraceQuestion,
    difference,
    export_log,
    read_answer,
    reader_named,
    recompute,
)
from api.codes import read_code
from api.erasures import keep_erasures
from api.notary import integrate_all, published_log, receipt
from api.provenance import describe_item
from api.restore import read_erasures, restore_ledger
from api.settings import Settings
from api.trace_models import Include, TraceIn
from api.traces import trace_json
from api.wiring import INDEXER, Engine, open_engine
from tests.conftest import Database
from tests.support.happenings import MAKER, PALLET, Happening, commission, observe, pack, put, records
from tests.support.logs import KEY
from tests.support.worlds import THINGS, worlds
from traceability.errors import ConflictError, InvalidInputError, NotFoundError, TraceabilityError
from traceability.ledger.access import Reader
from traceability.ledger.commitment import ERASED_SIZE
from traceability.ledger.event import LedgerEvent
from traceability.notary.errors import VerificationError
from traceability.notary.export import AuditExport, Erasure
from traceability.notary.fsck import check_database, check_files
from traceability.notary.note import VerifierKey
from traceability.notary.verify import verify_receipt
from traceability.supply_chain.seen import identify

WORDS = "correct horse battery staple"
SECRET = b'{"https://dairy.example/ns#packer":"A. Muster"}'
STORY = [
    commission(1, pack(1), pack(2), number="L1", event_id="urn:uuid:1"),
    put(2, PALLET, pack(1), pack(2), event_id="urn:uuid:2"),
    observe(3, PALLET, event_id="urn:uuid:3"),
    observe(4, pack(1), event_id="urn:uuid:4"),
    commission(1, pack(1), pack(2), number="L1", event_id="urn:uuid:1").retracted(),
]


class Site:
    """A database with an engine for each ledger that is asked for; all of the ledger `main` is by its maker."""

    def __init__(self, database: Database, folder: Path) -> None:
        self.database = database
        self.folder = folder
        self._stack = ExitStack()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._stack.close()

    def engine(self, ledger: str, **changes: Any) -> Engine:
        if ledger != "main":
            add_ledger(self.database.owner_url, ledger, ())
        given_ = Settings(
            database_url=SecretStr(self.database.runtime_url),
            database_owner_url=SecretStr(self.database.owner_url),
            data=self.folder / "data",
            ledger=ledger,
            organisation=MAKER,
            pool_size=2,
            **changes,
        )
        engine = self._stack.enter_context(open_engine(given_))
        engine.organisations.add(MAKER)
        return engine

    def exported(
        self, engine: Engine, *, log: str | None = None, until: int | None = None, name: str = "export.age"
    ) -> Path:
        path = self.folder / name
        path.unlink(missing_ok=True)
        export_log(engine, path, WORDS, log=log, until=until, work=2)
        return path

    def rows(self, ledger: Engine) -> dict[str, list[str]]:
        """Return everything that is kept of a ledger, whatever its number."""
        with psycopg.connect(self.database.owner_url) as connection:
            return {
                table: sorted(
                    row[0]
                    for row in connection.execute(
                        f"SELECT (to_jsonb(t) - 'ledger_id')::text FROM ledger.{table} t WHERE ledger_id = %s".encode(),
                        [ledger.ledger.ledger_id],
                    ).fetchall()
                )
                for table in (*TABLES, "record")
            }


@pytest.fixture
def site(database: Database, tmp_path: Path) -> Iterator[Site]:
    with Site(database, tmp_path) as site:
        yield site


@pytest.fixture(scope="module")
def shared(shared_database: Database, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Site]:
    with Site(shared_database, tmp_path_factory.mktemp("restore")) as site:
        yield site


def told(engine: Engine, happenings: list[Happening], *, apart: bool = False) -> None:
    """Record happenings, each with something personal and its source; `apart` at times of their own."""
    events = [_with_personal(record.event) for record in records(happenings)]
    for part in [[one] for one in events] if apart else [events]:
        assert {one.outcome for batch in engine.ledger.append_all(part) for one in batch} == {"recorded"}


def _with_personal(event: LedgerEvent) -> LedgerEvent:
    return replace(event, parts=replace(event.parts, personal=SECRET, source=b"<received>A. Muster</received>\n"))


@contextmanager
def opened(path: Path) -> Iterator[tuple[AuditExport, VerifierKey]]:
    with read_file(path, WORDS) as plain:
        export = AuditExport(plain)
        yield export, VerifierKey.parse(export.header.vkey)


def restored(target: Engine, path: Path, known: list[Erasure] | None = None) -> Restored:
    with opened(path) as (export, key):
        return restore_ledger(target, export, [key], known or [], lambda _done, _whole: None)


def clean(engine: Engine) -> int:
    """Integrate the ledger's log, check all of it, and return how many erasures are lawful."""
    integrate_all(engine)
    log = published_log(engine)
    reports = check_database(log.database), check_files(log.database, log.tiles)
    assert [report.findings for report in reports] == [[], []]
    assert not any(reindex(engine.urls.owner, engine.ledger.name, INDEXER, repair=False))
    return reports[0].erased


def erased_now(engine: Engine, position: int) -> int:
    return erase(engine.urls.owner, engine.ledger, position, reason="asked for", authority="a court")


def is_erased(engine: Engine, position: int) -> bool:
    (record,) = engine.ledger.records([position])
    assert record.event.personal_salt is not None
    gone = len(record.event.personal_salt) == ERASED_SIZE
    assert gone == (not record.event.parts.personal) == (not record.event.parts.source)
    return gone


def test_everything_is_as_it_was(site: Site) -> None:
    main = site.engine("main")
    told(main, STORY[:3])
    told(main, STORY[3:], apart=True)
    erased_now(main, 2)
    head = integrate_all(main)
    first = main.ledger.records([1])[0].event.event_id
    assert first is not None
    old = receipt(main, first, Reader(MAKER))
    path = site.exported(main)
    again = site.engine("again")
    assert restored(again, path) == Restored(6, ())
    assert site.rows(again) == site.rows(main)
    assert (again.ledger.head(), is_erased(again, 2), is_erased(again, 1)) == (6, True, False)
    assert clean(again) == 1
    log = published_log(again)
    signed = log.database.signed_at_size(6)
    assert signed is not None
    assert (signed.checkpoint.root, log.database.identity.origin) == (head.root, "traceability.local/again")
    # A receipt of before is valid under the key of before, one of now under that of now.
    assert verify_receipt(old.text().encode(), published_log(main).key).checkpoint.root == head.root
    new = receipt(again, first, Reader(MAKER))
    assert (
        verify_receipt(new.text().encode(), log.key).opening
        == verify_receipt(old.text().encode(), published_log(main).key).opening
    )
    # The ledger lives: positions and times go on, and what was told is known as told.
    event = _with_personal(records(STORY[:1])[0].event)
    assert [one.outcome for batch in again.ledger.append_all([event]) for one in batch] == ["duplicate"]
    told(again, [observe(9, pack(2))])
    assert (again.ledger.head(), clean(again)) == (7, 1)


def test_an_erasure_that_a_list_tells_of_is_done_again_and_never_written(site: Site) -> None:
    main = site.engine("main")
    told(main, STORY)
    integrate_all(main)
    path = site.exported(main)
    erased_now(main, 4)
    told(main, [observe(9, pack(2))])
    erased_now(main, 7)
    listed = list(erasures_after(main.ledger, 0, until=main.ledger.head()))
    assert [(one.position, one.redacted_by) for one in listed] == [(4, 6), (7, 8)]
    again = site.engine("again")
    # The second one is of an event that the export does not have.
    assert restored(again, path, listed) == Restored(5, (4,))
    assert (is_erased(again, 4), again.ledger.head(), clean(again)) == (True, 6, 1)
    (recorded,) = erasures_after(again.ledger, 0, until=6)
    assert recorded == replace(listed[0], redacted_by=6)
    rows, before = site.rows(again)["record"], site.rows(main)["record"]
    assert [row for row in rows if '"position": 4,' in row] == [row for row in before if '"position": 4,' in row]


def test_an_erasure_behind_the_exported_tree_comes_with_it(site: Site) -> None:
    main = site.engine("main")
    told(main, STORY)
    integrate_all(main)
    erased_now(main, 3)
    integrate_all(main)
    again = site.engine("again")
    assert restored(again, site.exported(main, until=5)) == Restored(5, (3,))
    assert (is_erased(again, 3), again.ledger.head(), clean(again)) == (True, 6, 1)


def test_an_erasure_that_the_export_records_is_done_again_whatever_it_holds(site: Site) -> None:
    """An export from which the erased part was not taken out, though it tells of the erasure."""
    main = site.engine("main")
    told(main, STORY)
    integrate_all(main)
    before = site.exported(main, name="before.age")
    erased_now(main, 3)
    integrate_all(main)
    with opened(before) as (export, key), opened(site.exported(main)) as (later, _):
        whole = [event for _, event in export.verified(key)]
        told_of = [event for _, event in later.verified(key)][5:]
    again = site.engine("again")
    listed = {one.position: one for one in erasures_after(main.ledger, 0, until=6)}
    done = restore(
        again.urls.owner, again.ledger, [*whole, *told_of], erasures=listed, named=frozenset({3}), personal=[]
    )
    assert done == Restored(6, ())
    assert site.rows(again) == site.rows(main)


def refused(target: Engine, path: Path, code: str, known: list[Erasure] | None = None) -> None:
    with pytest.raises(TraceabilityError) as error:
        restored(target, path, known)
    assert error.value.code == code


def test_what_must_not_be_restored_is_refused_and_nothing_is_left(site: Site) -> None:
    main = site.engine("main")
    told(main, STORY)
    integrate_all(main)
    path = site.exported(main)
    refused(main, path, "audit.same_origin")
    again = site.engine("again")
    (one,) = erasures_after(main.ledger, erased_now(main, 1) - 1, until=1)
    refused(again, path, "audit.foreign_erasure", [replace(one, position=2)])
    data = bytearray(path.read_bytes())
    data[-200] ^= 1
    (site.folder / "damaged.age").write_bytes(data)
    refused(again, site.folder / "damaged.age", "age.damaged")
    with opened(path) as (export, _), pytest.raises(VerificationError) as wrong:
        restore_ledger(again, export, [KEY.verifier], [], lambda _done, _whole: None)
    assert wrong.value.code == "log.unverified_note"
    assert not any(site.rows(again).values())
    told(again, STORY[:1])
    refused(again, path, "ledger.not_empty")
    assert again.ledger.head() == 1
    named = site.engine("third", log_origin="traceability.local/main")
    refused(named, path, "audit.same_origin")


def test_a_restore_that_was_broken_off_is_repeated(site: Site) -> None:
    main = site.engine("main")
    told(main, STORY)
    integrate_all(main)
    again = site.engine("again")
    with opened(site.exported(main)) as (export, key):

        def broken() -> Iterator[Any]:
            for _, event in export.verified(key):
                if event.position == 4:
                    raise KeyboardInterrupt
                yield event

        with pytest.raises(KeyboardInterrupt):
            restore(
                again.urls.owner,
                again.ledger,
                broken(),
                erasures={},
                named=frozenset(),
                personal=[],
                batch_rows=1,
            )
        assert again.ledger.head() == 0
        assert len(site.rows(again)["record"]) == 3
        done = restore_ledger(again, export, [key], [], lambda _done, _whole: None)
    assert done == Restored(5, ())
    assert site.rows(again) == site.rows(main)


def test_only_one_restores_a_ledger(site: Site) -> None:
    again = site.engine("again")
    with psycopg.connect(site.database.owner_url) as other:
        other.execute("SELECT pg_advisory_lock(%s, %s)", [0x72657374, again.ledger.ledger_id])
        with pytest.raises(ConflictError) as busy:
            restore(again.urls.owner, again.ledger, [], erasures={}, named=frozenset(), personal=["/a"])
    assert busy.value.code == "ledger.restoring"


def test_both_lists_of_erasures_are_read(site: Site) -> None:
    main = site.engine("main")
    told(main, STORY)
    erased_now(main, 4)
    keep_erasures(main)
    listed = list(erasures_after(main.ledger, 0, until=6))
    kept = (site.folder / "data/erasures/main.ndjson").read_bytes()
    assert read_erasures(kept) == read_erasures(orjson.dumps([one.members() for one in listed])) == listed
    assert read_erasures(b"") == []


@pytest.mark.parametrize("text", [b"{}", b"[1]", b"\n1", b'[{"position":1}]', b"[" * 9_000, b"\xff"])
def test_a_list_of_erasures_of_another_form_is_refused(text: bytes) -> None:
    with pytest.raises(InvalidInputError):
        read_erasures(text)


NAMED = [thing.uri for uri in THINGS if (thing := identify(uri)) is not None]
QUESTIONS: list[Question] = [
    *(ItemQuestion(item=uri) for uri in NAMED),
    *(TraceQuestion(trace=TraceIn(roots=[uri], include=frozenset({Include.EVENTS}))) for uri in NAMED),
]
numbers = iter(range(1, 1_000))


@settings(max_examples=6, deadline=None, phases=[Phase.generate], suppress_health_check=list(HealthCheck))
@given(worlds())
def test_answers_of_any_world_are_recomputed_and_survive_a_restore(shared: Site, world: list[Happening]) -> None:
    run = next(numbers)
    source, target = shared.engine(f"source{run}"), shared.engine(f"target{run}")
    told(source, world)
    integrate_all(source)
    path = shared.exported(source)
    assert restored(target, path).events == len(world)
    assert shared.rows(target) == shared.rows(source)
    assert clean(target) == 0
    with opened(path) as (export, key):
        events = ExportedEvents(export, [key], INDEXER)
        for name in (MAKER, "public"):
            reader = reader_named(export.header, name)
            for question in QUESTIONS:
                before, after = (_told(_answer, engine, reader, question) for engine in (source, target))
                computed = _told(recompute, events, question, reader, None)
                assert difference(before, computed) is None
                # The log has another name, key and size, and its leaves are where they were.
                assert difference({**before, "log": None}, {**after, "log": None}) is None


def _answer(engine: Engine, reader: Reader, question: Question) -> bytes:
    if isinstance(question, TraceQuestion):
        return trace_json(engine, reader, question.trace)
    return describe_item(engine, reader, read_code(question.item)).model_dump_json().encode()


def _told(ask: Callable[..., bytes], *arguments: object) -> dict[str, Any]:
    try:
        return read_answer(ask(*arguments).replace(b'"log":"target', b'"log":"source'))
    except NotFoundError as error:
        return {"code": error.code}


def test_records_that_are_not_what_was_signed_are_not_exported(site: Site) -> None:
    main = site.engine("main")
    told(main, STORY)
    integrate_all(main)
    with psycopg.connect(site.database.owner_url, autocommit=True) as owner:
        for change, code in (
            ("UPDATE ledger.record SET why = '{}' WHERE position = 4", "log.commitment"),
            ("DELETE FROM ledger.record WHERE position = 2", "log.root"),
        ):
            owner.execute("CREATE TABLE kept AS SELECT * FROM ledger.record")
            owner.execute(change.encode())
            with pytest.raises(VerificationError) as refused_:
                site.exported(main)
            assert refused_.value.code == code
            owner.execute("DELETE FROM ledger.record")
            owner.execute("INSERT INTO ledger.record SELECT * FROM kept")
            owner.execute("DROP TABLE kept")
    assert not list(site.folder.glob("*.age"))
    site.exported(main)
