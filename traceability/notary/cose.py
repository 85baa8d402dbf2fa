"""COSE Receipts of inclusion (RFC 9942, as SCITT uses them, RFC 9943) out of the log's own tree.

A receipt is a COSE_Sign1 (RFC 9052) whose payload, the root, is detached: who checks it rebuilds the root from the leaf
and the path. The tree is the log's, `RFC9162_SHA256`; the leaf is the entry that commitment.md defines.

The signature covers the protected header and the root, neither the size nor the index. A tree of another size with that
root would be vouched for as well, so these receipts have a key of their own: what it signs can never be taken for a
checkpoint, nor a checkpoint's signature for a receipt. The protected header names log (`iss`) and event (`sub`).

The unprotected header carries the signed checkpoint of the tree, too, under a name of C2SP: its signatures bind the
size, and witnesses have cosigned it. A verifier of RFC 9942 that does not know the name passes over it.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from hashlib import sha256
from typing import Any, Final, Self, TypeGuard, TypeVar

import cbor2
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey

from traceability.errors import UnavailableError
from traceability.merkle import root_from_path
from traceability.notary.encoding import MAX_NUMBER, hash_sized
from traceability.notary.errors import VerificationError
from traceability.notary.proof import MAX_PATH
from traceability.notary.trust import Trust, TrustedCheckpoint

T = TypeVar("T")

MEDIA_TYPE: Final = "application/scitt-receipt+cose"  # RFC 9943; `application/cose` (RFC 9052) covers it
MAX_SIZE: Final = 65_536
EDDSA: Final = -8
RFC9162_SHA256: Final = 1

_SIGN1_TAG: Final = 0xD2  # the one byte that encodes tag 18
_ALG, _CRIT, _KID, _CWT_CLAIMS, _VDS, _VDP = 1, 2, 4, 15, 395, 396
_ISS, _SUB = 1, 2
_INCLUSION: Final = -1
_CHECKPOINT: Final = "c2sp.org/tlog-checkpoint"  # RFC 9052 §3.1: any text may be a label
_KTY, _OKP, _KEY_ALG, _CRV, _ED25519, _X = 1, 1, 3, -1, 6, -2


@dataclass(frozen=True, slots=True)
class ReceiptKey:
    """The public Ed25519 key of a log's COSE receipts, 32 bytes."""

    public_key: bytes

    @property
    def key_id(self) -> bytes:
        """The COSE key thumbprint (RFC 9679): SHA-256 of the key with its required members alone."""
        return sha256(_encode({_KTY: _OKP, _CRV: _ED25519, _X: self.public_key})).digest()

    def cose_key(self) -> bytes:
        """Return the key as a COSE_Key (RFC 9052 §7)."""
        members = {_KTY: _OKP, 2: self.key_id, _KEY_ALG: EDDSA, _CRV: _ED25519, _X: self.public_key}
        return _encode(members)


@dataclass(frozen=True, slots=True, repr=False)
class ReceiptSigner:
    """The secret half. It has no repr, so that it cannot slip into a log line."""

    key: Ed25519PrivateKey

    @property
    def verifier(self) -> ReceiptKey:
        """The public half."""
        return ReceiptKey(self.key.public_key().public_bytes_raw())

    def sign(
        self, proof: InclusionProof, root: bytes, *, issuer: str, subject: str, checkpoint: bytes | None = None
    ) -> bytes:
        """Return the receipt of a leaf, with the signed note of its tree; the same arguments give the same bytes.

        Raises `UnavailableError` (`cose.one_leaf`): a path in a receipt has at least one hash, and a tree of one leaf
        has none. The next checkpoint is of a larger tree.
        """
        if not proof.path:
            raise UnavailableError(
                "A tree of one leaf has no COSE receipt",
                code="cose.one_leaf",
                hint="Ask again when the log has a second entry; the tlog-proof has no such limit.",
            )
        claims = {_ISS: issuer, _SUB: subject}
        protected = _encode({_ALG: EDDSA, _KID: self.verifier.key_id, _CWT_CLAIMS: claims, _VDS: RFC9162_SHA256})
        inclusion = _encode([proof.size, proof.index, list(proof.path)])
        signature = self.key.sign(_signed_bytes(protected, root))
        unprotected: dict[int | str, object] = {_VDP: {_INCLUSION: [inclusion]}}
        if checkpoint is not None:
            unprotected[_CHECKPOINT] = checkpoint
        message = [protected, unprotected, None, signature]
        return bytes((_SIGN1_TAG,)) + _encode(message)


@dataclass(frozen=True, slots=True)
class InclusionProof:
    """Leaf `index` of a tree of `size` leaves, with its audit path (RFC 9162 §2.1.3)."""

    size: int
    index: int
    path: tuple[bytes, ...]


