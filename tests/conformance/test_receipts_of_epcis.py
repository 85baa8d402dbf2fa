"""What the EPCIS reader writes is what a verifier accepts: whole receipts of every event of the shared documents."""

from __future__ import annotations

import os
from base64 import b64encode
from pathlib import Path

import pytest

from tests.conformance.verifier import verify as independent
from tests.support.logs import KEY, stored_event
from traceability.gs1.epcis import read_document
from traceability.ledger.parts import PART_NAMES
from traceability.notary.proof import LogProof
from traceability.notary.receipt import open_event
from traceability.notary.verify import verify_receipt

ROOT = Path(__file__).parents[2]
FIXTURES = (ROOT / os.environ.get("TRACEABILITY_FIXTURES", "../shared/fixtures")).resolve()


def documents() -> list[Path]:
    return sorted(path for path in (FIXTURES / "epcis").rglob("*.json*") if path.is_file())


def test_every_event_of_the_shared_documents_verifies_in_whole() -> None:
    if not FIXTURES.is_dir():
        pytest.skip("shared fixtures absent")
    verified = 0
    for document in documents():
        for captured in read_document(document.read_bytes(), captured_by="dairy.example").events:
            parts = captured.event.parts
            event = stored_event(verified, parts)
            opening = open_event(
                event.event_id,
                event.recorded_at,
                parts,
                event.salt,
                event.personal_salt,
                extent=PART_NAMES,
                items=range(len(parts.what)),
            )
            root = b64encode(event.leaf_hash).decode()
            receipt = LogProof(0, (), KEY.sign(f"{KEY.name}\n1\n{root}\n"), opening.encode()).text().encode()
            assert verify_receipt(receipt, KEY.verifier).opening.shown() == parts, document
            assert independent(receipt, KEY.verifier.text)["items"] == list(parts.what), document
            verified += 1
    assert verified > 100
