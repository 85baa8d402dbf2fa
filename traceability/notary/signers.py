"""Signing a log's checkpoints with a second key: ML-DSA-44 beside Ed25519.

The Ed25519 signature stays first and is the log's: every reader knows it, and public logs must have one. The other
holds when quantum computers can forge the first.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final, Self

from traceability.notary import mldsa
from traceability.notary.encoding import base64_of, bytes_of_base64
from traceability.notary.errors import VerificationError
from traceability.notary.note import SEED_SIZE, Algorithm, Signature, VerifierKey
from traceability.notary.ports import Signer
from traceability.ports import Entropy

_PRIVATE: Final = "PRIVATE+KEY+"


@dataclass(frozen=True, slots=True, repr=False)
class MLDSAKey:
    """An ML-DSA-44 key, kept as its seed. It has no repr, so that it cannot slip into a log line."""

    name: str
    seed: bytes

    @classmethod
    def generate(cls, name: str, entropy: Entropy) -> Self:
        """Make a new key."""
        return cls(name, entropy.token(SEED_SIZE))

    @classmethod
    def parse(cls, text: str) -> Self:
        """Read `PRIVATE+KEY+name+hex(key id)+base64(6 ‖ seed)`, as it is stored; raises `VerificationError`."""
        name, _, rest = text.removeprefix(_PRIVATE).partition("+")
        data = bytes_of_base64(rest.partition("+")[2], "the signing key")
        if not text.startswith(_PRIVATE) or len(data) != 1 + SEED_SIZE or data[0] != Algorithm.ML_DSA_44:
            raise VerificationError("the signing key is not an ML-DSA-44 key of a note signer")
        key = cls(name, data[1:])
        if key.text != text:
            raise VerificationError("the signing key does not have the key id that it says")
        return key

    @property
    def text(self) -> str:
        """The secret as it is stored."""
        typed = bytes((Algorithm.ML_DSA_44,)) + self.seed
        return f"{_PRIVATE}{self.name}+{self.verifier.key_id.hex()}+{base64_of(typed)}"

    @property
    def verifier(self) -> VerifierKey:
        """The public half."""
        public = mldsa.private_key(self.seed).public_key().public_bytes_raw()
        return VerifierKey(self.name, Algorithm.ML_DSA_44, public)

    def signature(self, text: str) -> Signature:
        """Sign the text of a checkpoint, without a time."""
        return Signature(self.name, self.verifier.key_id, mldsa.sign(self.name, self.seed, text))


@dataclass(frozen=True, slots=True, repr=False)
class TwoSigners:
    """A log's own signer and one more, whose line comes after (`traceability.notary.ports.Signer`)."""

    own: Signer
    more: MLDSAKey

    @property
    def verifier(self) -> VerifierKey:
        """The public key of the log."""
        return self.own.verifier

    def sign(self, text: str) -> str:
        """Return the note with both signatures."""
        return self.own.sign(text) + self.more.signature(text).line()
