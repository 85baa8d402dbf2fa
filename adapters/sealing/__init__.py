"""Keys that encrypt small secrets: AES-256-GCM, from 32 bytes in base64, of the environment or of a file."""

from __future__ import annotations

from base64 import b64decode, b64encode
from hashlib import sha256
from pathlib import Path
from typing import Final

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from adapters.durable import create_secret
from traceability.errors import InvalidInputError, UnavailableError
from traceability.ports import Entropy

KEY_SIZE: Final = 32
_NONCE_SIZE: Final = 12


class SealingKey:
    """A key; `key_id` tells which one it is, and nothing of it."""

    def __init__(self, key: bytes) -> None:
        self.key_id: Final = sha256(b"traceability sealing key" + key).hexdigest()[:16]
        self._cipher = AESGCM(key)

    def seal(self, secret: str, place: str, entropy: Entropy) -> str:
        """Encrypt a secret for one place: moved to another, it does not open."""
        nonce = entropy.token(_NONCE_SIZE)
        return b64encode(nonce + self._cipher.encrypt(nonce, secret.encode(), place.encode())).decode()

    def open(self, text: str, place: str) -> str:
        """Return the secret; raises `ValueError` for what was not sealed with this key for this place."""
        content = b64decode(text, validate=True)
        try:
            return self._cipher.decrypt(content[:_NONCE_SIZE], content[_NONCE_SIZE:], place.encode()).decode()
        except InvalidTag as error:
            raise ValueError("it was damaged, or moved from elsewhere") from error


def parse_keys(text: str) -> list[SealingKey]:
    """Read keys that are separated by spaces; raises `InvalidInputError` (`secrets.key`), which never quotes them."""
    keys = []
    for word in text.split():
        try:
            key = b64decode(word, validate=True)
        except ValueError:
            key = b""
        if len(key) != KEY_SIZE:
            raise InvalidInputError(
                "A key of secrets is 32 bytes in base64",
                code="secrets.key",
                hint="Make one with: openssl rand -base64 32",
            )
        keys.append(SealingKey(key))
    return keys


def read_key_file(path: Path) -> list[SealingKey]:
    """Return the keys of a file, one a line; none where there is no file.

    Raises `UnavailableError` (`secrets.key`) when it cannot be read, holds something else, or may be read by others.
    """
    try:
        if path.stat().st_mode & 0o077:
            raise UnavailableError(
                "The key of secrets may be read by others",
                code="secrets.key",
                hint=f"If nobody did, run: chmod 600 {path}",
            )
        keys = parse_keys(path.read_text(encoding="ascii"))
    except FileNotFoundError:
        return []
    except (OSError, UnicodeDecodeError, InvalidInputError) as error:
        raise _unusable(path, error) from error
    if not keys:
        raise _unusable(path, "it is empty")
    return keys


def make_key_file(path: Path, entropy: Entropy) -> None:
    """Make a file with a new key, durable on return; one that another process made meanwhile stays.

    Raises `UnavailableError` (`secrets.key`).
    """
    try:
        create_secret(path, b64encode(entropy.token(KEY_SIZE)) + b"\n")
    except OSError as error:
        raise _unusable(path, error) from error


def _unusable(path: Path, why: object) -> UnavailableError:
    # Partners keep the message, for people who are not to know the server's files.
    reason = why.strerror if isinstance(why, OSError) else why
    return UnavailableError(
        f"The key of secrets cannot be used: {reason}", code="secrets.key", hint=f"Look at {path}, or bring it back."
    )
