"""COSE receipts to the byte, and everything else refused."""

from __future__ import annotations

from hashlib import sha256
from pathlib import Path
from typing import Any

import cbor2
import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.asymmetric.x25519 import X25519PrivateKey
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat, PublicFormat
from hypothesis import given
from hypothesis import strategies as st

from adapters.signing.receipts import public_pem, read_public_pem, receipt_signer
from adapters.system import SystemEntropy
from traceability.errors import UnavailableError
from traceability.merkle import node_hash
from traceability.notary.cose import CoseReceipt, InclusionProof, ReceiptKey, ReceiptSigner
from traceability.notary.errors import VerificationError

SIGNER = ReceiptSigner(Ed25519PrivateKey.from_private_bytes(bytes(range(32))))
LEAF, SIBLING = bytes(32), bytes(range(32))
RECEIPT = SIGNER.sign(
    InclusionProof(2, 0, (SIBLING,)), node_hash(LEAF, SIBLING), issuer="dairy.example/main", subject="urn:uuid:1"
)
MESSAGE = cbor2.loads(RECEIPT).value


def code_of(data: bytes) -> str:
    with pytest.raises(VerificationError) as caught:
        CoseReceipt.parse(data).verify(LEAF, SIGNER.verifier)
    return caught.value.code


def changed(member: int, value: Any) -> bytes:
    return cbor2.dumps(cbor2.CBORTag(18, [value if i == member else old for i, old in enumerate(MESSAGE)]))


def protected(**changes: Any) -> bytes:
    header = cbor2.loads(MESSAGE[0]) | {int(name[1:]): value for name, value in changes.items()}
    return changed(0, cbor2.dumps({key: value for key, value in header.items() if value is not ...}, canonical=True))


def with_proof(*proofs: Any) -> bytes:
    return changed(1, {396: {-1: [cbor2.dumps(proof) for proof in proofs]}})


def test_the_bytes_are_those_of_the_standard() -> None:
    # d2 84: tag 18, four members; the protected header's keys are alg, kid, CWT claims, vds, in this order.
    kid = sha256(bytes.fromhex("a301012006215820") + SIGNER.verifier.public_key).digest()
    claims = b"\x0f\xa2\x01\x72dairy.example/main\x02\x6aurn:uuid:1"
    header = b"\xa4\x01\x27\x04\x58\x20" + kid + claims + b"\x19\x01\x8b\x01"
    proof = b"\x83\x02\x00\x81\x58\x20" + SIBLING
    unprotected = b"\xa1\x19\x01\x8c\xa1\x20\x81\x58" + bytes((len(proof),)) + proof
    beginning = b"\xd2\x84\x58" + bytes((len(header),)) + header + unprotected + b"\xf6\x58\x40"
    assert RECEIPT[:-64] == beginning
    root = node_hash(LEAF, SIBLING)
    signed = b"\x84\x6aSignature1\x58" + bytes((len(header),)) + header + b"\x40\x58\x20" + root
    SIGNER.key.public_key().verify(RECEIPT[-64:], signed)


def test_a_receipt_verifies_and_says_whose_it_is() -> None:
    read = CoseReceipt.parse(RECEIPT)
    read.verify(LEAF, SIGNER.verifier)
    assert (read.issuer, read.subject, read.key_id) == ("dairy.example/main", "urn:uuid:1", SIGNER.verifier.key_id)
    assert read.proof == InclusionProof(2, 0, (SIBLING,))


def test_a_tree_of_one_leaf_is_refused() -> None:
    with pytest.raises(UnavailableError) as caught:
        SIGNER.sign(InclusionProof(1, 0, ()), LEAF, issuer="", subject="")
    assert caught.value.code == "cose.one_leaf"
    assert code_of(with_proof([1, 0, []])) == "cose.malformed"


def test_another_leaf_key_or_header_is_refused() -> None:
    read = CoseReceipt.parse(RECEIPT)
    other = ReceiptSigner(Ed25519PrivateKey.from_private_bytes(bytes(32))).verifier
    for leaf, key in ((SIBLING, SIGNER.verifier), (LEAF, other), (LEAF, ReceiptKey(b"short"))):
        with pytest.raises(VerificationError) as caught:
            read.verify(leaf, key)
        assert caught.value.code == "cose.signature"
    assert code_of(protected(_15={1: "other.example"})) == "cose.signature"
    assert code_of(with_proof([3, 0, [SIBLING]])) == "log.inclusion"
    assert code_of(with_proof([2, 2, [SIBLING]])) == "log.inclusion"
    assert code_of(with_proof([2, 1, [SIBLING]])) == "cose.signature"
    assert code_of(protected(_1=-7)) == "cose.algorithm"


