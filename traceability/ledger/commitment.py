"""From an event's parts to its leaf: commitment.md, byte for byte.

‖ joins bytes, integers are unsigned big-endian, H is SHA-256. Every part is hashed under a salt of its own, so that
one part, or one item of `what`, can be opened without telling anything about the others.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from hashlib import sha256, shake_256
from struct import Struct
from uuid import UUID

from traceability.ledger.parts import WHAT, Parts
from traceability.merkle import EMPTY_ROOT, inclusion_path, levels_of, root_of

SALT_SIZE = 32
ENTRY_SIZE = 57
ERASED_SIZE = 64  # c₆ ‖ c₇, which stands where personal_salt stood
_SIX, _TWO = Struct("32s" * 6).unpack, Struct("32s" * 2).unpack  # twice as fast as slices


def part_salts(salt: bytes) -> list[bytes]:
    """Derive s₀ … s₅, the salts of the six parts that are never erased."""
    return list(_SIX(shake_256(b"\x04" + salt).digest(192)))


def personal_salts(personal_salt: bytes) -> list[bytes]:
    """Derive s₆ and s₇, the salts of `personal` and `source`."""
    return list(_TWO(shake_256(b"\x07" + personal_salt).digest(64)))


def item_salts(salt: bytes, count: int) -> list[bytes]:
    """Derive t₀, t₁ …: one salt an item of `what`."""
    stream = shake_256(b"\x06" + salt).digest(32 * count)
    return [stream[i : i + 32] for i in range(0, 32 * count, 32)]


def part_commitment(index: int, salt: bytes, content: bytes) -> bytes:
    """Return cᵢ = H(0x03 ‖ u8(i) ‖ sᵢ ‖ bytesᵢ)."""
    return sha256(b"\x03" + bytes((index,)) + salt + content).digest()


def item_hash(salt: bytes, item: bytes) -> bytes:
    """Return the leaf H(0x05 ‖ tⱼ ‖ itemⱼ) of the tree over the items."""
    return sha256(b"\x05" + salt + item).digest()


def what_content(count: int, root: bytes) -> bytes:
    """Return bytes₁ = u32(n) ‖ root."""
    return count.to_bytes(4, "big") + root


def event_commitment(commitments: Sequence[bytes]) -> bytes:
    """Return C = H(0x02 ‖ c₀ ‖ … ‖ c₇)."""
    return sha256(b"\x02" + b"".join(commitments)).digest()


def entry_of(event_id: UUID, recorded_at: int, commitment: bytes) -> bytes:
    """Return the 57 bytes that the log holds for an event; `recorded_at` in microseconds UTC."""
    return b"\x01" + event_id.bytes + recorded_at.to_bytes(8, "big") + commitment


def leaf_hash(entry: bytes) -> bytes:
    """Return H(0x00 ‖ entry), RFC 6962's leaf hash."""
    return sha256(b"\x00" + entry).digest()


def part_commitments(parts: Parts, salt: bytes, personal_salt: bytes) -> list[bytes]:
    """Return c₀ … c₇.

    `personal_salt` may be the 64 bytes c₆ ‖ c₇ that erasure left in its place.
    """
    head, *others = parts.flat()
    joined = _part_commitments(salt, personal_salt, head, parts.what, *others)
    return [joined[i : i + 32] for i in range(0, len(joined), 32)]


def commit(parts: Parts, salt: bytes, personal_salt: bytes) -> bytes:
    """Return C, the event's commitment of 32 bytes."""
    head, *others = parts.flat()
    return sha256(b"\x02" + _part_commitments(salt, personal_salt, head, parts.what, *others)).digest()


def commit_stored(salt: bytes, personal_salt: bytes, head: bytes, what: bytes, *others: bytes) -> bytes:
    """Return C of parts as a ledger stores them: the items of `what` joined by line feeds, then `where` … `source`.

    Whoever checks millions of records does without an object for each.
    """
    items = what.split(b"\n") if what else ()
    return sha256(b"\x02" + _part_commitments(salt, personal_salt, head, items, *others)).digest()


def _part_commitments(salt: bytes, personal_salt: bytes, head: bytes, items: Sequence[bytes], *others: bytes) -> bytes:
    """Return c₀ ‖ … ‖ c₇."""
    where, why, how, more, personal, source = others
    # part_commitment and item_hash written out: this runs for every event of an import, and a call costs as much as its
    # hash. Most events have one item, whose leaf is the root.
    s0, s1, s2, s3, s4, s5 = part_salts(salt)
    if len(items) == 1:
        root = sha256(b"\x05" + item_salts(salt, 1)[0] + items[0]).digest()
    else:
        root = root_of(_item_hashes(items, salt)) if items else EMPTY_ROOT
    what = len(items).to_bytes(4, "big") + root
    if len(personal_salt) == ERASED_SIZE:
        erasable = personal_salt
    else:
        s6, s7 = personal_salts(personal_salt)
        erasable = sha256(b"\x03\x06" + s6 + personal).digest() + sha256(b"\x03\x07" + s7 + source).digest()
    return (
        sha256(b"\x03\x00" + s0 + head).digest()
        + sha256(b"\x03\x01" + s1 + what).digest()
        + sha256(b"\x03\x02" + s2 + where).digest()
        + sha256(b"\x03\x03" + s3 + why).digest()
        + sha256(b"\x03\x04" + s4 + how).digest()
        + sha256(b"\x03\x05" + s5 + more).digest()
        + erasable
    )


@dataclass(frozen=True, slots=True)
class ItemOpening:
    """Item `index` of `what` with its salt tⱼ and its path to the items' root (empty when all items are shown)."""

    index: int
    salt: bytes
    content: bytes
    path: tuple[bytes, ...]


def open_items(parts: Parts, salt: bytes, indices: Iterable[int]) -> tuple[bytes, tuple[ItemOpening, ...]]:
    """Return the items' root and, in order, the openings of the items at `indices`.

    Raises IndexError for an item that is not there.
    """
    shown = sorted(set(indices))
    if shown and not 0 <= shown[0] <= shown[-1] < len(parts.what):
        raise IndexError(shown)
    if not parts.what:
        return EMPTY_ROOT, ()
    salts = item_salts(salt, len(parts.what))
    levels = levels_of(_item_hashes(parts.what, salt))
    every = len(shown) == len(parts.what)
    return levels[-1][0], tuple(
        ItemOpening(j, salts[j], parts.what[j], () if every else tuple(inclusion_path(levels, j))) for j in shown
    )


def what_salt(salt: bytes) -> bytes:
    """Return s₁, under which u32(n) ‖ root of the items is committed."""
    return part_salts(salt)[WHAT]


def _item_hashes(items: Sequence[bytes], salt: bytes) -> list[bytes]:
    # item_hash written out, as in part_commitments.
    return [sha256(b"\x05" + t + item).digest() for t, item in zip(item_salts(salt, len(items)), items, strict=True)]
