"""Secrets of partners and subscriptions: none is in a dump, all are of use, and a key may change or be missing."""

from __future__ import annotations

import subprocess
from base64 import b64encode
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import SecretStr

from adapters.postgres.base_backup import _program
from adapters.sealing import SealingKey, parse_keys, read_key_file
from adapters.system import SystemEntropy
from api.app import create_app
from api.cli.serve import application
from api.named_queries import define as define_query
from api.partners.define import define
from api.partners.reading import partners_of
from api.partners.webhook import receive
from api.sealing import key_file
from api.subscriptions.batches import Document
from api.subscriptions.delivery import headers_of
from api.subscriptions.manage import subscribe
from api.wiring import Engine, open_engine
from tests.api.conftest import serving
from tests.conftest import Database
from tests.support.capture_runs import packs
from tests.support.epcis_events import DAIRY, document
from tests.support.partners import Repository, page, pulled, settings_of
from traceability.errors import InvalidInputError, UnavailableError
from traceability.gs1.epcis.strict_json import dumps
from traceability.gs1.epcis.subscriptions.signature import HEADER, check_signature, sign
from traceability.ledger.organisations import Scope
from traceability.ledger.partners import Kind
from traceability.ledger.sealed import Sealed

HEADER_SECRET, HOOK_TOKEN, SIGNATURE_TOKEN = "repository-secret-1", "webhook-token-sealed", "signature-token-3"
SECRETS = (HEADER_SECRET, HOOK_TOKEN, SIGNATURE_TOKEN)
OLD, NEW = (b64encode(bytes([number] * 32)).decode() for number in (1, 2))


@contextmanager
def opened(database: Database, data: Path, key: str | None = None) -> Iterator[Engine]:
    settings = settings_of(database, data)
    with open_engine(settings.model_copy(update={"secrets_key": key and SecretStr(key)})) as engine:
        yield engine


def fill(engine: Engine, address: str) -> None:
    engine.organisations.add(DAIRY)
    define(engine, "repository", DAIRY, Kind.EPCIS, address=address, secret=f"X-Key: {HEADER_SECRET}")
    define(engine, "hook", DAIRY, Kind.WEBHOOK, secret=HOOK_TOKEN)
    define(engine, "open", DAIRY, Kind.EPCIS, address=address)
    define_query(engine, DAIRY, dumps({"name": "all", "query": {}}))
    wanted = {"dest": "https://r.example/", "signatureToken": SIGNATURE_TOKEN, "stream": True}
    subscribe(engine, DAIRY, "all", dumps(wanted))


def check_of_use(engine: Engine) -> None:
    """Pull, receive and sign with what is kept."""
    repository = Repository(lambda *_: page([]))
    with repository.served() as address:
        with engine.pool.connection() as connection:
            connection.execute("UPDATE work.partner SET address = %s WHERE name = 'repository'", [address])
        pulled(engine, "repository")
    assert repository.headers[0]["x-key"] == HEADER_SECRET
    body = document(*packs(1))
    signature = sign(body, HOOK_TOKEN, now_us=engine.clock.now_us())
    receive(engine, "hook", body, signature=signature, media_type="application/json")
    (one,) = engine.subscriptions.page(DAIRY, limit=2)
    now = engine.clock.now_us()
    check_signature(headers_of(engine, Document(b"x", {}), one)[HEADER], b"x", SIGNATURE_TOKEN, now_us=now)


def dump(database: Database) -> str:
    program = [str(_program("pg_dump")), "--dbname", database.admin_url]
    return subprocess.run(program, check=True, capture_output=True, text=True).stdout


def test_a_dump_holds_no_secret_and_all_are_of_use(database: Database, tmp_path: Path) -> None:
    with opened(database, tmp_path) as engine:
        fill(engine, "https://r.example/events")
        assert engine.secrets.seal_all() == 0
        dumped = dump(database)
        assert "signature_token" in dumped
        assert [secret for secret in SECRETS if secret in dumped] == []
        check_of_use(engine)
    assert key_file(engine.settings).stat().st_mode & 0o777 == 0o600
    with opened(database, tmp_path) as engine:  # another process, with the same file
        check_of_use(engine)


def test_what_lies_in_the_clear_is_encrypted_at_start(database: Database, tmp_path: Path) -> None:
    with opened(database, tmp_path) as engine:
        fill(engine, "https://r.example/events")
        with engine.pool.connection() as connection:  # as the version before wrote them
            for name, secret in (("repository", HEADER_SECRET), ("hook", HOOK_TOKEN)):
                row = [secret, name]
                connection.execute("UPDATE work.partner SET secret = %s, sealed_with = NULL WHERE name = %s", row)
            connection.execute(
                "UPDATE work.subscription SET signature_token = %s, sealed_with = NULL", [SIGNATURE_TOKEN]
            )
        assert all(secret in dump(database) for secret in SECRETS)
        check_of_use(engine)
        with application(engine):  # as `traceability serve` begins
            assert not any(secret in dump(database) for secret in SECRETS)
        assert engine.secrets.seal_all() == 0
        check_of_use(engine)


