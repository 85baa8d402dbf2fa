"""The key of a log's COSE receipts as a file (PKCS#8 in PEM) that only its owner may read."""

from __future__ import annotations

from pathlib import Path

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey
from cryptography.hazmat.primitives.serialization import (
    Encoding,
    NoEncryption,
    PrivateFormat,
    PublicFormat,
    load_pem_private_key,
    load_pem_public_key,
)

from adapters.signing import create_secret
from traceability.errors import UnavailableError
from traceability.notary.cose import ReceiptKey, ReceiptSigner
from traceability.notary.errors import VerificationError
from traceability.notary.note import SEED_SIZE
from traceability.ports import Entropy


def receipt_signer(path: Path, entropy: Entropy) -> ReceiptSigner:
    """Read the key file, or make it at first use.

    Raises `UnavailableError` (`cose.key_file`) when the file cannot be read or written, holds something else, or may
    be read by others.
    """
    try:
        if not path.exists():
            key = Ed25519PrivateKey.from_private_bytes(entropy.token(SEED_SIZE))
            pem = key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
            create_secret(path, pem.decode("ascii"), entropy)
        if path.stat().st_mode & 0o077:
            raise UnavailableError(
                f"{path} may be read by others", code="cose.key_file", hint=f"If nobody did, run: chmod 600 {path}"
            )
        found = load_pem_private_key(path.read_bytes(), None)
    except (OSError, ValueError, TypeError) as error:
        raise _unusable(path, str(error)) from error
    if not isinstance(found, Ed25519PrivateKey):
        raise _unusable(path, "it is not an Ed25519 key")
    return ReceiptSigner(found)


def public_pem(key: ReceiptKey) -> str:
    """Return the public key as SubjectPublicKeyInfo in PEM, which other programs read."""
    public_key = Ed25519PublicKey.from_public_bytes(key.public_key)
    return public_key.public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo).decode("ascii")


def read_public_pem(content: bytes) -> ReceiptKey:
    """Read what `public_pem` gives; raises `VerificationError` (`cose.key`)."""
    try:
        found = load_pem_public_key(content)
    except (ValueError, TypeError) as error:
        raise VerificationError(f"this is no public key in PEM: {error}", code="cose.key") from error
    if not isinstance(found, Ed25519PublicKey):
        raise VerificationError("this is not an Ed25519 key", code="cose.key")
    return ReceiptKey(found.public_bytes_raw())


def _unusable(path: Path, why: str) -> UnavailableError:
    return UnavailableError(
        f"the key of COSE receipts cannot be used: {why}", code="cose.key_file", hint=f"Look at {path}."
    )
