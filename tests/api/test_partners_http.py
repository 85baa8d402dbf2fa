"""Partners over HTTP: who may see and add which, and deliveries, whose signature stands for a key."""

from __future__ import annotations

import gzip
import hmac
import time
import zipfile
from base64 import b64encode
from collections.abc import Callable, Iterator
from hashlib import sha256
from io import BytesIO
from typing import Any

import httpx
import pytest
from fastapi import FastAPI
from pydantic import SecretStr

from api.capture.runner import capturing
from api.partners.reading import partners_of
from api.partners.runner import reading_partners
from api.settings import Settings
from api.wiring import Engine
from tests.conftest import Database
from tests.support.capture_runs import packs
from tests.support.captures import wait_until
from tests.support.epcis_events import DAIRY, document
from tests.support.partners import Repository, page
from traceability.gs1.epcis.subscriptions.signature import sign
from traceability.ledger.organisations import Scope

Bearer = Callable[..., dict[str, str]]
STORE = "store.example"
HOOK = "/partners/hook/webhook"
ROWS_HOOK = "/partners/rows/webhook"


@pytest.fixture
def settings(database: Database, tmp_path: Any) -> Settings:
    return Settings(
        database_url=SecretStr(database.runtime_url),
        data=tmp_path / "data",
        outgoing_allow="127.0.0.1",
        capture_workers=1,
    )


@pytest.fixture
def admin_key(bearer: Bearer) -> dict[str, str]:
    return bearer(DAIRY, Scope.ADMIN)


@pytest.fixture
def token(client: httpx.Client, admin_key: dict[str, str]) -> str:
    body = {"name": "hook", "organisation": DAIRY, "kind": "webhook"}
    added = client.post("/partners", json=body, headers=admin_key)
    assert added.status_code == 201
    return str(added.json()["token"])


@pytest.fixture
def running(app: FastAPI, engine: Engine, client: httpx.Client) -> Iterator[httpx.Client]:
    with capturing(engine) as runner, reading_partners(engine) as reader:
        app.state.capture_runner, app.state.partner_reader = runner, reader
        yield client


def deliver(client: httpx.Client, body: bytes, signature: str, path: str = HOOK, **headers: str) -> httpx.Response:
    return client.post(path, content=body, headers={"GS1-Signature": signature, **headers})


def now() -> int:
    return time.time_ns() // 1000


def test_a_repository_that_is_added_is_read_and_a_secret_never_shown(
    running: httpx.Client, engine: Engine, admin_key: dict[str, str]
) -> None:
    repository = Repository(lambda _, n: page([{**packs(n)[0], "recordTime": "2026-03-01T10:00:00Z"}]))
    with repository.served() as address:
        body = {
            "name": "own", "organisation": DAIRY, "kind": "epcis", "address": address, "secret": "X-Key: word",
        }  # fmt: skip
        added = running.post("/partners", json=body, headers=admin_key)
        wait_until(lambda: running.get("/partners/own", headers=admin_key).json()["recorded"] == 1)
        asked = running.post("/partners/own/pull", headers=admin_key)
        assert asked.status_code == 202
        wait_until(lambda: running.get("/partners/own", headers=admin_key).json()["recorded"] == 2)
    shown = running.get("/partners/own", headers=admin_key)
    assert (shown.json()["received"], shown.json()["last_error"]) == (2, None)
    assert [capture["recorded"] for capture in shown.json()["captures"]] == [1, 1]
    assert (
        running.get(shown.json()["captures"][0]["findings"], headers=admin_key).status_code == 403
    )  # of another scope
    listed = running.get("/partners", headers=admin_key)
    assert [one["name"] for one in listed.json()] == ["own"]
    assert "word" not in added.text + shown.text + listed.text + asked.text
    assert {headers["x-key"] for headers in repository.headers} == {"word"}
    assert running.delete("/partners/own", headers=admin_key).status_code == 204
    assert partners_of(engine).all() == []
    assert running.get("/partners/own", headers=admin_key).json()["code"] == "partner.unknown"


