"""The key of a log's COSE receipts as a file (PKCS#8 in PEM) that only its owner may read."""

from __future__ import annotations

from pathlib import Path

from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey
from cryptography.hazmat.primitives.serialization import (
    Encoding,
    NoEncryption,
    PrivateFormat,
    PublicFormat,
    load_pem_private_key,
    load_pem_public_key,
)

from adapters.durable import create_secret
from adapters.signing.pkcs8 import encrypted
from traceability.errors import UnavailableError
from traceability.notary.cose import ReceiptKey, ReceiptSigner
from traceability.notary.errors import VerificationError
from traceability.notary.note import SEED_SIZE
from traceability.ports import Entropy


def receipt_signer(path: Path, entropy: Entropy, passphrase: str | None = None) -> ReceiptSigner:
    """Read the key file, or make it at first use: encrypted if there is a passphrase.

    Raises `UnavailableError` (`cose.key_file`) when the file cannot be read or written, holds something else, needs a
    passphrase or another one, or may be read by others.
    """
    try:
        if not path.exists():
            key = Ed25519PrivateKey.from_private_bytes(entropy.token(SEED_SIZE))
            create_secret(path, _text_of(key, passphrase, entropy).encode())
        if path.stat().st_mode & 0o077:
            raise UnavailableError(
                f"{path} may be read by others", code="cose.key_file", hint=f"If nobody did, run: chmod 600 {path}"
            )
        pem = path.read_bytes()
        # The library wants a passphrase exactly when there is something to decrypt.
        secret = passphrase.encode() if passphrase and b"ENCRYPTED" in pem else None
        found = load_pem_private_key(pem, secret)
    except (OSError, ValueError, TypeError, UnsupportedAlgorithm) as error:
        raise _unusable(path, str(error)) from error
    if not isinstance(found, Ed25519PrivateKey):
        raise _unusable(path, "it is not an Ed25519 key")
    return ReceiptSigner(found)


def _text_of(key: Ed25519PrivateKey, passphrase: str | None, entropy: Entropy) -> str:
    if not passphrase:
        return key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()).decode("ascii")
    plain = key.private_bytes(Encoding.DER, PrivateFormat.PKCS8, NoEncryption())
    return encrypted(plain, passphrase.encode(), entropy)


def public_pem(key: ReceiptKey) -> str:
    """Return the public key as SubjectPublicKeyInfo in PEM, which other programs read."""
    public_key = Ed25519PublicKey.from_public_bytes(key.public_key)
    return public_key.public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo).decode("ascii")


def read_public_pem(content: bytes) -> ReceiptKey:
    """Read what `public_pem` gives; raises `VerificationError` (`cose.key`)."""
    try:
        found = load_pem_public_key(content)
    except (ValueError, TypeError, UnsupportedAlgorithm) as error:
        raise VerificationError(f"this is no public key in PEM: {error}", code="cose.key") from error
    if not isinstance(found, Ed25519PublicKey):
        raise VerificationError("this is not an Ed25519 key", code="cose.key")
    return ReceiptKey(found.public_bytes_raw())


def _unusable(path: Path, why: str) -> UnavailableError:
    return UnavailableError(
        f"the key of COSE receipts cannot be used: {why}", code="cose.key_file", hint=f"Look at {path}."
    )
