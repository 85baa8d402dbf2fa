"""ML-DSA-44 signatures of checkpoints (C2SP tlog-cosignature, signature type 6; FIPS 204), where they can be had.

What is signed names the signer and the tree, and no extension lines: a checkpoint that has some is not signed. A time
of 0 says nothing about when; a log signs with it, since its own signature makes no statement about other trees.
"""

from __future__ import annotations

from typing import Final

from cryptography.exceptions import InvalidSignature, UnsupportedAlgorithm

from traceability.notary.encoding import MAX_NUMBER, hash_of_base64, number_of
from traceability.notary.errors import VerificationError

try:
    from cryptography.hazmat.primitives.asymmetric.mldsa import MLDSA44PrivateKey, MLDSA44PublicKey
except ImportError:  # before cryptography 48
    AVAILABLE = False
else:
    AVAILABLE = True

PUBLIC_KEY_SIZE: Final = 1312
SIGNATURE_SIZE: Final = 2420
TIMESTAMP_SIZE: Final = 8
_LABEL: Final = b"subtree/v1\n\0"
_LINES: Final = 3
_LONGEST_NAME: Final = 255


def sign(name: str, seed: bytes, text: str, seconds: int = 0) -> bytes:
    """Return timestamp and signature of a checkpoint's text.

    Raises `VerificationError` when it cannot be signed, and where ML-DSA is not available. Two signatures of one text
    differ: FIPS 204 hedges against faults with randomness.
    """
    message = _message(name, text, seconds)
    if message is None:
        raise VerificationError("ML-DSA signs checkpoints without extension lines, of names up to 255 bytes")
    return seconds.to_bytes(TIMESTAMP_SIZE, "big") + private_key(seed).sign(message)


def accepts(name: str, public_key: bytes, text: str, payload: bytes) -> bool:
    """Tell whether `payload` is this signer's; raises `VerificationError` where ML-DSA is not available."""
    _check_available()
    seconds = int.from_bytes(payload[:TIMESTAMP_SIZE], "big")
    message = _message(name, text, seconds)
    if message is None or len(payload) != TIMESTAMP_SIZE + SIGNATURE_SIZE or seconds > MAX_NUMBER:
        return False
    try:
        MLDSA44PublicKey.from_public_bytes(public_key).verify(payload[TIMESTAMP_SIZE:], message)
    except (InvalidSignature, ValueError):
        return False
    except UnsupportedAlgorithm as error:
        raise _unavailable() from error
    return True


def private_key(seed: bytes) -> MLDSA44PrivateKey:
    """Return the key of a seed of 32 bytes; raises `VerificationError` where ML-DSA is not available."""
    _check_available()
    try:
        return MLDSA44PrivateKey.from_seed_bytes(seed)
    except UnsupportedAlgorithm as error:
        raise _unavailable() from error


def _message(name: str, text: str, seconds: int) -> bytes | None:
    """Return what is signed (`cosigned_message`), None for a text that is no such checkpoint."""
    lines = text.split("\n")
    signer = name.encode()
    if len(lines) != _LINES + 1 or lines[-1] or not 0 < len(signer) <= _LONGEST_NAME:
        return None
    origin = lines[0].encode()
    if not 0 < len(origin) <= _LONGEST_NAME:
        return None
    try:
        size, root = number_of(lines[1], "the tree size"), hash_of_base64(lines[2], "the root hash")
    except VerificationError:
        return None
    return b"".join(
        (
            *(_LABEL, bytes((len(signer),)), signer, seconds.to_bytes(8, "big"), bytes((len(origin),)), origin),
            *((0).to_bytes(8, "big"), size.to_bytes(8, "big"), root),
        )
    )


def _check_available() -> None:
    if not AVAILABLE:
        raise _unavailable()


def _unavailable() -> VerificationError:
    return VerificationError(
        "ML-DSA is not available here", code="log.no_ml_dsa", hint="It needs cryptography 48 or newer."
    )
