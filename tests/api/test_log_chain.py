"""Closing a log and opening the next: rotation of keys, and the way out of a database that was rolled back."""

from __future__ import annotations

import gzip
import json
from dataclasses import dataclass, replace
from pathlib import Path
from uuid import UUID

import psycopg
import pytest
from fastapi import FastAPI
from pydantic import SecretStr

from api.integrator import integrating
from api.log_names import LogNames
from api.notary import close_log, integrate_all, log_holding, published_log, published_logs, receipt, writable_log
from api.settings import Settings
from api.wiring import Engine, open_engine
from tests.api.conftest import serving
from tests.api.test_cli import Run, dairy, event, run
from tests.api.test_log_commands import imported
from tests.api.test_logs_http import observation, record, size_of
from tests.conformance.verifier import verify as independent
from tests.conftest import Database, Server, drop_database, make_database
from tests.support.captures import wait_until
from traceability.errors import ConflictError, InvalidInputError, UnavailableError
from traceability.ledger.access import Grant
from traceability.notary.checkpoint import open_checkpoint
from traceability.notary.errors import VerificationError
from traceability.notary.fsck import check_database, check_files
from traceability.notary.note import SigningKey, VerifierKey
from traceability.notary.verify import verify_receipt

__all__ = ["dairy", "imported", "run"]  # fixtures


def receipt_of(engine: Engine, event_id: UUID) -> bytes:
    return receipt(engine, event_id, engine.organisations.reader("dairy.example")).text().encode()


def assert_good(engine: Engine) -> None:
    for log in published_logs(engine):
        for report in (check_database(log.database), check_files(log.database, log.tiles)):
            assert report.clean, report.findings


def test_after_a_rotation_old_receipts_hold_under_the_old_key_and_new_ones_under_the_new(engine: Engine) -> None:
    (first,) = record(engine, observation(1))
    integrate_all(engine)
    before = receipt_of(engine, first)
    (second,) = record(engine, observation(2))
    old, new = close_log(engine, name="main-2", origin="dairy.example/2", reason="half-year")
    assert (old.state(), new.state(), new.database.identity.first_position) == ("closing", "open", 3)
    (third,) = record(engine, observation(3))
    assert integrate_all(engine).size == 1
    old, new = published_logs(engine)
    assert (old.state(), old.finished(), new.state()) == ("closed", True, "open")
    for receipt_text, log in (
        (before, old),
        (receipt_of(engine, first), old),
        (receipt_of(engine, second), old),
        (receipt_of(engine, third), new),
    ):
        assert independent(receipt_text, log.key.text)["size"] == verify_receipt(receipt_text, log.key).checkpoint.size
        with pytest.raises(VerificationError):
            verify_receipt(receipt_text, (new if log is old else old).key)
    assert log_holding(engine, 2).name == "main"
    assert log_holding(engine, 3).name == log_holding(engine, 4).name == "main-2"
    assert_good(engine)


def test_a_closed_log_needs_its_key_no_more(engine: Engine, settings: Settings) -> None:
    record(engine, observation(1))
    integrate_all(engine)
    close_log(engine, name="main-2", origin="dairy.example/2")
    integrate_all(engine)
    (settings.data / "keys" / "main.key").unlink()
    record(engine, observation(2))
    assert integrate_all(engine).size == 1
    # Not even to write its files again.
    for path in sorted((settings.data / "logs" / "main").rglob("*"), reverse=True):
        path.unlink() if path.is_file() else path.rmdir()
    assert integrate_all(engine).size == 1
    assert_good(engine)


def test_a_log_that_is_closed_while_it_lacks_its_key_waits_for_it(engine: Engine, settings: Settings) -> None:
    integrate_all(engine)
    record(engine, observation(1))
    close_log(engine, name="main-2", origin="dairy.example/2")
    key = settings.data / "keys" / "main.key"
    key.rename(key.with_suffix(".away"))
    with pytest.raises(UnavailableError) as caught:
        integrate_all(engine)
    assert caught.value.code == "log.key_file"
    key.with_suffix(".away").rename(key)
    integrate_all(engine)
    assert_good(engine)