@pytest.mark.parametrize(
    "data",
    [
        b"",
        RECEIPT[1:],
        RECEIPT + b"\x00",
        RECEIPT[:-1],
        b"\xd2" * 1000,
        b"\xd2" + b"\x81" * 60_000,
        bytes(65_537),
        cbor2.dumps(cbor2.CBORTag(17, MESSAGE)),
        changed(2, node_hash(LEAF, SIBLING)),
        changed(3, "signature"),
        changed(0, b""),
        changed(0, cbor2.dumps([])),
        changed(1, {}),
        changed(1, {396: {}}),
        changed(1, {396: {-1: []}}),
        changed(1, {396: {-1: [1]}}),
        with_proof([2, 0, [SIBLING]], [2, 0, [SIBLING]]),
        with_proof([2, 0, ["x" * 32]]),
        with_proof([2, True, [SIBLING]]),
        with_proof([2.0, 0, [SIBLING]]),
        with_proof([2**63, 0, [SIBLING]]),
        with_proof([2, 0, [SIBLING] * 64]),
        with_proof([2, 0]),
        protected(_395=2),
        protected(_395=True),
        protected(_395=...),
        protected(_1=...),
        protected(_1="EdDSA"),
        protected(_2=[395]),
        protected(_4="kid"),
        protected(_15={1: 1}),
        changed(0, bytes.fromhex("a2 0127 0127")),  # a key twice
        changed(0, bytes.fromhex("bf 0127 19018b01 ff")),  # without a length
        changed(0, bytes.fromhex("a2 0127 1a0000018b01")),  # a number in a longer form
        changed(0, bytes.fromhex("a2 f527 19018b01")),  # true for the key 1
    ],
)
def test_what_is_malformed_is_refused(data: bytes) -> None:
    assert code_of(data) == "cose.malformed"


def test_what_is_too_long_is_refused_though_it_is_signed() -> None:
    root, proof = node_hash(LEAF, SIBLING), InclusionProof(2, 0, (SIBLING,))
    assert code_of(SIGNER.sign(proof, root, issuer="x" * 65_536, subject="")) == "cose.malformed"
    CoseReceipt.parse(SIGNER.sign(proof, root, issuer="x" * 65_000, subject="")).verify(LEAF, SIGNER.verifier)


def test_a_hash_of_another_length_is_refused() -> None:
    assert code_of(with_proof([2, 0, [SIBLING[:-1]]])) == "log.verification"


@given(st.data())
def test_a_changed_receipt_never_verifies(data: st.DataObject) -> None:
    content = bytearray(RECEIPT)
    at = data.draw(st.integers(0, len(content) - 1))
    content[at] ^= data.draw(st.integers(1, 255))
    with pytest.raises(VerificationError):
        CoseReceipt.parse(bytes(content)).verify(LEAF, SIGNER.verifier)


@given(st.binary(max_size=200), st.sampled_from([b"", b"\xd2", b"\xd2\x84", RECEIPT[:50], RECEIPT[:110]]))
def test_any_bytes_are_refused_with_our_error(content: bytes, beginning: bytes) -> None:
    with pytest.raises(VerificationError):
        CoseReceipt.parse(beginning + content).verify(LEAF, SIGNER.verifier)


@given(
    st.recursive(
        st.none() | st.booleans() | st.integers() | st.floats() | st.binary(max_size=40) | st.text(max_size=5),
        lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.integers(-2, 400) | st.text(max_size=2), inner),
        max_leaves=12,
    ),
    st.integers(0, 3),
)
def test_any_value_in_place_of_a_member_is_refused_with_our_error(value: Any, member: int) -> None:
    for content in (changed(member, value), changed(member, cbor2.dumps(value)), with_proof(value)):
        if content != RECEIPT:
            with pytest.raises(VerificationError):
                CoseReceipt.parse(content).verify(LEAF, SIGNER.verifier)


def test_the_key_is_made_once_and_kept_from_others(tmp_path: Path) -> None:
    path = tmp_path / "keys" / "main.cose.pem"
    made = receipt_signer(path, SystemEntropy()).verifier
    assert path.stat().st_mode & 0o777 == 0o600
    assert receipt_signer(path, SystemEntropy()).verifier == made
    assert read_public_pem(public_pem(made).encode()) == made
    assert cbor2.loads(made.cose_key()) == {1: 1, 2: made.key_id, 3: -8, -1: 6, -2: made.public_key}
    path.chmod(0o640)
    assert refusal(path).startswith(f"{path} may be read by others")
    path.chmod(0o600)
    other = X25519PrivateKey.generate()
    pem = other.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
    for content in (b"", b"nonsense", pem):
        path.write_bytes(content)
        assert "cannot be used" in refusal(path)
    public = other.public_key().public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo)
    for content in (b"", pem, public):
        with pytest.raises(VerificationError) as caught:
            read_public_pem(content)
        assert caught.value.code == "cose.key"


def test_the_key_may_be_under_a_passphrase(tmp_path: Path) -> None:
    path = tmp_path / "main.cose.pem"
    made = receipt_signer(path, SystemEntropy(), "a passphrase").verifier
    assert path.read_text(encoding="ascii").startswith("-----BEGIN ENCRYPTED PRIVATE KEY-----\n")
    assert receipt_signer(path, SystemEntropy(), "a passphrase").verifier == made
    for secret in (None, "another"):
        assert "cannot be used" in refusal(path, secret)
    plain = receipt_signer(tmp_path / "plain.cose.pem", SystemEntropy()).verifier
    assert receipt_signer(tmp_path / "plain.cose.pem", SystemEntropy(), "a passphrase").verifier == plain


def refusal(path: Path, passphrase: str | None = None) -> str:
    with pytest.raises(UnavailableError) as caught:
        receipt_signer(path, SystemEntropy(), passphrase)
    assert caught.value.code == "cose.key_file"
    return caught.value.message