@dataclass(frozen=True, slots=True)
class CoseReceipt:
    """A receipt that was read and not checked; what the headers may lack is None. `checkpoint` is a signed note."""

    algorithm: int
    key_id: bytes | None
    issuer: str | None
    subject: str | None
    proof: InclusionProof
    protected: bytes
    signature: bytes
    checkpoint: bytes | None = None

    @classmethod
    def parse(cls, data: bytes) -> Self:
        """Read a receipt of ours or of others with one proof; raises `VerificationError`, whatever the bytes are."""
        if len(data) > MAX_SIZE or data[:1] != bytes((_SIGN1_TAG,)):
            raise _malformed("it is not a COSE_Sign1 (tag 18)")
        message = _decode(data[1:])
        match message:
            case [bytes() as protected, unprotected, None, bytes() as signature]:
                header = _map(_decode(protected))
                proofs = _map(_map(unprotected).get(_VDP)).get(_INCLUSION)
                checkpoint = _maybe(_map(unprotected).get(_CHECKPOINT), bytes)
            case _:
                raise _malformed("it has no detached payload, or not four members")
        if header.get(_VDS) != RFC9162_SHA256 or not _is_number(header.get(_VDS)):
            raise _malformed("its tree is not RFC9162_SHA256")
        if not _is_number(header.get(_ALG)) or _CRIT in header:
            raise _malformed("its algorithm is not named, or it has critical parameters")
        claims = _map(header.get(_CWT_CLAIMS, {}))
        return cls(
            algorithm=header[_ALG],
            key_id=_maybe(header.get(_KID), bytes),
            issuer=_maybe(claims.get(_ISS), str),
            subject=_maybe(claims.get(_SUB), str),
            proof=_inclusion(proofs),
            protected=protected,
            signature=signature,
            checkpoint=checkpoint,
        )

    def root(self, leaf_hash: bytes) -> bytes:
        """Return the root that the leaf and the path give; raises `VerificationError` (`log.inclusion`)."""
        root = root_from_path(leaf_hash, self.proof.index, self.proof.size, self.proof.path)
        if root is None:
            raise VerificationError("the path does not belong to the tree", code="log.inclusion")
        return root

    def signed_checkpoint(self, leaf_hash: bytes, trust: Trust) -> TrustedCheckpoint | None:
        """Check the checkpoint that came along against the leaf, the proof and whom a verifier trusts.

        None when there is none. Raises `VerificationError`, as `Trust.open` does, and `log.inclusion`.
        """
        if self.checkpoint is None:
            return None
        signed = trust.open(self.checkpoint)
        if (signed.checkpoint.size, signed.checkpoint.root) != (self.proof.size, self.root(leaf_hash)):
            raise VerificationError("the checkpoint in the receipt is of another tree", code="log.inclusion")
        return signed

    def verify(self, leaf_hash: bytes, key: ReceiptKey) -> None:
        """Check that `key` vouches for the leaf; raises `VerificationError`.

        Codes: `cose.algorithm`, `log.inclusion`, and `cose.signature`, which another leaf gives as well.
        """
        if self.algorithm != EDDSA:
            raise VerificationError(f"COSE algorithm {self.algorithm} is not EdDSA", code="cose.algorithm")
        try:
            public_key = Ed25519PublicKey.from_public_bytes(key.public_key)
            public_key.verify(self.signature, _signed_bytes(self.protected, self.root(leaf_hash)))
        except (InvalidSignature, ValueError) as error:
            raise VerificationError(
                "the receipt is not of this leaf, or not signed by this key", code="cose.signature"
            ) from error


def _signed_bytes(protected: bytes, root: bytes) -> bytes:
    """Return the Sig_structure (RFC 9052 §4.4) over the detached root."""
    return _encode(["Signature1", protected, b"", root])


def _inclusion(proofs: object) -> InclusionProof:
    match proofs:
        case [bytes() as encoded]:
            decoded = _decode(encoded)
        case _:
            raise _malformed("it has not exactly one proof of inclusion")
    match decoded:
        case [size, index, [_, *_] as path] if _is_number(size) and _is_number(index) and len(path) <= MAX_PATH:
            return InclusionProof(size, index, tuple(hash_sized(_bytes(node), "a hash of the path") for node in path))
    raise _malformed("its proof is not a size, an index and a path")


def _bytes(value: object) -> bytes:
    if not isinstance(value, bytes):
        raise _malformed("a hash of its path is no byte string")
    return value


def _encode(value: object) -> bytes:
    """Encode deterministically (RFC 8949 §4.2); the maps here have keys of which both orders of old and new agree."""
    return cbor2.dumps(value, canonical=True)


def _decode(data: bytes) -> object:
    try:
        value = cbor2.loads(data)
        # Other orders of map keys have the same length; repeated keys, and other spellings of a number, have not.
        same = len(cbor2.dumps(value, canonical=True)) == len(data)
    except Exception as error:
        # The library knows many tags, and lets through what building a date or an address of them raises.
        raise _malformed(f"it is not CBOR ({type(error).__name__})") from error
    if not same:
        raise _malformed("it is not CBOR in its shortest form")
    return value


def _map(value: object) -> Mapping[Any, Any]:
    # true and 1.0 are the key 1 to Python, and something else to CBOR.
    if not isinstance(value, Mapping) or not all(_is_number(key) or isinstance(key, str) for key in value):
        raise _malformed("a header is missing, or not a map of numbers and names")
    return value


def _is_number(value: object) -> TypeGuard[int]:
    return type(value) is int and abs(value) <= MAX_NUMBER


def _maybe(value: object, kind: type[T]) -> T | None:
    if value is not None and not isinstance(value, kind):
        raise _malformed("a header has a value of another type")
    return value


def _malformed(why: str) -> VerificationError:
    return VerificationError(f"this is no COSE receipt of inclusion: {why}", code="cose.malformed")
