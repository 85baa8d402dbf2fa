"""COSE receipts: ours read by PyPI scitt-cose, and those of the IETF's working group read by us."""

from __future__ import annotations

import os
from hashlib import sha256
from pathlib import Path

import cbor2
import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat
from hypothesis import given
from hypothesis import strategies as st
from scitt_cose import build_receipt, verify_receipt  # type: ignore[import-untyped]

from adapters.signing.receipts import public_pem
from traceability.ledger.commitment import leaf_hash
from traceability.merkle import consistency_holds, inclusion_path, levels_of, root_from_path
from traceability.notary.cose import CoseReceipt, InclusionProof, ReceiptSigner
from traceability.notary.errors import VerificationError

SECRET = Ed25519PrivateKey.from_private_bytes(bytes(range(32)))
SIGNER = ReceiptSigner(SECRET)
PEM = public_pem(SIGNER.verifier)
SECRET_PEM = SECRET.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()).decode()
ISSUER, SUBJECT = "dairy.example/main", "urn:uuid:019ca877-0c1b-7000-8000-000000000001"


def entries(size: int) -> list[bytes]:
    return [sha256(bytes((i,))).digest() + b"entry" for i in range(size)]


def our_receipt(size: int, index: int, checkpoint: bytes | None = None) -> bytes:
    levels = levels_of([leaf_hash(entry) for entry in entries(size)])
    proof = InclusionProof(size, index, tuple(inclusion_path(levels, index)))
    return SIGNER.sign(proof, levels[-1][0], issuer=ISSUER, subject=SUBJECT, checkpoint=checkpoint)


@given(st.data())
def test_scitt_cose_verifies_ours(data: st.DataObject) -> None:
    size = data.draw(st.integers(2, 64))
    index = data.draw(st.integers(0, size - 1))
    entry = entries(size)[index]
    receipt = our_receipt(size, index, data.draw(st.none() | st.binary(max_size=300)))
    found = verify_receipt(receipt, leaf_entry_hex=entry.hex(), log_public_key_pem=PEM)
    assert (found.ok, found.tree_size, found.leaf_index) == (True, size, index), found.errors
    assert (found.issuer, found.subject) == (ISSUER, SUBJECT)
    assert found.protected_header_ext == {4: SIGNER.verifier.key_id}
    other = verify_receipt(receipt, leaf_entry_hex=(entry + b"x").hex(), log_public_key_pem=PEM)
    assert (other.ok, other.failed_at) == (False, "signature")


@given(st.data())
def test_we_verify_those_of_scitt_cose(data: st.DataObject) -> None:
    size = data.draw(st.integers(2, 40))
    index = data.draw(st.integers(0, size - 1))
    theirs = build_receipt(
        leaf_entry_hex=entries(size)[index].hex(),
        leaf_index=index,
        tree_entries_hex=[entry.hex() for entry in entries(size)],
        alg="EdDSA",
        log_private_key_pem=SECRET_PEM,
    )
    read = CoseReceipt.parse(theirs)
    assert (read.proof.size, read.proof.index, read.issuer) == (size, index, None)
    read.verify(leaf_hash(entries(size)[index]), SIGNER.verifier)
    with pytest.raises(VerificationError):
        read.verify(leaf_hash(b"other"), SIGNER.verifier)


def example(name: str) -> bytes:
    folder = Path(os.environ.get("TRACEABILITY_FIXTURES") or Path(__file__).parents[2] / "../shared/fixtures")
    if not folder.is_dir():
        pytest.skip("shared fixtures absent")
    return (folder / "notary/cose-receipts/examples" / name).read_bytes()


def test_the_example_of_inclusion_is_read_and_its_tree_is_that_of_the_example_of_consistency() -> None:
    read = CoseReceipt.parse(example("inclusion-receipt.cbor"))
    assert (read.algorithm, read.issuer) == (-7, "https://transparency-service.example.com")
    assert read.key_id is not None
    assert read.key_id.startswith(b"test")
    assert (read.proof.size, read.proof.index, len(read.proof.path)) == (5, 3, 3)
    # No key is given. But both proofs are of one tree of five leaves, and the second shows the leaf of the first.
    _, unprotected, _, _ = cbor2.loads(example("consistency-receipt.cbor")).value
    old, new, path = cbor2.loads(unprotected[396][-2][0])
    leaf, nodes = path[1], (path[0], *path[2:])
    assert (old, new) == (3, 5)
    assert read.proof.path == nodes
    third = root_from_path(path[0], 2, 3, [path[2]])
    assert third is not None
    assert consistency_holds(3, 5, third, read.root(leaf), path)
    with pytest.raises(VerificationError) as caught:
        read.verify(leaf, SIGNER.verifier)
    assert caught.value.code == "cose.algorithm"


def test_the_example_of_consistency_is_none_of_inclusion() -> None:
    with pytest.raises(VerificationError) as caught:
        CoseReceipt.parse(example("consistency-receipt.cbor"))
    assert caught.value.code == "cose.malformed"