def test_partners_are_their_organisations_own(client: httpx.Client, bearer: Bearer, token: str) -> None:
    assert token
    store, operator = bearer(STORE, Scope.ADMIN), bearer("local", Scope.ADMIN)
    assert client.get("/partners", headers=store).json() == []
    for method, path in (("GET", ""), ("DELETE", ""), ("POST", "/pull")):
        refused = client.request(method, f"/partners/hook{path}", headers=store)
        unknown = client.request(method, f"/partners/none{path}", headers=store)
        assert (refused.status_code, refused.json()["code"]) == (404, "partner.unknown")
        assert refused.text.replace("hook", "none") == unknown.text
    assert [one["name"] for one in client.get("/partners", headers=operator).json()] == ["hook"]
    body = {"name": "theirs", "organisation": DAIRY, "kind": "webhook"}
    assert client.post("/partners", json=body, headers=store).json()["code"] == "access.other_organisation"
    assert client.post("/partners", json=body, headers=operator).status_code == 201


WRONG: list[tuple[dict[str, str], tuple[int, str]]] = [
    ({"name": "hook"}, (409, "partner.exists")),
    ({"name": "No"}, (422, "partner.name")),
    ({"address": "https://dairy.example/"}, (422, "partner.address")),
    ({"kind": "epcis"}, (422, "partner.address")),
    ({"kind": "epcis", "address": "ftp://dairy.example"}, (422, "outgoing.address")),
    ({"kind": "epcis", "address": "https://dairy.example", "secret": "no header"}, (422, "partner.secret")),
    ({"kind": "epcis", "address": "https://dairy.example", "secret": "Host: x"}, (422, "partner.secret")),
    ({"kind": "epcis", "address": "https://dairy.example", "secret": "X: a\r\nY: b"}, (422, "partner.secret")),
    ({"secret": "short"}, (422, "partner.secret")),
    ({"mapping": "none"}, (422, "csv.mapping")),
    ({"kind": "folder", "address": "/"}, (403, "partner.folder_over_http")),
]


def test_what_cannot_be_a_partner_is_said(client: httpx.Client, admin_key: dict[str, str], token: str) -> None:
    assert token
    told = []
    for change, _ in WRONG:
        body = {"name": "new", "organisation": DAIRY, "kind": "webhook", **change}
        refused = client.post("/partners", json=body, headers=admin_key)
        told.append((refused.status_code, refused.json()["code"]))
    assert told == [expected for _, expected in WRONG]


def test_a_delivery_is_captured_as_its_organisation_and_once(
    running: httpx.Client, engine: Engine, admin_key: dict[str, str], token: str
) -> None:
    body = document(*packs(1, 2), {"type": "ObjectEvent"})
    first = deliver(running, body, sign(body, token, now_us=now()))
    assert (first.status_code, first.headers["location"]) == (202, first.json()["capture"])
    wait_until(lambda: running.get("/partners/hook", headers=admin_key).json()["recorded"] == 2)
    # Heard and said again, or sent again by a partner that did not hear the answer: the same job, nothing new.
    again = deliver(running, body, sign(body, token, now_us=now()))
    assert again.status_code == 202
    # What it holds beside others is not captured again either.
    more = document(*packs(1, 2, 3))
    third = deliver(running, more, sign(more, token, now_us=now()))
    wait_until(lambda: running.get("/partners/hook", headers=admin_key).json()["recorded"] == 3)
    assert third.json()["capture"] not in (None, first.json()["capture"])
    shown = running.get("/partners/hook", headers=admin_key).json()
    assert (shown["duplicates"], shown["malformed"], shown["failures"], shown["next_attempt"]) == (0, 1, 0, None)
    assert engine.ledger.head() == 3
    only_known = document(*packs(1))
    assert deliver(running, only_known, sign(only_known, token, now_us=now())).json() == {"capture": None}


def test_what_other_repositories_sign_is_taken(running: httpx.Client, engine: Engine, token: str) -> None:
    for number in range(3):
        body = document(*packs(number))
        mac = hmac.new(token.encode(), body, sha256)
        written = (mac.hexdigest(), b64encode(mac.digest()).decode(), f"sha256={mac.hexdigest()}")
        assert deliver(running, body, written[number]).status_code == 202
    wait_until(lambda: engine.ledger.head() == 3)