def test_a_key_is_changed_by_putting_a_new_one_before_it(database: Database, tmp_path: Path) -> None:
    with opened(database, tmp_path, OLD) as engine:
        fill(engine, "https://r.example/events")
    with opened(database, tmp_path, f"{NEW} {OLD}") as engine:
        check_of_use(engine)
        assert engine.secrets.seal_all() == 3
    with opened(database, tmp_path, NEW) as engine:
        check_of_use(engine)


def test_without_its_key_nothing_is_sent_and_none_is_made_in_its_place(database: Database, tmp_path: Path) -> None:
    with opened(database, tmp_path / "one") as engine:
        fill(engine, "https://r.example/events")
    with opened(database, tmp_path / "third", NEW) as third:  # who has lost it gives a new one, and what lacks it waits
        assert third.secrets.seal_all() == 0
        define(third, "anew", DAIRY, Kind.WEBHOOK)
        partners_of(third).remove("anew")
    with opened(database, tmp_path / "other") as other:
        with pytest.raises(UnavailableError, match="not here") as caught:
            define(other, "more", DAIRY, Kind.WEBHOOK)
        assert caught.value.code == "secrets.key"
        assert "secrets_key" in caught.value.hint
        assert not key_file(other.settings).exists()
        assert other.secrets.seal_all() == 0
        with serving(create_app(other)) as client:  # where the files of the server are is no client's business
            key = other.organisations.create_key(DAIRY, [Scope.QUERY])[1]
            answer = client.post(
                "/epcis/queries/all/subscriptions",
                json={"dest": "https://r.example/", "signatureToken": SIGNATURE_TOKEN, "stream": True},
                headers={"Authorization": f"Bearer {key}"},
            )
        assert (answer.status_code, answer.json()["code"]) == (503, "secrets.key")
        assert str(tmp_path) not in answer.text
        (one,) = other.subscriptions.page(DAIRY, limit=2)
        with pytest.raises(UnavailableError):
            headers_of(other, Document(b"x", {}), one)
        with pytest.raises(UnavailableError):
            pulled(other, "repository")
        failure = partners_of(other).get("repository")[1].failure
        assert failure is not None
        assert failure.code == "secrets.key"
        # It goes on as soon as the key is brought.
        key_file(other.settings).parent.mkdir(parents=True)
        key_file(engine.settings).rename(key_file(other.settings))
        check_of_use(other)


def test_a_secret_opens_in_its_row_alone(database: Database, tmp_path: Path) -> None:
    with opened(database, tmp_path) as engine:
        fill(engine, "https://r.example/events")
        with engine.pool.connection() as connection:
            connection.execute(
                "UPDATE work.partner SET secret ="
                " (SELECT secret FROM work.partner WHERE ledger_id = 1 AND name = 'hook')"
                " WHERE ledger_id = 1 AND name = 'repository'"
            )
        with pytest.raises(UnavailableError, match="moved from elsewhere"):
            pulled(engine, "repository")


@pytest.mark.parametrize("text", ["", "\n", "short", b64encode(bytes(31)).decode(), "ä"])
def test_a_file_that_is_no_key_is_refused(tmp_path: Path, text: str) -> None:
    path = tmp_path / "secrets_key"
    path.write_text(text)
    path.chmod(0o600)
    with pytest.raises(UnavailableError) as caught:
        read_key_file(path)
    assert caught.value.code == "secrets.key"
    path.chmod(0o644)
    with pytest.raises(UnavailableError, match="read by others") as others:
        read_key_file(path)
    with pytest.raises(UnavailableError) as folder:
        read_key_file(path / "below")
    assert [one for one in (caught, others, folder) if str(tmp_path) in one.value.message] == []


def test_a_key_that_is_none_is_not_quoted() -> None:
    with pytest.raises(InvalidInputError) as caught:
        parse_keys(f"{OLD} not-quite-a-key")
    assert "not-quite" not in str(caught.value)
    assert [key.key_id for key in parse_keys(f"{OLD} {NEW}")] == [SealingKey(bytes([n] * 32)).key_id for n in (1, 2)]


@given(st.text(max_size=50), st.text(max_size=20), st.integers(0, 200), st.integers(1, 255))
def test_what_is_sealed_opens_and_nothing_else(secret: str, place: str, at: int, flip: int) -> None:
    key, entropy = SealingKey(bytes(32)), SystemEntropy()
    try:
        secret.encode()
        place.encode()
    except UnicodeEncodeError:
        return
    text = key.seal(secret, place, entropy)
    assert key.open(text, place) == secret
    assert key.seal(secret, place, entropy) != text
    damaged = bytearray(text, "ascii")
    damaged[at % len(damaged)] ^= flip
    for other, where in ((damaged.decode("latin-1"), place), (text, f"{place}x"), (text[:8], place)):
        with pytest.raises(ValueError, match=r"\w"):
            key.open(other, where)


def test_a_sealed_secret_is_not_shown() -> None:
    assert "word" not in repr(Sealed("word", None))
