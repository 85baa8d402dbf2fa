"""COSE receipts over HTTP and on the command line, checked by PyPI scitt-cose."""

from __future__ import annotations

from base64 import b64decode
from collections.abc import Callable
from pathlib import Path
from typing import Any

import cbor2
import httpx
from scitt_cose import verify_receipt  # type: ignore[import-untyped]

from adapters.signing.receipts import public_pem
from api.notary import close_log, integrate_all
from api.wiring import Engine
from tests.api.test_cli import Run, dairy, run
from tests.api.test_log_commands import imported
from tests.api.test_logs_http import observation, record
from traceability.ledger.organisations import Scope
from traceability.notary.cose import ReceiptKey
from traceability.notary.tiles import decode_bundle

__all__ = ["dairy", "imported", "run"]  # fixtures

SCITT = "application/scitt-receipt+cose"
Bearer = Callable[..., dict[str, str]]


def theirs(receipt: bytes, entry: bytes, key: bytes) -> Any:
    pem = public_pem(ReceiptKey(cbor2.loads(key)[-2]))
    return verify_receipt(receipt, leaf_entry_hex=entry.hex(), log_public_key_pem=pem)


def test_a_receipt_over_http(client: httpx.Client, engine: Engine, bearer: Bearer) -> None:
    (first,) = record(engine, observation(1))
    integrate_all(engine)
    reader = bearer("dairy.example", Scope.QUERY)
    path = f"/provenance/events/{first}/receipt"
    single = client.get(path, headers={**reader, "Accept": SCITT})
    assert (single.status_code, single.json()["code"]) == (503, "cose.one_leaf")
    assert client.get(path, headers=reader).status_code == 200

    record(engine, *map(observation, range(2, 8)))
    integrate_all(engine)
    key = client.get("/logs/main/cose-key")
    assert (key.status_code, key.headers["content-type"]) == (200, "application/cose-key")
    entries = decode_bundle(client.get("/logs/main/tile/entries/000.p/7").content, 7)
    answer = single
    for accept, kind in ((SCITT, SCITT), ("application/cose", "application/cose"), ("application/*", SCITT)):
        answer = client.get(path, headers={**reader, "Accept": accept})
        assert (answer.status_code, answer.headers["content-type"]) == (200, kind)
        assert answer.headers["content-disposition"] == f'attachment; filename="{first}.receipt"'
        found = theirs(answer.content, entries[0], key.content)
        assert (found.ok, found.tree_size, found.leaf_index) == (True, 7, 0), found.errors
        assert (found.issuer, found.subject) == ("traceability.local/main", first.urn)
    assert not theirs(answer.content, entries[1], key.content).ok
    for accept in ("*/*", "text/plain", "text/html, application/cose;q=0.5, text/plain;q=0.6"):
        assert client.get(path, headers={**reader, "Accept": accept}).text.startswith("c2sp.org/tlog-proof@v1\n")
    # The next log has a key of its own.
    close_log(engine, name="next", origin="dairy.example/next")
    (later,) = record(engine, observation(8))
    record(engine, observation(9))
    integrate_all(engine)
    answer = client.get(f"/provenance/events/{later}/receipt", headers={**reader, "Accept": SCITT})
    other = client.get("/logs/next/cose-key").content
    entry = decode_bundle(client.get("/logs/next/tile/entries/000.p/2").content, 2)[0]
    assert theirs(answer.content, entry, other).issuer == "dairy.example/next"
    assert not theirs(answer.content, entry, key.content).ok
    # Nobody learns from it of an event that is not theirs to know of.
    assert client.get(path, headers={"Accept": SCITT}).status_code == 404
    assert client.get("/logs/other/cose-key").status_code == 404


def test_a_receipt_on_the_command_line(imported: Run, tmp_path: Path) -> None:
    assert imported("log", "integrate").code == 0
    proven = imported("log", "prove", "3", "--cose", "--json").json
    (tmp_path / "pack.receipt").write_bytes(b64decode(proven["receipt"]))
    proof = imported("log", "prove", "3").out
    (tmp_path / "pack.tlog-proof").write_text(proof, encoding="utf-8")
    (tmp_path / "cose.pem").write_text(imported("log", "key", "--cose").out, encoding="utf-8")
    assert imported("log", "key", "--cose", "--json").json["cose_key"] == (tmp_path / "cose.pem").read_text()
    key = imported("log", "key").out.strip()
    verify = ("log", "verify", "pack.tlog-proof", "--key", key, "--cose", "pack.receipt", "--cose-key", "cose.pem")
    verified = imported(*verify)
    assert verified.code == 0, verified.err
    assert "proven by its COSE receipt: the same event is leaf 2 of 5" in verified.out
    assert "in the checkpoint that it carries, witnesses: none that you named" in verified.out
    told = imported(*verify, "--json").json["cose"]
    assert (told["subject"], told["cosignatures"]) == (f"urn:uuid:{proven['event_id']}", [])

    other = b64decode(imported("log", "prove", "4", "--cose", "--json").json["receipt"])
    (tmp_path / "pack.receipt").write_bytes(other)
    wrong = imported(*verify, "--json")
    assert (wrong.code, wrong.json["error"]["code"]) == (1, "cose.signature")
    (tmp_path / "cose.pem").write_text(key, encoding="utf-8")
    assert imported(*verify).code == 1
    assert imported(*verify[:-2]).code == 2
    assert imported("log", "prove", "3", "--cose", "--item", "x").code == 2
    assert imported("log", "verify", "absent", *verify[3:]).code == 2
