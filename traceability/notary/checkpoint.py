"""Checkpoints: origin, size and root of a tree, as the text of a signed note (C2SP tlog-checkpoint)."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Final, Self

from traceability.notary.encoding import base64_of, hash_of_base64, number_of
from traceability.notary.errors import VerificationError
from traceability.notary.note import Note, VerifierKey, open_note

_LINES: Final = 3


@dataclass(frozen=True, slots=True)
class Checkpoint:
    """A tree head: `size` leaves have the tree hash `root` (32 bytes)."""

    origin: str
    size: int
    root: bytes
    extensions: tuple[str, ...] = ()

    @classmethod
    def parse(cls, text: str) -> Self:
        """Read the text of a checkpoint; raises `VerificationError`."""
        *lines, end = text.split("\n")
        if end or len(lines) < _LINES or not all(lines):
            raise VerificationError("a checkpoint has an origin, a size, a root and no empty line")
        origin, size, root, *extensions = lines
        return cls(origin, number_of(size, "the tree size"), hash_of_base64(root, "the root hash"), tuple(extensions))

    def text(self) -> str:
        """Return the lines that are signed."""
        return "".join(f"{line}\n" for line in (self.origin, self.size, base64_of(self.root), *self.extensions))


def open_checkpoint(data: bytes, key: VerifierKey, witnesses: Iterable[VerifierKey] = ()) -> tuple[Checkpoint, Note]:
    """Check a signed checkpoint of the log that `key` belongs to.

    The key's name is the log's origin (C2SP asks for that), so a key cannot vouch for another log's tree. Raises
    `VerificationError`; a witness alone is not enough.
    """
    note = open_note(data, (key, *witnesses))
    if key not in dict(note.verified):
        raise VerificationError("the checkpoint is not signed by the log's key", code="log.unverified_note")
    checkpoint = Checkpoint.parse(note.text)
    if checkpoint.origin != key.name:
        raise VerificationError(f"the checkpoint is of {checkpoint.origin}, the key of {key.name}", code="log.origin")
    return checkpoint, note
