"""A log's signing key as a file that only its owner may read, plain or under a passphrase.

The plain form is Go's, `PRIVATE+KEY+…`. The other is the public key on the first line, which gives the name and tells
whose key it is without the passphrase, and then the key as encrypted PKCS#8.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TypeVar

from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.serialization import (
    Encoding,
    NoEncryption,
    PrivateFormat,
    load_pem_private_key,
)

from adapters.durable import DISK, Disk, create_secret, make_name_last, replace_file
from adapters.signing.pkcs8 import encrypted
from traceability.errors import UnavailableError
from traceability.notary import mldsa
from traceability.notary.errors import VerificationError
from traceability.notary.note import SigningKey, VerifierKey
from traceability.notary.signers import MLDSAKey
from traceability.ports import Entropy

Key = TypeVar("Key", SigningKey, MLDSAKey)


def signing_key(
    path: Path, origin: str, entropy: Entropy, passphrase: str | None = None, *, disk: Disk = DISK
) -> SigningKey:
    """Read the key file, or make it for `origin` at first use: encrypted if there is a passphrase.

    Raises `UnavailableError` (`log.key_file`) as `read_key` does, and when the file cannot be written.
    """
    return _kept(SigningKey, path, origin, entropy, passphrase, disk=disk)


def ml_dsa_key(path: Path, origin: str, entropy: Entropy, passphrase: str | None = None) -> MLDSAKey:
    """Do the same for an ML-DSA-44 key; raises the same where ML-DSA is not available."""
    return _kept(MLDSAKey, path, origin, entropy, passphrase)


def read_key(path: Path, passphrase: str | None = None) -> SigningKey:
    """Read the key file, in either form.

    Raises `UnavailableError` (`log.key_file`) when the file cannot be read, holds something else, needs a passphrase or
    another one, or may be read by others: a key that others have seen proves nothing any more.
    """
    return _read(SigningKey, path, passphrase)


def encrypt_key(path: Path, passphrase: str, entropy: Entropy) -> SigningKey:
    """Put a plain key file under a passphrase, or an encrypted one under the same one again; return the key.

    What the disk keeps of the plain file is beyond this program. Raises `UnavailableError` (`log.key_file`).
    """
    key = read_key(path, passphrase)
    with _usable(path):
        replace_file(path, _text_of(key, passphrase, entropy).encode(), mode=0o600)
    return key


def _kept(
    kind: type[Key], path: Path, name: str, entropy: Entropy, passphrase: str | None, *, disk: Disk = DISK
) -> Key:
    with _usable(path):
        if not path.exists():
            create_secret(path, _text_of(kind.generate(name, entropy), passphrase, entropy).encode(), disk)
    return _read(kind, path, passphrase, disk)


def _read(kind: type[Key], path: Path, passphrase: str | None, disk: Disk = DISK) -> Key:
    with _usable(path):
        if path.stat().st_mode & 0o077:
            raise UnavailableError(
                f"{path} may be read by others",
                code="log.key_file",
                hint=f"If nobody did, run: chmod 600 {path}",
            )
        text = path.read_text(encoding="utf-8")
        make_name_last(path, disk)  # nothing may be signed with a key that a power cut can take
        if "\n-----BEGIN ENCRYPTED PRIVATE KEY-----" not in text:
            return kind.parse(text.strip())
        if not passphrase:
            raise UnavailableError(
                f"{path} is encrypted", code="log.key_file", hint="Set TRACEABILITY_LOG_KEY_PASSPHRASE."
            )
        return _decrypted(kind, text, passphrase)


@contextmanager
def _usable(path: Path) -> Iterator[None]:
    try:
        yield
    except (OSError, UnicodeDecodeError, VerificationError) as error:
        raise UnavailableError(
            f"the log's signing key cannot be used: {error}", code="log.key_file", hint=f"Look at {path}."
        ) from error


def _text_of(key: SigningKey | MLDSAKey, passphrase: str | None, entropy: Entropy) -> str:
    if not passphrase:
        return key.text + "\n"
    own = isinstance(key, SigningKey)
    private = Ed25519PrivateKey.from_private_bytes(key.seed) if own else mldsa.private_key(key.seed)
    plain = private.private_bytes(Encoding.DER, PrivateFormat.PKCS8, NoEncryption())
    return f"{key.verifier.text}\n{encrypted(plain, passphrase.encode(), entropy)}"


def _decrypted(kind: type[Key], text: str, passphrase: str) -> Key:
    first, _, pem = text.partition("\n")
    verifier = VerifierKey.parse(first)
    try:
        private = load_pem_private_key(pem.encode(), passphrase.encode())
        # Of both kinds these are the 32 bytes of the seed; others have no such form, or another length.
        key = kind(verifier.name, private.private_bytes_raw())  # type: ignore[union-attr]
        same = key.verifier == verifier
    except (ValueError, TypeError, AttributeError, UnsupportedAlgorithm) as error:
        raise VerificationError("the passphrase is not that of the key, or the file is damaged") from error
    if not same:
        raise VerificationError("the file holds another key than its first line says")
    return key