def test_a_running_server_goes_on_with_the_next_log(engine: Engine, app: FastAPI) -> None:
    with integrating(engine) as integrator, serving(app) as client:
        record(engine, observation(1))
        wait_until(lambda: size_of(engine) == 1)
        assert client.get("/logs/main-2/checkpoint").status_code == 404
        app.state.log_names = LogNames(engine)  # who asked too early has to wait a second
        close_log(engine, name="main-2", origin="dairy.example/2")
        record(engine, observation(2), observation(3))
        wait_until(lambda: size_of(engine) == 2)
        assert integrator.problem is None
        told = client.get("/logs").json()
        assert [
            (log["name"], log["state"], log["first_position"], log["last_position"], log["size"]) for log in told
        ] == [
            ("main", "closed", 1, 1, 1),
            ("main-2", "open", 2, None, 2),
        ]
        for log in told:
            served = client.get(f"/logs/{log['name']}/checkpoint").text
            assert served.startswith(f"{log['origin']}\n{log['size']}\n")
    assert_good(engine)


def test_tiles_are_served_without_a_question_to_the_database(engine: Engine, app: FastAPI) -> None:
    record(engine, observation(1))
    close_log(_created(engine), name="main-2", origin="dairy.example/2")
    integrate_all(engine)
    names = LogNames(engine)
    names.check("main-2")
    app.state.log_names = names
    with serving(app) as client:
        engine.pool.close()
        names._look_at = 0.0
        for path in ("main/checkpoint", "main-2/checkpoint", "main/tile/0/000.p/1"):
            assert client.get(f"/logs/{path}").status_code == 200
        names._look_at = float("inf")  # asked a moment ago, however long that was here
        assert client.get("/logs/other/checkpoint").status_code == 404


def _created(engine: Engine) -> Engine:
    writable_log(engine)
    return engine


def test_bundles_are_compressed_for_those_who_take_it(engine: Engine, app: FastAPI) -> None:
    record(engine, *map(observation, range(100)))
    integrate_all(engine)
    with serving(app) as client:
        path = "/logs/main/tile/entries/000.p/100"
        for accepted, packed in (("gzip", True), ("br, GZIP;q=0.5", True), ("gzip;q=0", False), ("identity", False)):
            answer = client.get(path, headers={"Accept-Encoding": accepted})
            assert (answer.headers.get("content-encoding") == "gzip") is packed, accepted
            assert answer.headers["vary"] == "Accept-Encoding"
            assert len(answer.content) == 100 * 59
        with client.stream("GET", path, headers={"Accept-Encoding": "gzip"}) as answer:
            raw = b"".join(answer.iter_raw())
        assert len(raw) < 100 * 59
        assert gzip.decompress(raw) == client.get(path, headers={"Accept-Encoding": "identity"}).content
        assert "vary" not in client.get("/logs/main/tile/0/000.p/100", headers={"Accept-Encoding": "gzip"}).headers


@pytest.mark.parametrize(
    ("name", "origin", "code"),
    [
        ("../main", "new.example", "log.name"),
        ("Main", "new.example", "log.name"),
        ("main", "new.example", "log.exists"),
        ("new", "https://new.example", "log.origin"),
        ("new", "new.example+1", "log.origin"),
        ("new", "traceability.local/main", "log.exists"),
    ],
)
def test_what_cannot_be_the_next_log_closes_nothing(engine: Engine, name: str, origin: str, code: str) -> None:
    integrate_all(engine)
    with pytest.raises((InvalidInputError, ConflictError)) as caught:
        close_log(engine, name=name, origin=origin)
    assert caught.value.code == code
    assert [log.state() for log in published_logs(engine)] == ["open"]


