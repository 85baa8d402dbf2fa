"""Witnesses for tests: fixed keys, logs that fork, and real servers."""

from __future__ import annotations

from collections.abc import Sequence
from hashlib import sha256

from tests.support.logs import KEY
from traceability.merkle import root_of
from traceability.notary.checkpoint import Checkpoint
from traceability.notary.note import CosigningKey, SigningKey
from traceability.notary.witness import AddCheckpoint

WITNESS_KEYS = [CosigningKey(f"witness.example/w{number}", bytes((number + 40,)) * 32) for number in range(3)]


class Branch:
    """A log's leaves, known all at once; branches made with another `salt` agree up to leaf `fork` and no further."""

    def __init__(self, size: int, fork: int = 0, salt: bytes = b"", key: SigningKey = KEY) -> None:
        self.leaves = [sha256(b"%d" % index + (salt if index >= fork else b"")).digest() for index in range(size)]
        self.key = key

    def root(self, size: int) -> bytes:
        return root_of(self.leaves[:size])

    def note(self, size: int) -> bytes:
        return self.key.sign(Checkpoint(self.key.name, size, self.root(size)).text()).encode()

    def proof(self, old: int, size: int) -> tuple[bytes, ...]:
        """Return the consistency proof, by the recursion of RFC 6962 §2.1.2."""
        return tuple(_subproof(old, self.leaves[:size], whole=True)) if 0 < old < size else ()

    def request(self, old: int, size: int) -> bytes:
        return AddCheckpoint(old, self.proof(old, size), self.note(size)).encode()


def _subproof(old: int, leaves: Sequence[bytes], *, whole: bool) -> list[bytes]:
    if old == len(leaves):
        return [] if whole else [root_of(leaves)]
    middle = 1 << (len(leaves) - 1).bit_length() - 1
    if old <= middle:
        return [*_subproof(old, leaves[:middle], whole=whole), root_of(leaves[middle:])]
    return [*_subproof(old - middle, leaves[middle:], whole=False), root_of(leaves[:middle])]
