"""Evidence from the file to the certificate, and back from the certificate to the file."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Callable
from hashlib import sha256
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import httpx
import pytest
from pypdf import PdfReader

from adapters.postgres.erasure import erase
from adapters.postgres.ledger import PostgresLedger
from adapters.postgres.outcome import outcome_unknown
from api.notary import integrate_all, published_log
from api.wiring import Engine
from tests.conformance.bundle_verifier import verify_bundle as independent
from traceability.errors import ConflictError
from traceability.ledger.access import Grant
from traceability.ledger.evidence import read_sha256
from traceability.ledger.organisations import Scope
from traceability.notary.trust import Trust
from traceability.notary.verify import verify_receipt
from traceability.notary.verify_bundle import verify_bundle

CONTRACT = b"A contract of 1 March, with everything that was agreed."
DIGEST = sha256(CONTRACT).hexdigest()
FILE = {"Content-Type": "application/pdf"}
Bearer = Callable[..., dict[str, str]]


@pytest.fixture
def dairy(bearer: Bearer) -> dict[str, str]:
    return bearer("dairy.example", Scope.CAPTURE, Scope.QUERY)


def test_a_file_is_registered_once_and_certified(client: httpx.Client, engine: Engine, dairy: dict[str, str]) -> None:
    integrate_all(engine)
    first = client.post("/notary/evidence?statement=Contract", content=CONTRACT, headers={**dairy, **FILE})
    assert first.status_code == 201
    told = first.json()
    assert (told["sha256"], told["size"], told["statement"]) == (DIGEST, len(CONTRACT), "Contract")
    assert (told["registered_by"], told["registered_by_name"]) == ("dairy.example", "Dairy")
    again = client.post("/notary/evidence", json={"sha256": f"sha-256:{DIGEST.upper()}"}, headers=dairy)
    assert (again.status_code, again.json()) == (200, told)
    assert engine.ledger.head() == 1

    here, key = first.headers["location"], urlsplit(told["page"]).query
    unpublished = client.get(f"{here}/certificate", headers=dairy)
    assert (unpublished.status_code, unpublished.json()["code"]) == (503, "log.not_published")
    assert "not published yet" in client.get(f"/evidence/{told['event_id']}?{key}").text
    integrate_all(engine)
    certificate = client.get(f"{here}/certificate", headers=dairy)
    assert certificate.headers["content-type"] == "application/pdf"
    assert certificate.content.startswith(b"%PDF-1.7")
    assert b"receipt.tlog-proof" in certificate.content
    assert client.get(f"{here}/certificate", headers=dairy).content == certificate.content

    receipt = client.get(f"{here}/receipt?{key}")
    verified = verify_receipt(receipt.content, published_log(engine).key)
    shown = verified.opening.shown()
    assert DIGEST.encode() in shown.more
    assert verified.opening.closed() == ["what", "where", "why", "how", "personal", "source"]


def test_the_bundle_says_what_is_shown_and_proves_it(
    client: httpx.Client, engine: Engine, dairy: dict[str, str]
) -> None:
    integrate_all(engine)
    told = client.post("/notary/evidence?statement=Contract", content=CONTRACT, headers={**dairy, **FILE}).json()
    here, key = f"/notary/evidence/{told['event_id']}", urlsplit(told["page"]).query
    early = client.get(f"{here}/bundle", headers=dairy)
    assert (early.status_code, early.json()["code"], "Retry-After" in early.headers) == (503, "log.not_published", True)
    integrate_all(engine)
    zipped = client.get(f"{here}/bundle?{key}")
    assert zipped.headers["Content-Disposition"] == f'attachment; filename="{told["event_id"]}.zip"'
    vkey = published_log(engine).key
    bundle, theirs = verify_bundle(zipped.content, Trust((vkey,))), independent(zipped.content, [vkey.text])
    assert json.loads(bundle.answer) == theirs["answer"] == client.get(here, headers=dairy).json()
    assert (bundle.manifest.kind, bundle.manifest.reader, bundle.events) == ("evidence", "public", 1)
    (opening,) = bundle.logs[0].openings
    assert opening.closed() == ["what", "where", "why", "how", "personal", "source"]
    assert f"{here}/bundle?{key}" in client.get(f"/evidence/{told['event_id']}?{key}").text


def test_a_kept_file_comes_back_to_its_owner_until_its_event_is_erased(
    client: httpx.Client, engine: Engine, bearer: Bearer, dairy: dict[str, str]
) -> None:
    content = CONTRACT * 5_000  # several chunks
    posted = client.post("/notary/evidence?keep=true", content=content, headers={**dairy, **FILE})
    told = posted.json()
    assert (posted.status_code, told["stored"], told["sha256"]) == (201, True, sha256(content).hexdigest())
    integrate_all(engine)
    here, key = posted.headers["location"], urlsplit(told["page"]).query
    (kept,) = (engine.settings.data / "evidence").iterdir()
    assert CONTRACT not in kept.read_bytes()
    back = client.get(f"{here}/file", headers=dairy)
    assert (back.status_code, back.content) == (200, content)
    # The link of the certificate shows what was registered, and never the file; nor does a receipt tell its key.
    store = bearer("store.example", Scope.QUERY)
    for path, headers in ((f"{here}/file?{key}", {}), (f"{here}/file", store)):
        assert client.get(path, headers=headers).status_code == 404
    engine.organisations.set_grant(Grant("dairy.example", "store.example", None, frozenset({"more"})))
    assert client.get(f"{here}/file", headers=store).json()["code"] == "evidence.no_file"
    receipt = verify_receipt(client.get(f"{here}/receipt", headers=dairy).content, published_log(engine).key)
    assert "personal" in receipt.opening.closed()
    assert b"file_key" not in receipt.opening.shown().more

    again = client.post("/notary/evidence?keep=true", content=content, headers={**dairy, **FILE})
    assert (again.status_code, again.json()) == (200, told)
    assert list((engine.settings.data / "evidence").iterdir()) == [kept]
    whole = kept.read_bytes()
    kept.write_bytes(whole[:-1])
    assert client.get(f"{here}/file", headers=dairy).json()["code"] == "age.damaged"
    kept.unlink()
    assert client.get(f"{here}/file", headers=dairy).json()["code"] == "evidence.no_file"
    kept.write_bytes(whole)
    erase(engine.urls.owner, engine.ledger, told["position"], reason="asked for", authority="officer")
    assert client.get(f"{here}/file", headers=dairy).json()["code"] == "evidence.no_file"
    assert client.get(here, headers=dairy).json()["stored"] is True


def test_nothing_is_kept_of_a_file_that_is_refused(
    client: httpx.Client, engine: Engine, dairy: dict[str, str], monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = engine.settings.data / "evidence"
    empty = client.post("/notary/evidence?keep=true", content=b"", headers={**dairy, **FILE})
    assert (empty.status_code, empty.json()["code"]) == (422, "evidence.malformed")
    monkeypatch.setattr("api.evidence.register", refuse)
    assert client.post("/notary/evidence?keep=true", content=b"x", headers={**dairy, **FILE}).status_code == 409
    assert not folder.exists() or list(folder.iterdir()) == []


def test_a_file_stays_whose_event_may_have_been_recorded(
    client: httpx.Client, engine: Engine, dairy: dict[str, str], monkeypatch: pytest.MonkeyPatch
) -> None:
    append = PostgresLedger.append

    def broken(*given: Any, **named: Any) -> int:
        append(*given, **named)
        raise outcome_unknown()

    monkeypatch.setattr(PostgresLedger, "append", broken)
    posted = client.post("/notary/evidence?keep=true", content=CONTRACT, headers={**dairy, **FILE})
    assert (posted.status_code, posted.json()["code"]) == (503, "ledger.outcome_unknown")
    monkeypatch.undo()
    again = client.post("/notary/evidence?keep=true", content=CONTRACT, headers={**dairy, **FILE})
    assert again.status_code == 200
    integrate_all(engine)
    assert client.get(f"{again.headers['location']}/file", headers=dairy).content == CONTRACT


def refuse(*_: object) -> None:
    raise ConflictError("The same evidence is being registered elsewhere", code="evidence.conflict")


def test_two_organisations_register_the_same_file_each_for_itself(
    client: httpx.Client, engine: Engine, bearer: Bearer, dairy: dict[str, str]
) -> None:
    store = bearer("store.example", Scope.CAPTURE, Scope.QUERY)
    for who in (dairy, store):
        assert client.post("/notary/evidence", json={"sha256": DIGEST}, headers=who).status_code == 201
    assert engine.ledger.head() == 2


def test_only_who_has_the_link_or_registered_it_is_shown_it(
    client: httpx.Client, engine: Engine, bearer: Bearer, dairy: dict[str, str]
) -> None:
    told = client.post("/notary/evidence", json={"sha256": DIGEST}, headers=dairy).json()
    integrate_all(engine)
    here, page, key = f"/notary/evidence/{told['event_id']}", f"/evidence/{told['event_id']}", told["page"][-20:]
    assert told["page"].endswith(f"{page}?key={key}")
    store = bearer("store.example", Scope.QUERY)
    for headers in ({}, store):
        for path in (here, f"{here}?key={'A' * 20}", f"{here}/receipt", f"{here}/bundle", f"{here}/certificate", page):
            refused = client.get(path, headers=headers)
            assert (refused.status_code, refused.json()["code"]) == (404, "evidence.unknown")
        for path in (here, f"{here}/receipt", f"{here}/bundle", f"{here}/certificate", page):
            assert client.get(f"{path}?key={key}", headers=headers).status_code == 200
    # What is opened to somebody of the head alone does not open the digest.
    engine.organisations.set_grant(Grant("dairy.example", "store.example", None, frozenset({"where"})))
    assert client.get(here, headers=store).status_code == 404
    engine.organisations.set_grant(Grant("dairy.example", "store.example", None, frozenset({"more"})))
    assert client.get(here, headers=store).json()["sha256"] == DIGEST


def test_the_page_says_what_the_certificate_says(client: httpx.Client, engine: Engine, dairy: dict[str, str]) -> None:
    told = client.post(
        "/notary/evidence", json={"sha256": DIGEST, "size": 7, "statement": "<b>#panic()</b> 契約"}, headers=dairy
    ).json()
    integrate_all(engine)
    page = client.get(told["page"], headers={"Accept": "text/html"})
    for said in (DIGEST, "Dairy", "7 bytes", "&lt;b&gt;#panic()&lt;/b&gt; 契約", "leaf 0", "/certificate?key="):
        assert said in page.text
    certificate = client.get(f"/notary/evidence/{told['event_id']}/certificate", headers=dairy)
    assert certificate.status_code == 200


@pytest.mark.parametrize(
    ("body", "code"),
    [
        (b"{}", "evidence.malformed"),
        (b"", "evidence.malformed"),
        (b"[1]", "evidence.malformed"),
        (b'{"sha256": "abc"}', "evidence.digest"),
        (b'{"sha256": 1}', "evidence.malformed"),
        (b'{"sha256": "%s", "name": "x"}' % DIGEST.encode(), "evidence.malformed"),
        (b'{"sha256": "%s", "size": -1}' % DIGEST.encode(), "evidence.malformed"),
        (b'{"sha256": "%s", "statement": ""}' % DIGEST.encode(), "evidence.malformed"),
    ],
)
def test_what_is_no_evidence_is_refused(client: httpx.Client, dairy: dict[str, str], body: bytes, code: str) -> None:
    headers = {**dairy, "Content-Type": "application/json"}
    refused = client.post("/notary/evidence", content=body, headers=headers)
    assert (refused.status_code, refused.json()["code"]) == (422, code)


def test_too_much_nothing_and_without_a_key(client: httpx.Client, bearer: Bearer, dairy: dict[str, str]) -> None:
    too_long = client.post("/notary/evidence", json={"sha256": DIGEST, "statement": "x" * 9_000}, headers=dairy)
    assert (too_long.status_code, too_long.json()["code"]) == (413, "evidence.too_long")
    empty = client.post("/notary/evidence", content=b"", headers={**dairy, **FILE})
    assert (empty.status_code, empty.json()["code"]) == (422, "evidence.malformed")
    for headers in ({}, bearer("store.example", Scope.QUERY)):
        assert client.post("/notary/evidence", json={"sha256": DIGEST}, headers=headers).status_code == 403


def test_a_digest_is_read_in_the_ways_in_which_it_is_written() -> None:
    assert {
        read_sha256(text) for text in (DIGEST, f" {DIGEST}\n", f"sha256:{DIGEST}", f"SHA-256:{DIGEST.upper()}")
    } == {DIGEST}


def test_the_command_line_registers_certifies_and_compares(
    engine: Engine, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert engine.settings.database_url is not None
    monkeypatch.setenv("TRACEABILITY_DATABASE_URL", engine.settings.database_url.get_secret_value())
    monkeypatch.setenv("TRACEABILITY_DATA", str(engine.settings.data))
    names = ("contract", "other", "certificate.pdf", "receipt", "contract.zip")
    file, other, pdf, receipt, zipped = (tmp_path / name for name in names)
    file.write_bytes(CONTRACT)
    other.write_bytes(CONTRACT + b"!")

    def run(*arguments: str) -> subprocess.CompletedProcess[str]:
        command = [sys.executable, "-c", "from api.cli import main; main()", "evidence", *arguments]
        return subprocess.run(command, capture_output=True, text=True, check=False)

    event_id = run("register", str(file), "--as", "dairy.example").stdout.strip()
    assert run("register", DIGEST, "--as", "dairy.example").stdout.strip() == event_id
    assert run("register", "nothing", "--as", "dairy.example").returncode == 2
    assert run("certificate", event_id, "-o", str(pdf), "--as", "dairy.example").returncode == 4
    integrate_all(engine)
    assert run("certificate", event_id, "-o", str(pdf), "--as", "store.example").returncode == 4
    made = run("certificate", event_id, "-o", str(pdf), "--as", "dairy.example")
    assert (made.returncode, pdf.read_bytes()[:5]) == (0, b"%PDF-")

    key = published_log(engine).key.text
    attachments = PdfReader(pdf).attachments
    assert list(attachments) == ["receipt.tlog-proof"]
    (content,) = attachments["receipt.tlog-proof"]
    receipt.write_bytes(content)
    checked = run("check", str(file), str(receipt), "--key", key)
    assert (checked.returncode, checked.stdout.startswith("proven: this is the file")) == (0, True)
    refused = run("check", str(other), str(receipt), "--key", key)
    assert (refused.returncode, "evidence.other_file" in refused.stderr) == (1, True)
    made = run("bundle", event_id, "-o", str(zipped), "--as", "dairy.example")
    assert (made.returncode, f"--key '{key}'" in made.stderr) == (0, True)
    checked = run("check", str(file), str(zipped), "--key", key)
    assert (checked.returncode, checked.stdout.startswith("proven: this is the file")) == (0, True)
    refused = run("check", str(other), str(zipped), "--key", key)
    assert (refused.returncode, "evidence.other_file" in refused.stderr) == (1, True)
    assert run("bundle", event_id, "-o", str(tmp_path / "no" / "x.zip"), "--as", "dairy.example").returncode == 3
