"""Timestamps as an operator and a verifier meet them: commands, the server's interval, and openssl."""

from __future__ import annotations

import subprocess
from collections.abc import Iterator
from pathlib import Path

import psycopg
import pytest
from structlog.testing import capture_logs

from api.integrator import integrating
from api.notary import close_log, integrate_all, published_log, published_logs
from api.settings import Settings, read_settings
from api.timestamps import Timestamper, stamp_published, stamped_receipt, timestamp_client, timestamping
from api.wiring import Engine, open_engine
from tests.api.test_cli import Run, dairy, run
from tests.api.test_log_commands import imported
from tests.api.test_logs_http import observation, record
from tests.conftest import Database
from tests.support.captures import wait_until
from tests.support.tsa import Authority, needs_openssl, serving
from traceability.errors import InvalidInputError
from traceability.notary.timestamp import check_timestamps

__all__ = ["dairy", "imported", "run"]  # fixtures


@pytest.fixture
def authority(tmp_path: Path) -> Iterator[Authority]:
    needs_openssl()
    with serving(Authority(tmp_path / "tsa")) as authority:
        yield authority


@pytest.fixture
def stamping(authority: Authority, monkeypatch: pytest.MonkeyPatch) -> Authority:
    """Set the settings of an authority."""
    monkeypatch.setenv("TRACEABILITY_TIMESTAMP_URL", authority.url)
    monkeypatch.setenv("TRACEABILITY_TIMESTAMP_ROOTS", str(authority.roots_file))
    return authority


def test_from_a_checkpoint_to_a_receipt_with_a_time(imported: Run, stamping: Authority, tmp_path: Path) -> None:
    ran = imported("log", "timestamp")
    assert (ran.code, "log.unknown" in ran.err) == (4, True)
    assert imported("log", "integrate").code == 0
    assert imported("log", "prove", "3", "--timestamp", "pack.tsr").code == 4
    stamped = imported("log", "timestamp", "--json").json
    assert (stamped["size"], stamped["authority"], stamped["accuracy"]) == (5, "CN=Test TSA", 1_500_000)

    # Later checkpoints do not matter to a receipt under the stamped one.
    assert imported("organisation", "add", "store.example").code == 0
    assert imported("ledger", "erase", "5", "--reason", "asked for", "--authority", "officer").code == 0
    assert imported("log", "integrate", "--json").json["size"] == 6
    proof = imported("log", "prove", "3", "--timestamp", "pack.tsr")
    assert "traceability.local/main\n5\n" in proof.out
    (tmp_path / "pack.tlog-proof").write_text(proof.out, encoding="utf-8")
    key = imported("log", "key").out.strip()
    verify = ("log", "verify", "pack.tlog-proof", "--key", key, "--timestamp", "pack.tsr", "--roots")
    verified = imported(*verify, str(stamping.roots_file))
    assert verified.code == 0, verified.err
    assert "said by the time-stamping authority CN=Test TSA: this checkpoint existed at" in verified.out
    assert imported(*verify, str(stamping.roots_file), "--json").json["timestamp"]["at"] == stamped["at"]

    later = imported("log", "prove", "3").out
    wrong = imported("log", "verify", "-", *verify[3:], str(stamping.roots_file), stdin=later.encode())
    assert (wrong.code, "timestamp.imprint" in wrong.err) == (1, True)
    foreign = imported(*verify, str(Authority(tmp_path / "other").roots_file))
    assert (foreign.code, foreign.out, "timestamp.certificate" in foreign.err) == (1, "", True)
    assert imported(*verify, "absent.pem").code == 3
    assert imported(*verify[:-1]).code == 2
    assert imported(*verify[:5], "--timestamp", "absent", "--roots", str(stamping.roots_file)).code == 3


