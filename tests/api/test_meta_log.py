"""The log of the checkpoints of other logs."""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import replace

import pytest
from eventsourcing.dcb.api import DCBQuery, DCBQueryItem

from adapters.postgres.ledgers import add_ledger
from api.integrator import integrating
from api.meta_log import CheckpointPublished, MetaLog
from api.notary import close_log, integrate_all, published_log, published_logs, receipt
from api.settings import Settings
from api.wiring import Engine, open_engine
from tests.api.test_logs_http import observation, record, size_of
from tests.support.captures import wait_until
from traceability.errors import InvalidInputError, NotFoundError
from traceability.notary.checkpoint import Checkpoint
from traceability.notary.errors import VerificationError
from traceability.notary.fsck import check_database, check_files
from traceability.notary.meta import proven_checkpoint
from traceability.notary.note import SigningKey
from traceability.notary.verify import verify_receipt


@pytest.fixture
def meta(engine: Engine, settings: Settings) -> Iterator[Engine]:
    """Give the engine of the meta-log's ledger."""
    add_ledger(engine.urls.owner, "logs", ())
    with open_engine(settings.model_copy(update={"ledger": "logs"})) as meta:
        meta.organisations.add("local")
        yield meta


@contextmanager
def told_to_meta(engine: Engine) -> Iterator[Engine]:
    with ExitStack() as stack:
        settings = engine.settings.model_copy(update={"log_meta_ledger": "logs"})
        yield stack.enter_context(open_engine(settings))


def recorded(meta: Engine, origin: str = "traceability.local/main") -> list[int]:
    """Return the sizes of a log's checkpoints that the meta-log has, in order."""
    query = DCBQuery([DCBQueryItem(tags=[f"log:{origin}"])])
    return [CheckpointPublished.of(found.event).size for found in meta.ledger.read(query)]


def test_a_receipt_of_the_meta_log_proves_a_checkpoint_of_the_other(engine: Engine, meta: Engine) -> None:
    with told_to_meta(engine) as telling, integrating(telling), integrating(meta):
        record(engine, observation(1))
        wait_until(lambda: recorded(meta)[-1:] == [1])
        wait_until(lambda: size_of(meta) == len(recorded(meta)))
    position = meta.ledger.head()
    (last,) = meta.ledger.records([position])
    assert last.event.event_id is not None
    proof = receipt(meta, last.event.event_id, meta.organisations.reader("local"))
    log, meta_log = published_log(engine), published_log(meta)
    verified = verify_receipt(proof.text().encode(), meta_log.key)
    served = log.served()
    assert served is not None
    assert proven_checkpoint(verified, log.key) == served[0]
    with pytest.raises(VerificationError):
        proven_checkpoint(verified, SigningKey(log.key.name, bytes(32)).verifier)
    for report in (check_database(meta_log.database), check_files(meta_log.database, meta_log.tiles)):
        assert report.clean, report.findings


def test_an_ordinary_receipt_proves_no_checkpoint(engine: Engine) -> None:
    (event_id,) = record(engine, observation(1))
    integrate_all(engine)
    proof = receipt(engine, event_id, engine.organisations.reader("dairy.example"))
    verified = verify_receipt(proof.text().encode(), published_log(engine).key)
    with pytest.raises(VerificationError):
        proven_checkpoint(verified, published_log(engine).key)


def test_a_checkpoint_is_recorded_once_whoever_does_it_and_however_often(engine: Engine, meta: Engine) -> None:
    for number in range(3):
        record(engine, observation(number))
        integrate_all(engine)
        for _ in range(2):  # as after a crash, or by another server
            fresh = MetaLog(engine, "logs")
            fresh.record(published_log(engine))
            fresh.record(published_log(engine), now=True)
    assert recorded(meta) == [1, 2, 3]
    (last,) = meta.ledger.records([3])
    note = json.loads(last.event.parts.more)["payload"]["note"]
    assert Checkpoint.parse(note.rpartition("\n\n")[0] + "\n").size == 3


def test_at_most_one_a_second_is_recorded_and_the_last_is(engine: Engine, meta: Engine) -> None:
    log = MetaLog(engine, "logs")
    for number in range(3):
        record(engine, observation(number))
        integrate_all(engine)
        log.record(published_log(engine))
    assert recorded(meta) == [1]

    def tried() -> bool:
        log.record(published_log(engine))
        return recorded(meta) != [1]

    wait_until(tried)
    assert recorded(meta) == [1, 3]


def test_the_last_checkpoint_of_a_closed_log_is_recorded_even_after_a_crash(engine: Engine, meta: Engine) -> None:
    record(engine, observation(1))
    close_log_before(engine)
    record(engine, observation(2))
    integrate_all(engine)
    assert [log.state() for log in published_logs(engine)] == ["closed", "open"]
    with told_to_meta(engine) as telling, integrating(telling):
        wait_until(lambda: recorded(meta) == [1])
        wait_until(lambda: recorded(meta, "dairy.example/2") == [1])


def close_log_before(engine: Engine) -> None:
    integrate_all(engine)
    close_log(engine, name="main-2", origin="dairy.example/2")


def test_a_meta_log_that_fails_does_not_keep_a_log_from_growing(engine: Engine, meta: Engine) -> None:
    with told_to_meta(engine) as telling, integrating(telling) as integrator:
        integrator._meta._ledger.pool = meta.pool  # type: ignore[union-attr]
        meta.pool.close()
        record(engine, observation(1))
        wait_until(lambda: size_of(engine) == 1)
        assert integrator.problem is None


def test_a_meta_ledger_is_another_ledger_that_exists(engine: Engine) -> None:
    settings = engine.settings
    with (
        pytest.raises(NotFoundError),
        integrating(replace(engine, settings=settings.model_copy(update={"log_meta_ledger": "logs"}))),
    ):
        pytest.fail("it must not start")
    with (
        pytest.raises(InvalidInputError) as caught,
        integrating(replace(engine, settings=settings.model_copy(update={"log_meta_ledger": "main"}))),
    ):
        pytest.fail("it must not start")
    assert caught.value.code == "settings.log_meta_ledger"
