"""A log's signing key as a file that only its owner may read, plain or under a passphrase.

The plain form is Go's, `PRIVATE+KEY+…`. The other is the public key on the first line, which gives the name and tells
whose key it is without the passphrase, and then the key as encrypted PKCS#8.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.serialization import (
    Encoding,
    NoEncryption,
    PrivateFormat,
    load_pem_private_key,
)

from adapters.durable import make_folders, sync_folder
from adapters.signing.pkcs8 import encrypted
from traceability.errors import UnavailableError
from traceability.notary.errors import VerificationError
from traceability.notary.note import SigningKey, VerifierKey
from traceability.ports import Entropy


def signing_key(path: Path, origin: str, entropy: Entropy, passphrase: str | None = None) -> SigningKey:
    """Read the key file, or make it for `origin` at first use: encrypted if there is a passphrase.

    Raises `UnavailableError` (`log.key_file`) as `read_key` does, and when the file cannot be written.
    """
    with _usable(path):
        if not path.exists():
            place_secret(
                path, _text_of(SigningKey.generate(origin, entropy), passphrase, entropy), entropy, replace=False
            )
    return read_key(path, passphrase)


def read_key(path: Path, passphrase: str | None = None) -> SigningKey:
    """Read the key file, in either form.

    Raises `UnavailableError` (`log.key_file`) when the file cannot be read, holds something else, needs a passphrase or
    another one, or may be read by others: a key that others have seen proves nothing any more.
    """
    with _usable(path):
        if path.stat().st_mode & 0o077:
            raise UnavailableError(
                f"{path} may be read by others",
                code="log.key_file",
                hint=f"If nobody did, run: chmod 600 {path}",
            )
        text = path.read_text(encoding="utf-8")
        if "\n-----BEGIN ENCRYPTED PRIVATE KEY-----" not in text:
            return SigningKey.parse(text.strip())
        if not passphrase:
            raise UnavailableError(
                f"{path} is encrypted", code="log.key_file", hint="Set TRACEABILITY_LOG_KEY_PASSPHRASE."
            )
        return _decrypted(text, passphrase)


def encrypt_key(path: Path, passphrase: str, entropy: Entropy) -> SigningKey:
    """Put a plain key file under a passphrase, or an encrypted one under the same one again; return the key.

    What the disk keeps of the plain file is beyond this program. Raises `UnavailableError` (`log.key_file`).
    """
    key = read_key(path, passphrase)
    with _usable(path):
        place_secret(path, _text_of(key, passphrase, entropy), entropy, replace=True)
    return key


@contextmanager
def _usable(path: Path) -> Iterator[None]:
    try:
        yield
    except (OSError, UnicodeDecodeError, VerificationError) as error:
        raise UnavailableError(
            f"the log's signing key cannot be used: {error}", code="log.key_file", hint=f"Look at {path}."
        ) from error


def _text_of(key: SigningKey, passphrase: str | None, entropy: Entropy) -> str:
    if not passphrase:
        return key.text + "\n"
    private = Ed25519PrivateKey.from_private_bytes(key.seed)
    plain = private.private_bytes(Encoding.DER, PrivateFormat.PKCS8, NoEncryption())
    return f"{key.verifier.text}\n{encrypted(plain, passphrase.encode(), entropy)}"


def _decrypted(text: str, passphrase: str) -> SigningKey:
    first, _, pem = text.partition("\n")
    verifier = VerifierKey.parse(first)
    try:
        private = load_pem_private_key(pem.encode(), passphrase.encode())
    except (ValueError, TypeError, UnsupportedAlgorithm) as error:
        raise VerificationError("the passphrase is not that of the key, or the file is damaged") from error
    if not isinstance(private, Ed25519PrivateKey):
        raise VerificationError("it is not an Ed25519 key")
    key = SigningKey(verifier.name, private.private_bytes_raw())
    if key.verifier != verifier:
        raise VerificationError("the file holds another key than its first line says")
    return key


def place_secret(path: Path, text: str, entropy: Entropy, *, replace: bool) -> None:
    """Write a file that only its owner may read, durable on return; without `replace` one that is there stays."""
    changed = make_folders(path.parent) | {path.parent}
    # Not named after the process: in containers that share the folder all are number 1, and one would write its key
    # over that of the other after it was read.
    temporary = path.with_name(f".{path.name}.{entropy.token(8).hex()}")
    descriptor = os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600)
    with os.fdopen(descriptor, "w", encoding="utf-8") as file:
        file.write(text)
        file.flush()
        os.fsync(file.fileno())
    if replace:
        temporary.rename(path)
    else:
        try:
            # A link, unlike a rename, does not replace the key that another process has made meanwhile.
            path.hardlink_to(temporary)
        except FileExistsError:
            pass
        finally:
            temporary.unlink()
    for folder in changed:
        sync_folder(folder)