def test_the_list_verifies_and_exports_what_openssl_verifies(
    imported: Run, stamping: Authority, tmp_path: Path, database: Database
) -> None:
    assert imported("log", "integrate").code == 0
    assert imported("log", "timestamps", "--json").json == []
    assert imported("log", "timestamp").code == 0
    assert imported("log", "timestamp").code == 0
    listed = imported("log", "timestamps", "--export", "stamps", "--json")
    assert listed.code == 0
    assert [(row["size"], row["good"], row["authority"]) for row in listed.json] == [(5, True, "CN=Test TSA")] * 2
    files = sorted(path.name for path in (tmp_path / "stamps").iterdir())
    second = listed.json[1]["received_at"]
    assert files == sorted(["5.checkpoint", "5.tsr", f"5.{second}.tsr"])
    assert imported("log", "timestamps", "--export", "stamps").code == 0
    assert files == sorted(path.name for path in (tmp_path / "stamps").iterdir())
    for response in ("5.tsr", f"5.{second}.tsr"):
        command = ["openssl", "ts", "-verify", "-data", "5.checkpoint", "-in", response, "-CAfile"]
        subprocess.run([*command, stamping.roots_file], cwd=tmp_path / "stamps", check=True, capture_output=True)
    assert (tmp_path / "stamps/5.checkpoint").read_text(encoding="utf-8") == imported("log", "checkpoint").out

    with psycopg.connect(database.owner_url, autocommit=True) as owner:
        (outside,) = imported("log", "fsck", "--json").json["logs"][0]["outside"]
        assert (outside["name"], outside["checkpoints"], outside["findings"]) == ("timestamps", 1, [])
        owner.execute("UPDATE notary.timestamp SET response = '\\x00' WHERE received_at = %s", [second])
    bad = imported("log", "timestamps")
    assert (bad.code, "timestamp.malformed" in bad.out) == (1, True)
    checked = imported("log", "fsck")
    assert (checked.code, "timestamp.malformed" in checked.err) == (1, True)
    with psycopg.connect(database.owner_url, autocommit=True) as owner:
        owner.execute("DELETE FROM notary.checkpoint")
    unknown = imported("log", "timestamps", "--json")
    assert (unknown.code, {row["code"] for row in unknown.json}) == (1, {"timestamp.unknown_checkpoint"})


def test_rows_are_only_added(imported: Run, stamping: Authority, database: Database) -> None:
    assert imported("log", "integrate").code == 0
    assert imported("log", "timestamp").code == 0
    with psycopg.connect(database.runtime_url, autocommit=True) as runtime:
        for statement in ("UPDATE notary.timestamp SET size = 6", "DELETE FROM notary.timestamp"):
            with pytest.raises(psycopg.errors.InsufficientPrivilege):
                runtime.execute(statement)
    assert len(stamping.asked) == 1


