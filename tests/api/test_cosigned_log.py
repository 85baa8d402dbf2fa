"""A server's log with two witnesses on loopback, over PostgreSQL: published, proven, verified, stopped when it must."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import ExitStack
from dataclasses import replace
from pathlib import Path

import psycopg
import pytest

from api.app import create_app
from api.cose import cose_receipt
from api.integrator import integrating
from api.notary import integrate_all, published_log, writable_log
from api.settings import Settings
from api.timestamps import stamped_receipt
from api.wiring import Engine, open_engine
from api.witness import add_log, create_witness, create_witness_app, witness_store
from tests.api.conftest import serving
from tests.api.test_cli import Run, dairy, document, run
from tests.api.test_cli import event as epcis_event
from tests.conftest import Database
from tests.ledgers import event
from tests.support.captures import wait_until
from tests.support.witnesses import WITNESS_KEYS, policy_text, witness_settings
from traceability.errors import InvalidInputError
from traceability.ledger.access import Reader
from traceability.notary.checkpoint import open_checkpoint
from traceability.notary.cose import CoseReceipt
from traceability.notary.cosigning import UnmetQuorumError
from traceability.notary.errors import RolledBackError, VerificationError
from traceability.notary.fsck import check_database, check_files
from traceability.notary.log_list import ListedLog
from traceability.notary.note import VerifierKey
from traceability.notary.policy import Policy, PolicyLog
from traceability.notary.ports import Cosignature, StoredTimestamp
from traceability.notary.trust import Trust
from traceability.notary.verify import VerifiedReceipt, verify

__all__ = ["dairy", "run"]  # fixtures
COSIGNERS = [key.verifier for key in WITNESS_KEYS[:2]]


@pytest.fixture
def stack() -> Iterator[ExitStack]:
    with ExitStack() as stack:
        yield stack


class Pair:
    """Two witness servers and the policy file of the log that they witness."""

    def __init__(self, stack: ExitStack, folder: Path) -> None:
        self.file = folder / "ours.policy"
        self.settings = [witness_settings(folder, number) for number in (0, 1)]
        self._stack = stack
        self._folder = folder
        self.addresses: dict[int, str] = {}
        for number in (0, 1):
            self.start(number)

    def start(self, number: int) -> None:
        app = create_witness_app(create_witness(self.settings[number]))
        self.addresses[number] = str(self._stack.enter_context(serving(app)).base_url)

    def ask_for(self, quorum: str, *, down: tuple[int, ...] = ()) -> None:
        addresses = {number: "http://127.0.0.1:9" if number in down else url for number, url in self.addresses.items()}
        self.file.write_bytes(policy_text(quorum, addresses))

    def learn(self, vkey: str) -> None:
        key = VerifierKey.parse(vkey)
        for settings in self.settings:
            add_log(settings, ListedLog(key, key.name))


@pytest.fixture
def pair(stack: ExitStack, tmp_path: Path) -> Pair:
    pair = Pair(stack, tmp_path)
    pair.ask_for("all")
    return pair


@pytest.fixture
def opened(settings: Settings, engine: Engine, pair: Pair, stack: ExitStack) -> Callable[[], Engine]:
    """Give a function that opens the engine with the policy as it is now; the witnesses know the log."""
    key = writable_log(engine)[0].identity.vkey
    pair.learn(key)
    chosen = settings.model_copy(update={"log_policy": pair.file, "witness_timeout_ms": 20_000})
    return lambda: stack.enter_context(open_engine(chosen))


def append(engine: Engine, *texts: str) -> None:
    engine.ledger.append([event("item:a", text=text) for text in texts])


def cosigners(engine: Engine) -> tuple[int, list[VerifierKey]]:
    log = published_log(engine)
    served = log.tiles.checkpoint()
    assert served is not None
    checkpoint, note = open_checkpoint(served, log.key, COSIGNERS)
    return checkpoint.size, [key for key, _ in note.verified if key in COSIGNERS]


def test_publish_with_two_of_two_then_one_down_then_one_of_two(opened: Callable[[], Engine], pair: Pair) -> None:
    engine = opened()
    append(engine, "one", "two")
    assert integrate_all(engine).size == 2
    assert cosigners(engine) == (2, COSIGNERS)
    pair.ask_for("all", down=(1,))
    engine = opened()
    append(engine, "three")
    with pytest.raises(UnmetQuorumError, match="w1"):
        integrate_all(engine)
    assert cosigners(engine) == (2, COSIGNERS)
    pair.ask_for("any", down=(1,))
    engine = opened()
    assert integrate_all(engine).size == 3
    assert cosigners(engine) == (3, COSIGNERS[:1])
    pair.ask_for("2")
    engine = opened()
    append(engine, "four")
    assert integrate_all(engine).size == 4
    assert cosigners(engine) == (4, COSIGNERS)
    log = published_log(engine)
    for report in (check_database(log.database), check_files(log.database, log.tiles)):
        assert report.clean, report.findings
    assert [len(log.database.cosignatures(size)) for size in (2, 3, 4)] == [2, 1, 2]


def test_an_idle_server_has_its_checkpoint_cosigned_again(
    settings: Settings, opened: Callable[[], Engine], pair: Pair, stack: ExitStack
) -> None:
    engine = opened()
    append(engine, "one")
    integrate_all(engine)
    chosen = settings.model_copy(
        update={"log_policy": pair.file, "witness_timeout_ms": 20_000, "log_publish_interval": 1}
    )
    first = cosigned_at(engine)
    # Two servers of one ledger: one leads, and the other has nothing to do.
    for _ in range(2):
        stack.enter_context(integrating(stack.enter_context(open_engine(chosen))))
    wait_until(lambda: all(now > before + 1 for (_, now), (_, before) in zip(cosigned_at(engine), first, strict=True)))
    assert cosigners(engine) == (1, COSIGNERS)
    append(engine, "two")
    wait_until(lambda: cosigners(engine)[0] >= 2)
    log = published_log(engine)
    for report in (check_database(log.database), check_files(log.database, log.tiles)):
        assert report.clean, report.findings


def cosigned_at(engine: Engine) -> list[tuple[str, int]]:
    log = published_log(engine)
    served = log.tiles.checkpoint()
    assert served is not None
    _, note = open_checkpoint(served, log.key, COSIGNERS)
    return [(key.name, key.timestamp(signature) or 0) for key, signature in note.verified if key in COSIGNERS]


def test_the_server_serves_cosigned_checkpoints_and_its_policy(opened: Callable[[], Engine]) -> None:
    engine = opened()
    append(engine, "one")
    integrate_all(engine)
    with serving(create_app(engine)) as client:
        served = client.get("/logs/main/checkpoint").content
        policy = Policy.parse(client.get("/logs/main/policy").content)
        assert client.get("/logs/other/policy").status_code == 404
    assert [log.key for log in policy.logs] == [published_log(engine).key]
    assert (policy.witness_keys, policy.quorum) == (COSIGNERS, "ours")
    assert {witness.url for witness in policy.witnesses} == {None}
    _, note = open_checkpoint(served, policy.logs[0].key, policy.witness_keys)
    assert policy.satisfied_by(key for key, _ in note.verified)
    assert not policy.satisfied_by(COSIGNERS[:1])


def test_a_running_server_goes_on_when_the_witness_is_back(
    opened: Callable[[], Engine], pair: Pair, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("api.integrator.QUORUM_SECONDS", (0.05,))
    engine = opened()
    append(engine, "one")
    integrate_all(engine)
    known = pair.settings[1].data / "witness/logs.v0"
    names = known.read_bytes()
    known.write_bytes(b"logs/v0\n")  # the witness has dropped the log
    with integrating(engine) as integrator:
        append(engine, "two")
        wait_until(lambda: integrator.problem is not None)
        assert integrator.problem is not None
        assert integrator.problem.code == "log.quorum"
        assert cosigners(engine) == (1, COSIGNERS)
        known.write_bytes(names)
        wait_until(lambda: integrator.problem is None)
        wait_until(lambda: cosigners(engine) == (2, COSIGNERS))


def test_a_restored_database_does_not_start_and_signs_nothing(
    opened: Callable[[], Engine], database: Database, tmp_path: Path
) -> None:
    engine = opened()
    for text in ("one", "two"):
        append(engine, text)
        integrate_all(engine)
    files = tmp_path / "data/logs/main"
    with psycopg.connect(database.owner_url, autocommit=True) as owner:
        owner.execute("DELETE FROM notary.checkpoint WHERE size > 1")
        for table in ("record", "posting", "sighting"):
            owner.execute(f"DELETE FROM ledger.{table} WHERE position > 1".encode())
        owner.execute("UPDATE ledger.head SET position = 1")
    files.rename(tmp_path / "lost")  # so that only the witnesses know
    with pytest.raises(RolledBackError, match=r"witness\.example/w0"), integrating(opened()):
        pass
    append(engine, "another two")
    with pytest.raises(RolledBackError):
        integrate_all(opened())
    assert published_log(engine).database.signed_at_size(2) is None


def test_stamped_and_cose_receipts_carry_the_cosignatures(opened: Callable[[], Engine]) -> None:
    engine = opened()
    append(engine, "one", "two")
    integrate_all(engine)
    log = published_log(engine)
    # As an authority's answer is kept; whether it is one is looked at by whoever verifies it.
    log.database.timestamps.add(StoredTimestamp(2, "https://tsa.example", 1, b"token"))
    append(engine, "three")
    integrate_all(engine)
    record = engine.ledger.records([1])[0].event
    reader = Reader(record.captured_by)
    assert record.event_id is not None
    trust = Trust(policy=replace(Policy.parse(engine.settings.log_policy.read_bytes()), logs=(PolicyLog(log.key),)))  # type: ignore[union-attr]
    proof, token = stamped_receipt(engine, record.event_id, reader)
    verified = verify(proof.text().encode(), trust)
    assert isinstance(verified, VerifiedReceipt)
    assert (verified.checkpoint.size, token.response) == (2, b"token")
    assert [name for name, _ in verified.cosignatures] == [key.name for key in COSIGNERS]

    receipt = CoseReceipt.parse(cose_receipt(engine, record.event_id, reader))
    signed = receipt.signed_checkpoint(verified.opening.leaf_hash(), trust)
    assert signed is not None
    assert (signed.checkpoint.size, signed.quorum) == (3, True)
    assert [name for name, _ in signed.cosignatures] == [key.name for key in COSIGNERS]
    stamped = replace(receipt, checkpoint=proof.checkpoint.encode())
    with pytest.raises(VerificationError, match="another tree"):
        stamped.signed_checkpoint(verified.opening.leaf_hash(), trust)


def test_a_fork_under_the_log_s_key_is_refused_and_kept(opened: Callable[[], Engine], pair: Pair) -> None:
    engine = opened()
    append(engine, "one", "two", "three")
    integrate_all(engine)
    with engine.pool.connection() as connection:
        assert connection.execute("SELECT count(*) FROM notary.cosignature").fetchone() == (2,)
    _, log = writable_log(engine)
    checkpoint = published_log(engine).served()
    assert checkpoint is not None
    forked = type(checkpoint[0])(checkpoint[0].origin, checkpoint[0].size, bytes(32))
    for settings in pair.settings:
        answer = create_witness(settings).add_checkpoint(b"old 3\n\n" + log._key.sign(forked.text()).encode())
        assert answer.status == 422
        (evidence,) = witness_store(settings).evidence()
        assert evidence.checkpoints == (checkpoint[0], forked)


def test_cosignatures_are_added_and_never_changed(opened: Callable[[], Engine]) -> None:
    engine = opened()
    integrate_all(engine)
    database = published_log(engine).database
    lines = database.cosignatures(0)
    database.keep_cosignatures(0, [Cosignature(lines[0].vkey, "another line\n")])
    assert database.cosignatures(0) == lines
    with engine.pool.connection() as connection, pytest.raises(psycopg.errors.InsufficientPrivilege):
        connection.execute("UPDATE notary.cosignature SET line = ''")


@pytest.mark.parametrize("text", ["", "quorum nobody\n", "witness w x+y+z\nquorum w\n"])
def test_a_policy_that_cannot_be_read(settings: Settings, tmp_path: Path, text: str) -> None:
    (tmp_path / "policy").write_text(text)
    _refused(settings.model_copy(update={"log_policy": tmp_path / "policy"}))


def test_a_policy_that_is_not_there_or_sends_us_elsewhere(settings: Settings, tmp_path: Path) -> None:
    _refused(settings.model_copy(update={"log_policy": tmp_path / "absent"}))
    (tmp_path / "policy").write_bytes(policy_text("all", {0: "http://10.0.0.1"}))
    _refused(settings.model_copy(update={"log_policy": tmp_path / "policy"}))


def _refused(settings: Settings) -> None:
    with pytest.raises(InvalidInputError) as caught, open_engine(settings):
        pass
    assert caught.value.code == "settings.log_policy"


def test_the_command_line_from_the_policy_to_a_verified_receipt(
    dairy: Run, pair: Pair, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "feed.json").write_bytes(_feed())
    assert dairy("feed", "import", "feed.json").code == 0
    assert dairy("log", "integrate").code == 0
    alone = dairy("log", "policy").out
    assert alone == f"log {dairy('log', 'key').out.strip()}\nquorum none\n"
    pair.learn(dairy("log", "key").out.strip())
    monkeypatch.setenv("TRACEABILITY_LOG_POLICY", str(pair.file))
    monkeypatch.setenv("TRACEABILITY_WITNESS_TIMEOUT_MS", "20000")
    uncosigned = dairy("log", "prove", "1").out
    (tmp_path / "feed.json").write_bytes(_feed(2))
    assert dairy("feed", "import", "feed.json").code == 0
    assert dairy("log", "integrate").code == 0
    outside = dairy("log", "fsck", "--json").json["logs"][0]["outside"]
    assert [(kept["name"], kept["checkpoints"], kept["findings"]) for kept in outside] == [
        ("witness 'w0'", 1, []),
        ("witness 'w1'", 1, []),
    ]
    policy = dairy("log", "policy")
    assert policy.out == dairy("log", "policy", "--json").json["policy"]
    (tmp_path / "dairy.policy").write_text(policy.out)
    receipt = dairy("log", "prove", "1").out.encode()
    verified = dairy("log", "verify", "-", "--policy", "dairy.policy", stdin=receipt)
    assert "proven: witness witness.example/w1 signed this checkpoint" in verified.out
    told = dairy("log", "verify", "-", "--policy", "dairy.policy", "--json", stdin=receipt).json
    assert (told["quorum"], len(told["cosignatures"])) == (True, 2)
    lacking = dairy("log", "verify", "-", "--policy", "dairy.policy", stdin=uncosigned.encode())
    assert (lacking.code, lacking.out) == (1, "")
    assert "'w0' did not sign" in lacking.err
    assert dairy("log", "verify", "-", stdin=receipt).code == 2
    assert dairy("log", "verify", "-", "--policy", "absent", stdin=receipt).code == 2
    assert dairy("log", "verify", "-", "--policy", "feed.json", stdin=receipt).code == 2
    monkeypatch.setenv("TRACEABILITY_LOG_POLICY", str(tmp_path / "feed.json"))
    assert dairy("log", "integrate").code == 2


def _feed(number: int = 1) -> bytes:
    return document(epcis_event(number))