def test_what_is_not_signed_by_the_partner_is_refused(
    client: httpx.Client, engine: Engine, admin_key: dict[str, str], token: str
) -> None:
    body = document(*packs(1))
    good = sign(body, token, now_us=now())
    wrong = {
        "": "signature.wrong",
        "x": "signature.wrong",
        sign(body, token[:-1], now_us=now()): "signature.wrong",
        sign(body + b" ", token, now_us=now()): "signature.wrong",
        good.replace("t=", "t=1"): "signature.wrong",
        sign(body, token, now_us=now() - 301_000_000): "signature.old",
        sign(body, token, now_us=now() + 310_000_000): "signature.old",
        "ä": "signature.wrong",
    }
    for signature, code in wrong.items():
        refused = client.post(HOOK, content=body, headers=[(b"GS1-Signature", signature.encode("latin-1"))])
        assert (refused.status_code, refused.json()["code"]) == (403, code), signature
    for path in ("/partners/none/webhook", "/partners/A%00/webhook", "/partners/%C3%A4/webhook"):
        unknown = deliver(client, body, good, path)
        assert (unknown.status_code, unknown.json()["code"]) == (403, "signature.wrong")
    shown = client.get("/partners/hook", headers=admin_key).json()
    assert (shown["failures"], shown["last_error"]["code"]) == (len(wrong), "signature.wrong")
    assert engine.jobs.of_partner("hook", limit=9) == []
    assert engine.spool.jobs() == set()


def test_a_delivery_of_csv_needs_a_mapping(
    running: httpx.Client, engine: Engine, admin_key: dict[str, str], token: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    rows = b"When,Serial\n2026-03-01T09:15:00+01:00,7001\n"
    signature = sign(rows, token, now_us=now())
    refused = deliver(running, rows, signature, **{"Content-Type": "text/csv"})
    assert (refused.status_code, refused.json()["code"]) == (422, "partner.no_mapping")
    mapping = (
        '[fields]\ntype = "ObjectEvent"\naction = "OBSERVE"\neventTime = "{When}"\neventTimeZoneOffset = "+01:00"\n'
        'epcList = "https://id.gs1.org/01/09521234000013/21/{Serial}"\n'
    )
    body = {"name": "rows", "organisation": DAIRY, "kind": "webhook", "secret": token, "mapping": mapping}
    assert running.post("/partners", json=body, headers=admin_key).json()["token"] == token
    taken = deliver(running, rows, signature, "/partners/rows/webhook", **{"Content-Type": "text/csv; charset=utf-8"})
    assert taken.status_code == 202
    wait_until(lambda: engine.ledger.head() == 1)
    # Packed, it is the same; what a gzip holds is told by its bytes.
    ways: list[tuple[Callable[[bytes], bytes], str]] = [
        (gzip.compress, "text/csv"),
        (zipped, "application/zip"),
        (gzip.compress, "application/gzip"),
    ]
    for number, (pack, kind) in enumerate(ways):
        packed = pack(rows.replace(b"7001", f"80{number}".encode()))
        sent = deliver(running, packed, sign(packed, token, now_us=now()), ROWS_HOOK, **{"Content-Type": kind})
        assert sent.status_code == 202, sent.text
    wait_until(lambda: engine.ledger.head() == 4)
    packed = gzip.compress(document(*packs(1)))
    assert deliver(running, packed, sign(packed, token, now_us=now()), ROWS_HOOK).status_code == 202
    wait_until(lambda: engine.ledger.head() == 5)
    for wrong, code in (
        (zipped(rows, rows), "capture.archive"),
        (packed[:40], "capture.archive"),
        (gzip.compress(bytes(1 << 25)), "capture.ratio"),
    ):
        refused = deliver(running, wrong, sign(wrong, token, now_us=now()), ROWS_HOOK)
        assert (refused.status_code, refused.json()["code"]) == (422, code)
    monkeypatch.setattr("api.partners.capturing._MOST", 100_000)
    many = gzip.compress(b"When,Serial\n" + b",1\n" * 1_000)  # of a few bytes each comes an event
    refused = deliver(running, many, sign(many, token, now_us=now()), ROWS_HOOK, **{"Content-Type": "text/csv"})
    assert (refused.status_code, refused.json()["code"]) == (413, "capture.too_long")


def zipped(*files: bytes) -> bytes:
    out = BytesIO()
    with zipfile.ZipFile(out, "w", zipfile.ZIP_DEFLATED) as archive:
        for number, content in enumerate(files):
            archive.writestr(f"{number}.csv", content)
    return out.getvalue()