def test_keys_from_the_environment(engine: Engine, settings: Settings) -> None:
    keys = [SigningKey("dairy.example/1", bytes([1]) * 32), SigningKey("dairy.example/2", bytes([2]) * 32)]
    both = SecretStr(" ".join(key.text for key in keys))
    with open_engine(settings.model_copy(update={"log_signing_key": both})) as other:
        record(engine, observation(1))
        assert integrate_all(other).origin == "dairy.example/1"
        close_log(other, name="main-2", origin="dairy.example/2")
        assert integrate_all(other).origin == "dairy.example/2"
        assert [log.database.identity.vkey for log in published_logs(other)] == [key.verifier.text for key in keys]
    assert not (settings.data / "keys").exists()
    wrong = settings.model_copy(update={"log_signing_key": SecretStr("PRIVATE+KEY+x")})
    with pytest.raises(InvalidInputError) as caught:
        writable_log(replace(engine, settings=wrong))
    assert caught.value.code == "settings.log_signing_key"
    assert "PRIVATE+KEY+x" not in caught.value.diagnostics()


def test_a_key_file_under_a_passphrase(engine: Engine, settings: Settings) -> None:
    sealed = settings.model_copy(update={"log_key_passphrase": SecretStr("correct horse")})
    with open_engine(sealed) as other:
        integrate_all(other)
        key = settings.data / "keys" / "main.key"
        text = key.read_text(encoding="utf-8")
        assert text.startswith(published_log(other).key.text + "\n-----BEGIN ENCRYPTED PRIVATE KEY-----\n")
        assert key.stat().st_mode & 0o777 == 0o600
    for passphrase, said in ((None, "encrypted"), (SecretStr("wrong"), "passphrase")):
        with pytest.raises(UnavailableError, match=said) as caught:
            integrate_all(replace(engine, settings=settings.model_copy(update={"log_key_passphrase": passphrase})))
        assert caught.value.code == "log.key_file"
    with open_engine(sealed) as other:
        record(engine, observation(1))
        assert integrate_all(other).size == 1


@dataclass
class Backup:
    """A copy of a test's database, for as long as no command works with it."""

    server: Server
    admin: psycopg.Connection
    name: str

    def take(self) -> None:
        make_database(self.server, self.admin, f"{self.name}_backup", self.name)

    def restore(self) -> None:
        drop_database(self.server, self.admin, self.name)
        make_database(self.server, self.admin, self.name, f"{self.name}_backup")
        drop_database(self.server, self.admin, f"{self.name}_backup")


@pytest.fixture
def backup(postgres: Server, admin: psycopg.Connection, database: Database) -> Backup:
    return Backup(postgres, admin, database.name)


def feed(run: Run, folder: Path, *numbers: int) -> None:
    document = {
        "@context": ["https://ref.gs1.org/standards/epcis/2.0.0/epcis-context.jsonld"],
        "type": "EPCISDocument",
        "schemaVersion": "2.0",
        "creationDate": "2026-03-01T08:15:00Z",
        "epcisBody": {"eventList": [event(number) for number in numbers]},
    }
    (folder / "more.json").write_text(json.dumps(document), encoding="utf-8")
    assert run("feed", "import", "more.json").code == 0


ABANDON = ("log", "close", "--abandon", "--name", "main-b", "--origin", "dairy.example/b", "--reason", "restored")


