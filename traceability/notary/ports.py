"""What the notary needs of the world: a ledger's records and signed checkpoints, and a place for static files."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass
from typing import Protocol
from uuid import UUID

from traceability.ledger.parts import Parts
from traceability.notary.checkpoint import Checkpoint
from traceability.notary.note import VerifierKey


@dataclass(frozen=True, slots=True)
class AdditionalKey:
    """A key that signs a log's checkpoints beside its own: each that is signed from `added_at` (µs UTC) on."""

    vkey: str
    added_at: int


@dataclass(frozen=True, slots=True)
class LogIdentity:
    """A log: as it was created, which never changes, and where it was closed, which is said once.

    `name` is its name in URLs, `origin` that of its key and checkpoints, `first_position` the ledger's position that
    is leaf 0. `last_position` is that of the last leaf, None while the log is open, `first_position` − 1 when it was
    closed without leaves. `abandoned_note` is the published checkpoint that the database did not know when the log was
    given up after a restore, None in all other cases. Of the `additional_keys`, in the order in which they were added,
    the newest signs; one that is added stays until the log is closed.
    """

    name: str
    origin: str
    vkey: str
    first_position: int
    last_position: int | None = None
    abandoned_note: str | None = None
    additional_keys: tuple[AdditionalKey, ...] = ()

    @property
    def additional_vkeys(self) -> tuple[str, ...]:
        """The public keys beside the log's own."""
        return tuple(key.vkey for key in self.additional_keys)

    @property
    def final_size(self) -> int | None:
        """The number of leaves that the log will ever have, None while it is open."""
        return None if self.last_position is None else self.last_position + 1 - self.first_position

    def holds(self, position: int) -> bool:
        """Tell whether the event at a position of the ledger is a leaf of this log, or will be."""
        return self.first_position <= position and (self.last_position is None or position <= self.last_position)


@dataclass(frozen=True, slots=True)
class SignedCheckpoint:
    """A checkpoint with its note, byte for byte, and when it was signed (µs UTC)."""

    checkpoint: Checkpoint
    note: str
    signed_at: int


@dataclass(frozen=True, slots=True)
class Cosignature:
    """A signature line of a witness, with its newline, under the key that it verifies with."""

    vkey: str
    line: str


@dataclass(frozen=True, slots=True)
class StoredTimestamp:
    """A time-stamp response (RFC 3161) over the checkpoint of `size` leaves, byte for byte.

    `authority` is the address that was asked, `received_at` our clock at the time of the answer (µs UTC).
    """

    size: int
    authority: str
    received_at: int
    response: bytes


@dataclass(frozen=True, slots=True)
class SequencedEntry:
    """A leaf as the ledger stores it: the 57 bytes of its entry, and the hash that the append computed."""

    entry: bytes
    leaf_hash: bytes


@dataclass(frozen=True, slots=True)
class StoredEvent:
    """A record with everything that its leaf is rebuilt from."""

    position: int
    event_id: UUID
    recorded_at: int
    leaf_hash: bytes
    commitment: bytes
    salt: bytes
    personal_salt: bytes
    parts: Parts


StoredRow = tuple[
    int, bytes, int, str, int, bytes, bytes, bytes, bytes, bytes, bytes, bytes, bytes, bytes, bytes, bytes, bytes
]
"""A record as it is stored: position, event id (16 bytes), recorded_at, type, visibility, leaf hash, commitment, salt,
personal salt, and the eight parts; the items of `what` are joined by line feeds."""


class Signer(Protocol):
    """A log's key, wherever it is kept: in this process, or where it cannot be read."""

    @property
    def verifier(self) -> VerifierKey:
        """The public key that the log was created with; its name is the log's origin."""
        ...

    def sign(self, text: str) -> str:
        """Return the note of a checkpoint's text, signed by that key first, perhaps by others after it.

        Raises `UnavailableError` when the key cannot be reached now.
        """
        ...


class LogDatabase(Protocol):
    """The coordinating side of one log. Indices are leaf indices, from 0."""

    @property
    def identity(self) -> LogIdentity:
        """The log; that it was closed is known once `sequenced` has seen it."""
        ...

    def leadership(self) -> AbstractContextManager[bool]:
        """Give, for the time of the context, True to one caller and False to every other."""
        ...

    def sequenced(self) -> int:
        """Return the number of leaves that are committed in the ledger: never more than a closed log has."""
        ...

    def entries(self, start: int, end: int) -> Sequence[SequencedEntry]:
        """Return leaves start … end−1, all of which must be sequenced."""
        ...

    def last_signed(self) -> SignedCheckpoint | None:
        """Return the signed checkpoint of the largest tree."""
        ...

    def signed_at_size(self, size: int) -> SignedCheckpoint | None:
        """Return the checkpoint that was signed for this tree size."""
        ...

    def signed_after(self, size: int, most: int) -> SignedCheckpoint | None:
        """Return the largest checkpoint of at most `size + most` leaves, else the smallest, of those beyond `size`."""
        ...

    def insert(self, signed: SignedCheckpoint) -> SignedCheckpoint:
        """Store a checkpoint durably and return what is stored for its size: of two, the first stays.

        Raises `ClosedLogError` for a tree that is larger than the log, which was closed meanwhile.
        """
        ...

    def cosignatures(self, size: int) -> Sequence[Cosignature]:
        """Return the cosignatures of the checkpoint of this tree size."""
        ...

    def keep_cosignatures(self, size: int, cosignatures: Sequence[Cosignature]) -> None:
        """Store cosignatures of a stored checkpoint durably; of two by one key, the first stays."""
        ...

    def all_signed(self, start: int = 0) -> Iterator[SignedCheckpoint]:
        """Yield every checkpoint of at least `start` leaves that was signed by now, in order of size."""
        ...

    def events(self) -> Iterator[StoredEvent]:
        """Yield the log's records in order of position, to the end, be they added meanwhile."""
        ...

    def rows(self, start: int, end: int) -> Iterator[StoredRow]:
        """Yield those of leaves start … end−1 that are there, in order."""
        ...

    def redactions_after(self, position: int) -> Iterator[tuple[bytes, bytes]]:
        """Yield `head` and `more` of the ledger's `ledger.redacted.v1` events after a position, whichever log has them.

        They are as they are stored: nobody has checked them against a leaf.
        """
        ...

    def stray_position(self) -> int | None:
        """Return the position of a record before the ledger's first or beyond its head, None when there is none."""
        ...


class TileStore(Protocol):
    """A folder of static files that any web server can serve, with the paths of C2SP tlog-tiles."""

    def read(self, path: str) -> bytes | None:
        """Return a file, None when it does not exist."""
        ...

    def write(self, files: Mapping[str, bytes]) -> None:
        """Write immutable files; they are durable on return, and each is there wholly or not at all.

        Raises `DamagedLogError` when a path exists with other bytes.
        """
        ...

    def checkpoint(self) -> bytes | None:
        """Return the served checkpoint."""
        ...

    def replace_checkpoint(self, old: bytes | None, new: bytes) -> None:
        """Serve another checkpoint, durable on return; raises `StaleCheckpointError` when `old` is not served now."""
        ...

    def discard_partials(self, paths: Iterable[str]) -> None:
        """Remove, as far as possible, the partial tiles of these full ones, which hold all that they held."""
        ...

    def paths(self) -> Iterator[str]:
        """Yield the path of every file under `tile/`."""
        ...
