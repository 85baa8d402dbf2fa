"""Evidence against a log: two checkpoints that it signed and that cannot both be true, kept byte for byte."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum
from hashlib import sha256
from typing import Any, Final, Self

from traceability.merkle import roots_from_path
from traceability.notary.checkpoint import Checkpoint
from traceability.notary.content import decode_json
from traceability.notary.encoding import base64_of, hash_of_base64, text_of
from traceability.notary.errors import VerificationError
from traceability.notary.note import text_of_note

VERSION: Final = "trace-evidence/1"
_MEMBERS: Final = frozenset({"v", "contradiction", "known", "submitted", "proof", "seen_at"})


class Contradiction(StrEnum):
    """How a signed checkpoint disagrees with one that the log had signed before."""

    TWO_ROOTS = "two_roots"
    """Both are signed for one size: proof that the log shows two histories."""

    TWO_HISTORIES = "two_histories"
    """The log's own proof leads from the new root to another old root than it signed: proof as well."""

    UNPROVEN = "unproven"
    """The proof that came along does not hold. The trees may be fine: anyone can send a signed checkpoint so."""


@dataclass(frozen=True, slots=True)
class Evidence:
    """Two notes that disagree, byte for byte, with the consistency proof that came along.

    `known` was signed first; `seen_at` is when `submitted` was seen, in µs UTC.
    """

    contradiction: Contradiction
    known: bytes
    submitted: bytes
    proof: tuple[bytes, ...]
    seen_at: int

    @property
    def checkpoints(self) -> tuple[Checkpoint, Checkpoint]:
        """What the two notes say."""
        known, submitted = (Checkpoint.parse(text_of_note(note)) for note in (self.known, self.submitted))
        return known, submitted

    @property
    def name(self) -> str:
        """A name that the same contradiction of the same two checkpoints always gives."""
        texts = [text_of_note(note).encode() for note in (self.known, self.submitted)]
        hashes = [sha256(text).digest() for text in (self.contradiction.encode(), *texts)]
        return sha256(b"".join(hashes)).hexdigest()[:32]

    def encode(self) -> bytes:
        """Return it as JSON."""
        members = {
            "v": VERSION,
            "contradiction": self.contradiction,
            "known": self.known.decode(),
            "submitted": self.submitted.decode(),
            "proof": [base64_of(node) for node in self.proof],
            "seen_at": self.seen_at,
        }
        return json.dumps(members, ensure_ascii=False, indent=1).encode() + b"\n"

    @classmethod
    def parse(cls, data: bytes) -> Self:
        """Read it again, checking form only; raises `VerificationError`."""
        value: Any = decode_json(text_of(data, "the evidence"), "the evidence", number=int)
        match value:
            case {
                "v": "trace-evidence/1",
                "contradiction": "two_roots" | "two_histories" | "unproven" as contradiction,
                "known": str(known),
                "submitted": str(submitted),
                "proof": [*proof],
                "seen_at": int(seen_at),
            } if value.keys() == _MEMBERS and all(isinstance(node, str) for node in proof):
                nodes = tuple(hash_of_base64(node, "a hash of the proof") for node in proof)
                return cls(Contradiction(contradiction), known.encode(), submitted.encode(), nodes, seen_at)
            case _:
                raise VerificationError(f"this is not a {VERSION}")


def contradiction_of(known: Checkpoint, submitted: Checkpoint, proof: Sequence[bytes] | None) -> Contradiction | None:
    """Compare a checkpoint with what is known of its log; None when nothing speaks against it as far as can be seen.

    `proof` is a consistency path from the known size, None when there is none to look at.
    """
    if submitted.size == known.size:
        return Contradiction.TWO_ROOTS if submitted.root != known.root else None
    if proof is None or not 0 < known.size < submitted.size:
        return None
    rebuilt = roots_from_path(known.size, submitted.size, known.root, proof)
    if rebuilt is None or rebuilt[1] != submitted.root:
        return Contradiction.UNPROVEN
    return Contradiction.TWO_HISTORIES if rebuilt[0] != known.root else None