def test_the_way_out_of_a_database_that_was_rolled_back(imported: Run, tmp_path: Path, backup: Backup) -> None:
    assert imported("log", "integrate").code == 0
    old_key = imported("log", "key").out.strip()
    backup.take()
    feed(imported, tmp_path, 6, 7, 8, 9)
    assert imported("log", "integrate").code == 0
    lost = imported("log", "prove", "8").out
    assert imported(*ABANDON, "--json").json["error"]["code"] == "log.not_rolled_back"
    backup.restore()
    feed(imported, tmp_path, 16, 17)

    for command in (("integrate",), ("close", "--name", "main-b", "--origin", "dairy.example/b")):
        refused = imported("log", *command)
        assert refused.code == 1
        assert "log.rolled_back" in refused.err
        assert "--abandon" in refused.err
    told = imported(*ABANDON, "--json").json
    assert (told["closed"]["state"], told["closed"]["last_position"], told["closed"]["size"]) == ("abandoned", 5, 9)
    assert told["closed"]["abandoned_size"] == 9
    assert (told["opened"]["state"], told["opened"]["first_position"]) == ("open", 6)
    assert imported("log", "integrate", "--json").json["size"] == 2

    new_key = imported("log", "key").out.strip()
    assert imported("log", "key", "--log", "main").out.strip() == old_key != new_key
    for position, key, other in (("5", old_key, new_key), ("6", new_key, old_key)):
        proof = imported("log", "prove", position).out.encode()
        assert imported("log", "verify", "-", "--key", key, stdin=proof).code == 0
        assert imported("log", "verify", "-", "--key", other, stdin=proof).code == 1
    # Who has a receipt of what was lost can still show that the log signed it.
    assert imported("log", "verify", "-", "--key", old_key, stdin=lost.encode()).code == 0
    abandoned = "Abandoned: others have seen 9 leaves, and the restored ledger has the first 5."
    for log in ((), ("--log", "main")):
        checked = imported("log", "fsck", *log)
        assert (checked.code, abandoned in checked.err) == (0, True)
        assert ("Good: 2 logs, one after the other without a gap." in checked.err) == (not log)
    told = imported("log", "fsck", "--json").json
    assert (told["chain"]["found"], [log["name"] for log in told["logs"]]) == (0, ["main", "main-b"])
    (tmp_path / "words").write_text("correct horse battery staple", encoding="utf-8")
    said = imported("audit", "export", "chain.age", "--passphrase-file", "words", "--json").json
    assert [(log["origin"], log["size"]) for log in said["logs"]] == [
        ("traceability.local/main", 5),
        ("dairy.example/b", 2),
    ]
    assert imported("log", "list").out.splitlines() == [
        "main\ttraceability.local/main\tabandoned\t1\t5\t9",
        "main-b\tdairy.example/b\topen\t6\t\t2",
    ]


def test_a_log_that_is_older_than_its_whole_database(imported: Run, tmp_path: Path, backup: Backup) -> None:
    backup.take()
    assert imported("log", "integrate").code == 0
    backup.restore()
    assert "log.rolled_back" in imported("log", "integrate").err
    abandoned = imported(*ABANDON)
    assert abandoned.code == 0
    assert "Abandoned main, of which the database knows no leaf." in abandoned.err
    assert imported("log", "integrate", "--json").json["size"] == 5
    (tmp_path / "words").write_text("correct horse battery staple", encoding="utf-8")
    said = imported("audit", "export", "chain.age", "--passphrase-file", "words", "--json").json
    assert [(log["origin"], log["size"]) for log in said["logs"]] == [("dairy.example/b", 5)]
    assert imported("log", "fsck").code == 0
    assert imported("log", "fsck", "--log", "main").code == 0


def test_a_log_that_a_restored_database_does_not_know_is_not_opened_again(imported: Run, backup: Backup) -> None:
    close = ("log", "close", "--name", "main-2", "--origin", "dairy.example/2")
    assert imported("log", "integrate").code == 0
    backup.take()
    assert imported(*close).code == 0
    assert imported("log", "integrate").code == 0
    backup.restore()
    refused = imported(*close)
    assert refused.code == 1
    assert "log.exists" in refused.err


