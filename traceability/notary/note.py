"""Signed notes and their keys (C2SP signed-note, tlog-cosignature; notes made by Go's sumdb/note read the same).

A note is a text, a blank line, and signature lines `— <name> <base64(key id ‖ signature)>`. A verifier key names its
algorithm; a key id is 4 bytes and only a hint, never proof of anything.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from enum import IntEnum
from hashlib import sha256
from typing import Final, Self

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey

from traceability.notary import mldsa
from traceability.notary.encoding import MAX_NUMBER, base64_of, bytes_of_base64, bytes_of_hex, text_of
from traceability.notary.errors import VerificationError
from traceability.ports import Entropy

MAX_SIGNATURES: Final = 100
MAX_SIZE: Final = 1_000_000
SEED_SIZE: Final = 32
_KEY_ID_SIZE: Final = 4
_ED25519_SIZE: Final = 64
_TIMESTAMP_SIZE: Final = 8
_DASH: Final = "\u2014 "
_PRIVATE: Final = "PRIVATE+KEY+"


class Algorithm(IntEnum):
    """The signature types that we make or check."""

    ED25519 = 1
    COSIGNATURE = 4
    ML_DSA_44 = 6


@dataclass(frozen=True, slots=True)
class Signature:
    """One signature line; `payload` is what follows the key id."""

    name: str
    key_id: bytes
    payload: bytes

    def line(self) -> str:
        """Return the line, with its newline."""
        return f"{_DASH}{self.name} {base64_of(self.key_id + self.payload)}\n"


@dataclass(frozen=True, slots=True)
class VerifierKey:
    """A public key with its name (C2SP `vkey`)."""

    name: str
    algorithm: Algorithm
    public_key: bytes

    @classmethod
    def parse(cls, text: str) -> Self:
        """Read `name+hex(key id)+base64(type ‖ key)`; raises `VerificationError`."""
        name, _, rest = text.partition("+")
        id_text, _, key_text = rest.partition("+")
        data = bytes_of_base64(key_text, "the verifier key")
        _check_name(name)
        size = mldsa.PUBLIC_KEY_SIZE if data[:1] == bytes((Algorithm.ML_DSA_44,)) else SEED_SIZE
        if len(data) != 1 + size or data[0] not in tuple(Algorithm):
            raise VerificationError("the verifier key is not of signature type 1 or 4 (Ed25519) or 6 (ML-DSA-44)")
        key = cls(name, Algorithm(data[0]), data[1:])
        if bytes_of_hex(id_text, "the key id") != key.key_id:
            raise VerificationError("the verifier key does not have the key id that it says")
        return key

    @property
    def key_id(self) -> bytes:
        """SHA-256(name ‖ 0x0A ‖ type ‖ public key), cut to 4 bytes."""
        return sha256(f"{self.name}\n".encode() + self._typed_key()).digest()[:_KEY_ID_SIZE]

    @property
    def text(self) -> str:
        """The key as it is published."""
        return f"{self.name}+{self.key_id.hex()}+{base64_of(self._typed_key())}"

    def timestamp(self, signature: Signature) -> int | None:
        """Return the POSIX seconds of a cosignature, None for a signature that says no time."""
        if self.algorithm is Algorithm.ED25519:
            return None
        seconds = int.from_bytes(signature.payload[:_TIMESTAMP_SIZE], "big")
        # In an ML-DSA signature 0 stands for no time.
        return None if self.algorithm is Algorithm.ML_DSA_44 and not seconds else seconds

    def accepts(self, text: str, signature: Signature) -> bool:
        """Tell whether the signature is this key's over the text."""
        if self.algorithm is Algorithm.ML_DSA_44:
            return mldsa.accepts(self.name, self.public_key, text, signature.payload)
        payload, message = signature.payload, text.encode()
        if (seconds := self.timestamp(signature)) is not None:
            payload, message = payload[_TIMESTAMP_SIZE:], _cosigned(text, seconds)
        if len(payload) != _ED25519_SIZE or (seconds or 0) > MAX_NUMBER:
            return False
        try:
            Ed25519PublicKey.from_public_bytes(self.public_key).verify(payload, message)
        except InvalidSignature:
            return False
        return True

    def _typed_key(self) -> bytes:
        return bytes((self.algorithm,)) + self.public_key


@dataclass(frozen=True, slots=True, repr=False)
class SigningKey:
    """An Ed25519 key that signs notes under a name. It has no repr, so that it cannot slip into a log line."""

    name: str
    seed: bytes

    @classmethod
    def generate(cls, name: str, entropy: Entropy) -> Self:
        """Make a new key; raises `VerificationError` when the name cannot be one."""
        _check_name(name)
        return cls(name, entropy.token(SEED_SIZE))

    @classmethod
    def parse(cls, text: str) -> Self:
        """Read Go's form of a signer, `PRIVATE+KEY+name+hex(key id)+base64(type ‖ seed)`.

        Raises `VerificationError`.
        """
        return cls(*_read_private(text, Algorithm.ED25519))

    @property
    def text(self) -> str:
        """The secret as it is stored."""
        return _private_text(self.verifier, self.seed)

    @property
    def verifier(self) -> VerifierKey:
        """The public half."""
        return _public_half(self.name, Algorithm.ED25519, self.seed)

    def sign(self, text: str) -> str:
        """Return the note of `text` with this key's signature; the same text always gives the same note."""
        _check_text(text)
        payload = Ed25519PrivateKey.from_private_bytes(self.seed).sign(text.encode())
        return f"{text}\n{Signature(self.name, self.verifier.key_id, payload).line()}"