def test_what_is_not_set_or_not_there_is_said(
    imported: Run, stamping: Authority, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert imported("log", "integrate").code == 0
    monkeypatch.setenv("TRACEABILITY_TIMESTAMP_URL", "http://127.0.0.1:9/")
    ran = imported("log", "timestamp", "--json")
    assert (ran.code, ran.json["error"]["code"]) == (3, "timestamp.unreachable")
    monkeypatch.delenv("TRACEABILITY_TIMESTAMP_ROOTS")
    for command, code in (("timestamp", "settings.timestamp_url"), ("timestamps", "settings.timestamp_roots")):
        ran = imported("log", command, "--json")
        assert (ran.code, ran.json["error"]["code"]) == (2, code)
    monkeypatch.setenv("TRACEABILITY_TIMESTAMP_SECONDS", "3600")
    with pytest.raises(InvalidInputError, match="TIMESTAMP_ROOTS"):
        read_settings()
    assert stamping.asked == []


@pytest.fixture
def stamped_engine(settings: Settings, engine: Engine, authority: Authority) -> Iterator[Engine]:
    """Open the engine of `settings` with an authority that is asked at every occasion."""
    changes = {"timestamp_url": authority.url, "timestamp_roots": authority.roots_file, "timestamp_seconds": 1}
    assert engine.settings is settings
    with open_engine(settings.model_copy(update=changes)) as stamped:
        yield stamped


def sizes(engine: Engine) -> list[int]:
    return [row.size for row in published_log(engine).database.timestamps.all()]


def test_the_server_asks_while_the_log_grows(
    stamped_engine: Engine, authority: Authority, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("api.timestamps.POLL_SECONDS", 0.05)
    with integrating(stamped_engine) as integrator, timestamping(stamped_engine, integrator):
        for size in (1, 2):
            record(stamped_engine, observation(size))
            wait_until(lambda size=size: size in sizes(stamped_engine))  # type: ignore[misc]
        wait_until(lambda: integrate_all(stamped_engine).size == 2)
    # One a checkpoint, never a second, and the last one covers everything.
    found = sizes(stamped_engine)
    assert found == sorted(set(found))
    log = published_log(stamped_engine)
    stored = list(log.database.timestamps.all())
    assert list(check_timestamps(stored, log.database.signed_at_size, log.key, [authority.root])) == []


def test_one_is_due_when_the_log_grew_and_the_last_one_is_old_enough(stamped_engine: Engine) -> None:
    client = timestamp_client(stamped_engine.settings)

    def due(seconds: float) -> bool:
        return Timestamper(stamped_engine, client, seconds, lambda: True)._is_due(published_log(stamped_engine))

    integrate_all(stamped_engine)
    assert due(3600)
    stamp_published(stamped_engine, client, published_log(stamped_engine))
    assert not due(0)
    record(stamped_engine, observation(1))
    assert not due(0)
    integrate_all(stamped_engine)
    assert due(0)
    assert not due(3600)


def test_the_last_checkpoint_of_a_closed_log_is_stamped_too(
    stamped_engine: Engine, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("api.timestamps.POLL_SECONDS", 0.05)
    (event_id,) = record(stamped_engine, observation(1))
    integrate_all(stamped_engine)
    close_log(stamped_engine, name="next", origin="dairy.example/next")
    record(stamped_engine, observation(2))
    with integrating(stamped_engine) as integrator, timestamping(stamped_engine, integrator):
        for log in published_logs(stamped_engine):
            stored = log.database.timestamps
            wait_until(lambda stored=stored: stored.covering(1) is not None)  # type: ignore[misc]
    reader = stamped_engine.organisations.reader("dairy.example")
    proof, token = stamped_receipt(stamped_engine, event_id, reader)
    assert proof.checkpoint.startswith("traceability.local/main\n1\n")
    assert token.size == 1


def test_an_authority_that_is_gone_delays_nothing_and_is_asked_again(
    stamped_engine: Engine, authority: Authority, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("api.timestamps.POLL_SECONDS", 0.05)
    monkeypatch.setattr("api.timestamps.RETRY_SECONDS", 0.05)
    answer, healthy = authority.answer, False

    def failing(request: bytes) -> bytes:
        return answer(request) if healthy else b"<html>"

    monkeypatch.setattr(authority, "answer", failing)
    with capture_logs() as lines, integrating(stamped_engine) as integrator, timestamping(stamped_engine, integrator):
        record(stamped_engine, observation(1))
        wait_until(lambda: "timestamp.malformed" in [line.get("code") for line in lines])
        record(stamped_engine, observation(2))
        wait_until(lambda: integrate_all(stamped_engine).size == 2)
        assert sizes(stamped_engine) == []
        healthy = True
        wait_until(lambda: sizes(stamped_engine)[-1:] == [2])


def test_a_server_that_stands_by_does_not_ask(stamped_engine: Engine, authority: Authority) -> None:
    integrate_all(stamped_engine)
    answers: list[bool] = []
    with published_log(stamped_engine).database.leadership() as leads, integrating(stamped_engine) as integrator:
        assert leads

        def other_leads() -> bool:
            answers.append(integrator.leads)
            return integrator.leads

        timestamper = Timestamper(stamped_engine, timestamp_client(stamped_engine.settings), 0.01, other_leads)
        with timestamper.background:
            wait_until(lambda: len(answers) > 5)
    assert not any(answers)
    assert authority.asked == []