def test_the_commands_of_the_chain(imported: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    assert imported("log", "list", "--json").json == []
    assert imported("log", "close", "--name", "next", "--origin", "dairy.example/n").code == 4
    assert imported("log", "integrate").code == 0
    closed = imported("log", "close", "--name", "next", "--origin", "dairy.example/n", "--reason", "half-year")
    assert (closed.code, closed.out) == (0, "")
    assert "Closed main at position 5, which is the last of its 5 leaves." in closed.err
    assert "Opened next, which begins with position 6: dairy.example/n+" in closed.err
    assert imported("log", "integrate", "--json").json["size"] == 0
    assert imported("log", "checkpoint", "--log", "main").out.startswith("traceability.local/main\n5\n")
    assert imported("log", "checkpoint", "--log", "none").code == 4

    assert imported("log", "encrypt-key").code == 2
    monkeypatch.setenv("TRACEABILITY_LOG_KEY_PASSPHRASE", "correct horse")
    sealed = imported("log", "encrypt-key", "--log", "next", "--json")
    assert sealed.json["vkey"] == imported("log", "key").out.strip()
    assert "ENCRYPTED" in (tmp_path / ".traceability/keys/next.key").read_text(encoding="utf-8")
    feed(imported, tmp_path, 6)
    assert imported("log", "integrate", "--json").json["size"] == 1
    monkeypatch.delenv("TRACEABILITY_LOG_KEY_PASSPHRASE")
    assert imported("log", "integrate").code == 3


def test_answers_and_pages_tell_the_log_that_holds_each_event(engine: Engine, app: FastAPI) -> None:
    engine.organisations.set_grant(Grant("dairy.example", "public", None, frozenset({"what", "where", "why", "how"})))
    seen = {**observation(1), "bizStep": "shipping"}
    record(engine, seen)
    integrate_all(engine)
    close_log(engine, name="main-2", origin="dairy.example/2")
    record(engine, {**seen, "eventTime": "2026-03-02T09:00:00Z"})
    with serving(app) as client:
        item = "/01/09521234000013/21/1"

        def told() -> list[tuple[str | None, int | None]]:
            history = client.get(f"/provenance/items{item}").json()["history"]
            return [(entry["log"], entry["leaf_index"]) for entry in history]

        assert told() == [("main", 0), (None, None)]
        integrate_all(engine)
        assert told() == [("main", 0), ("main-2", 0)]
        page = client.get(item, headers={"Accept": "text/html"}).text
        assert "leaf index 0 of a log of size 1" in page
        assert published_log(engine, "main-2").key.text in page
        assert "/logs/main-2/checkpoint" in page


def test_a_second_key_signs_from_when_it_is_switched_on(engine: Engine, settings: Settings, app: FastAPI) -> None:
    record(engine, observation(1))
    integrate_all(engine)
    sealed = {"log_ml_dsa": True, "log_key_passphrase": SecretStr("correct horse")}
    with serving(app) as client:
        assert client.get("/logs").json()[0]["additional_vkeys"] == []
        with open_engine(settings.model_copy(update=sealed)) as both:
            for number in (2, 3):
                record(engine, observation(number))
                integrate_all(both)
        (told,) = client.get("/logs").json()
        (vkey,) = told["additional_vkeys"]
        served = client.get("/logs/main/checkpoint").content
    assert "ENCRYPTED" in (settings.data / "keys" / "main.ml-dsa.key").read_text(encoding="utf-8")
    for text in (told["vkey"], vkey):
        assert open_checkpoint(served, VerifierKey.parse(text))[0].size == 3
    # Switched off, it signs on, or a line that is missing would say nothing; the next log has none.
    with open_engine(settings.model_copy(update=sealed | {"log_ml_dsa": False})) as off:
        record(engine, observation(4))
        integrate_all(off)
        served = (settings.data / "logs/main/checkpoint").read_bytes()
        assert open_checkpoint(served, VerifierKey.parse(vkey))[0].size == 4
        close_log(off, name="main-2", origin="dairy.example/2")
        record(engine, observation(5))
        integrate_all(off)
        assert published_log(off).database.identity.additional_keys == ()
    assert_good(engine)