@dataclass(frozen=True, slots=True, repr=False)
class CosigningKey:
    """An Ed25519 key of a witness (C2SP tlog-cosignature, type 4). It has no repr either.

    What it signs does not name the cosigner, and a log's key signs other texts: each cosigner has a key of its own,
    so the stored form has the type 4, which no reader takes for a log's.
    """

    name: str
    seed: bytes

    @classmethod
    def generate(cls, name: str, entropy: Entropy) -> Self:
        """Make a new key; raises `VerificationError` when the name cannot be one."""
        _check_name(name)
        return cls(name, entropy.token(SEED_SIZE))

    @classmethod
    def parse(cls, text: str) -> Self:
        """Read the stored form, `PRIVATE+KEY+name+hex(key id)+base64(4 ‖ seed)`; raises `VerificationError`."""
        return cls(*_read_private(text, Algorithm.COSIGNATURE))

    @property
    def text(self) -> str:
        """The secret as it is stored."""
        return _private_text(self.verifier, self.seed)

    @property
    def verifier(self) -> VerifierKey:
        """The public half."""
        return _public_half(self.name, Algorithm.COSIGNATURE, self.seed)

    def cosign(self, text: str, seconds: int) -> Signature:
        """Sign the text of a checkpoint: at this POSIX time it is of the largest consistent tree that was seen."""
        _check_text(text)
        time = seconds.to_bytes(_TIMESTAMP_SIZE, "big")
        signature = Ed25519PrivateKey.from_private_bytes(self.seed).sign(_cosigned(text, seconds))
        return Signature(self.name, self.verifier.key_id, time + signature)


@dataclass(frozen=True, slots=True)
class Note:
    """A note whose signatures by known keys were all checked; those of unknown keys are kept apart."""

    text: str
    verified: tuple[tuple[VerifierKey, Signature], ...]
    unverified: tuple[Signature, ...]


def open_note(data: bytes, keys: Iterable[VerifierKey]) -> Note:
    """Check a note against the known keys.

    Raises `VerificationError` when it is malformed, when no known key signed it, or when a line under a known name and
    key id does not verify: such a line is never taken for one of an unknown key.
    """
    text, signatures = split_note(data)
    known = {(key.name, key.key_id): key for key in keys}
    verified: dict[VerifierKey, Signature] = {}
    unverified = []
    for signature in signatures:
        key = known.get((signature.name, signature.key_id))
        if key is None:
            unverified.append(signature)
        elif not key.accepts(text, signature):
            raise VerificationError(f"the signature of {key.name} does not verify", code="log.signature")
        else:
            verified.setdefault(key, signature)
    if not verified:
        raise VerificationError("no known key signed the note", code="log.unverified_note")
    return Note(text, tuple(verified.items()), tuple(unverified))


def split_note(data: bytes) -> tuple[str, list[Signature]]:
    """Split a note at its last blank line, checking form only."""
    text, lines = _halves(data)
    signatures = [_signature(line) for line in lines[:-1].split("\n")]
    if len(signatures) > MAX_SIGNATURES:
        raise VerificationError(f"a note has at most {MAX_SIGNATURES} signatures")
    return text, signatures


def text_of_note(data: bytes) -> str:
    """Return the text of a note whose signatures are not looked at, not even for their form."""
    return _halves(data)[0]


def _halves(data: bytes) -> tuple[str, str]:
    if len(data) > MAX_SIZE:
        raise VerificationError(f"a note has at most {MAX_SIZE} bytes")
    text, blank, lines = text_of(data, "the note").rpartition("\n\n")
    if not blank or not lines.endswith("\n"):
        raise VerificationError("the note has no signatures")
    text += "\n"
    _check_text(text)
    return text, lines


def _cosigned(text: str, seconds: int) -> bytes:
    """Return what a cosignature/v1 signs."""
    return f"cosignature/v1\ntime {seconds}\n{text}".encode()


def _public_half(name: str, algorithm: Algorithm, seed: bytes) -> VerifierKey:
    return VerifierKey(name, algorithm, Ed25519PrivateKey.from_private_bytes(seed).public_key().public_bytes_raw())


def _private_text(verifier: VerifierKey, seed: bytes) -> str:
    return f"{_PRIVATE}{verifier.name}+{verifier.key_id.hex()}+{base64_of(bytes((verifier.algorithm,)) + seed)}"


def _read_private(text: str, algorithm: Algorithm) -> tuple[str, bytes]:
    name, _, rest = text.removeprefix(_PRIVATE).partition("+")
    id_text, _, key_text = rest.partition("+")
    data = bytes_of_base64(key_text, "the signing key")
    if not text.startswith(_PRIVATE) or len(data) != 1 + SEED_SIZE or data[0] != algorithm:
        raise VerificationError(f"the signing key is not one of type {algorithm.value} (Ed25519)")
    _check_name(name)
    if bytes_of_hex(id_text, "the key id") != _public_half(name, algorithm, data[1:]).key_id:
        raise VerificationError("the signing key does not have the key id that it says")
    return name, data[1:]


def _signature(line: str) -> Signature:
    name, _, blob = line.removeprefix(_DASH).partition(" ")
    data = bytes_of_base64(blob, "a signature")
    if not line.startswith(_DASH) or len(data) <= _KEY_ID_SIZE:
        raise VerificationError("a signature line is malformed")
    _check_name(name)
    return Signature(name, data[:_KEY_ID_SIZE], data[_KEY_ID_SIZE:])


def _check_name(name: str) -> None:
    if not name or "+" in name or any(character.isspace() or character < " " for character in name):
        raise VerificationError("a key name is not empty and has no white space and no plus sign")


def _check_text(text: str) -> None:
    if not text.endswith("\n") or any(character < " " and character != "\n" for character in text):
        raise VerificationError("the text of a note ends with a newline and holds no other control characters")
