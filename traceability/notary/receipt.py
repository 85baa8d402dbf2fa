"""Receipts: the tlog-proof of one event, whose `extra` opens what its reader may see (commitment.md, "Opening").

An opening shows of each part either its commitment or its salt and bytes; of `what`, single items with their paths.
The leaf hash is always rebuilt from what is shown, so an opening that was changed no longer has its leaf.
"""

from __future__ import annotations

import json
from collections.abc import Collection, Iterable
from dataclasses import dataclass
from itertools import pairwise
from typing import Any, Final, Protocol, Self, TypeGuard
from uuid import UUID

from traceability.ledger.commitment import (
    ERASED_SIZE,
    ItemOpening,
    entry_of,
    event_commitment,
    item_hash,
    leaf_hash,
    open_items,
    part_commitment,
    part_commitments,
    part_salts,
    personal_salts,
    what_content,
)
from traceability.ledger.parts import HEAD, PART_NAMES, PERSONAL, WHAT, Parts
from traceability.merkle import root_from_path, root_of
from traceability.notary.content import check_item, check_part, decode_json, same_again
from traceability.notary.encoding import base64_of, bytes_of_base64, bytes_of_hex, hash_of_hex, number_of, text_of
from traceability.notary.errors import VerificationError

VERSION: Final = "trace-opening/1"
MAX_ITEMS: Final = 2**32 - 1
_ID_SIZE: Final = 16
_encode: Final = json.JSONEncoder(separators=(",", ":")).encode


class Opened(Protocol):
    """A part as an opening shows it."""

    def commitment(self, part: int) -> bytes:
        """Return cᵢ, rebuilt from everything that is shown; raises `VerificationError`."""
        ...

    def members(self) -> dict[str, Any]:
        """Return the JSON object pᵢ."""
        ...


@dataclass(frozen=True, slots=True)
class ClosedPart:
    """A part of which only the commitment is shown; it may as well be absent."""

    digest: bytes

    def commitment(self, part: int) -> bytes:  # noqa: ARG002
        """Return cᵢ as it is shown."""
        return self.digest

    def members(self) -> dict[str, Any]:
        """Return `{"c"}`."""
        return {"c": self.digest.hex()}


@dataclass(frozen=True, slots=True)
class OpenPart:
    """A part with its salt sᵢ and its bytes; no bytes mean that the event does not have it."""

    salt: bytes
    content: bytes

    def commitment(self, part: int) -> bytes:
        """Return cᵢ; the bytes must be those of such a part."""
        check_part(part, self.content)
        return part_commitment(part, self.salt, self.content)

    def members(self) -> dict[str, Any]:
        """Return `{"s", "bytes"}`."""
        return {"s": self.salt.hex(), "bytes": base64_of(self.content)}


@dataclass(frozen=True, slots=True)
class OpenWhat:
    """The part `what` with `count` items under `root`, of which those in `items` are shown, in order."""

    salt: bytes
    count: int
    root: bytes
    items: tuple[ItemOpening, ...]

    @property
    def complete(self) -> bool:
        """Whether every item is shown."""
        return len(self.items) == self.count

    def commitment(self, part: int) -> bytes:
        """Return c₁; every item that is shown must be under the root."""
        hashes = [item_hash(item.salt, item.content) for item in self.items]
        for item, digest in zip(self.items, hashes, strict=True):
            check_item(item.content)
            bare = self.complete and not item.path
            if not bare and root_from_path(digest, item.index, self.count, item.path) != self.root:
                raise VerificationError(f"item {item.index} is not under the root of the items", code="log.item")
        if self.complete and root_of(hashes) != self.root:
            raise VerificationError("the items do not have the root that is shown", code="log.item")
        return part_commitment(part, self.salt, what_content(self.count, self.root))

    def members(self) -> dict[str, Any]:
        """Return `{"s", "n", "root", "items"}`."""
        items = [
            {"j": item.index, "t": item.salt.hex(), "bytes": base64_of(item.content)}
            | ({} if self.complete else {"path": [node.hex() for node in item.path]})
            for item in self.items
        ]
        return {"s": self.salt.hex(), "n": self.count, "root": self.root.hex(), "items": items}


@dataclass(frozen=True, slots=True)
class Opening:
    """What a receipt shows of an event; `recorded_at` in microseconds UTC."""

    event_id: UUID
    recorded_at: int
    parts: tuple[Opened, ...]

    def leaf_hash(self) -> bytes:
        """Rebuild the event's leaf hash; raises `VerificationError` when what is shown contradicts itself."""
        commitments = [part.commitment(i) for i, part in enumerate(self.parts)]
        return leaf_hash(entry_of(self.event_id, self.recorded_at, event_commitment(commitments)))

    def shown(self) -> Parts:
        """Return the parts that are open; the others are empty."""
        flat = {
            name: part.content for name, part in zip(PART_NAMES, self.parts, strict=True) if isinstance(part, OpenPart)
        }
        what = self.parts[WHAT]
        items = tuple(item.content for item in what.items) if isinstance(what, OpenWhat) else ()
        return Parts(**{"head": b"", **flat}, what=items)

    def closed(self) -> list[str]:
        """Return the names of the parts that are withheld, be they there or not."""
        return [name for name, part in zip(PART_NAMES, self.parts, strict=True) if isinstance(part, ClosedPart)]

    def encode(self) -> bytes:
        """Return the `extra` of the tlog-proof."""
        members = {
            "v": VERSION,
            "event_id": self.event_id.hex,
            "recorded_at": str(self.recorded_at),
            "parts": [part.members() for part in self.parts],
        }
        return _encode(members).encode()

    @classmethod
    def parse(cls, data: bytes) -> Self:
        """Read an `extra`; raises `VerificationError`."""
        return cls._of(decode_json(text_of(data, "the opening"), "the opening", number=_count))

    @classmethod
    def of_line(cls, line: bytes) -> Self:
        """Read a line of a bundle's events, which has one spelling; raises `VerificationError`."""
        value = same_again(text_of(line, "an opening"), _encode)
        if value is None:
            raise VerificationError("an opening is not JSON in its only spelling")
        return cls._of(value)

    @classmethod
    def _of(cls, value: object) -> Self:
        version, event_id, recorded_at, parts = _members(value, "v", "event_id", "recorded_at", "parts")
        if version != VERSION:
            raise VerificationError(f"this is not a {VERSION}")
        if not isinstance(parts, list) or len(parts) != len(PART_NAMES):
            raise VerificationError(f"an opening has {len(PART_NAMES)} parts")
        identifier = bytes_of_hex(event_id, "the event id")
        if len(identifier) != _ID_SIZE:
            raise VerificationError("an event id has 16 bytes")
        opened = tuple(_opened(i, part) for i, part in enumerate(parts))
        if isinstance(opened[HEAD], ClosedPart):
            raise VerificationError("the head is always open")
        return cls(UUID(bytes=identifier), number_of(_text(recorded_at), "recorded_at"), opened)


def open_event(
    event_id: UUID,
    recorded_at: int,
    parts: Parts,
    salt: bytes,
    personal_salt: bytes,
    *,
    extent: Collection[str],
    items: Iterable[int],
) -> Opening:
    """Open `head`, the parts named in `extent`, and of `what` the items at these indices.

    With `what` in the extent the number of items is shown even when none is opened; without it `what` is open exactly
    when an item is. Parts that were erased stay closed.
    """
    salts = part_salts(salt)
    erased = len(personal_salt) == ERASED_SIZE
    salts += [b"", b""] if erased else personal_salts(personal_salt)
    commitments = part_commitments(parts, salt, personal_salt)
    root, openings = open_items(parts, salt, items)
    opened: list[Opened] = []
    for i, name in enumerate(PART_NAMES):
        if i == WHAT and (openings or name in extent):
            opened.append(OpenWhat(salts[WHAT], len(parts.what), root, openings))
        elif i != WHAT and (i == HEAD or name in extent) and not (erased and i >= PERSONAL):
            opened.append(OpenPart(salts[i], getattr(parts, name)))
        else:
            opened.append(ClosedPart(commitments[i]))
    return Opening(event_id, recorded_at, tuple(opened))


def _opened(part: int, value: object) -> Opened:
    if isinstance(value, dict) and "c" in value:
        (digest,) = _members(value, "c")
        return ClosedPart(hash_of_hex(digest, "a commitment"))
    if part == WHAT:
        salt, count, root, items = _members(value, "s", "n", "root", "items")
        return _open_what(salt, count, root, items)
    salt, content = _members(value, "s", "bytes")
    return OpenPart(hash_of_hex(salt, "a salt"), bytes_of_base64(content, "the bytes of a part"))


def _open_what(salt: str, count: object, root: str, items: object) -> OpenWhat:
    if not _is_number(count) or not isinstance(items, list) or not len(items) <= count <= MAX_ITEMS:
        raise VerificationError("the number of items is not what it may be")
    openings = tuple(_item(item, bare=len(items) == count) for item in items)
    indices = [opening.index for opening in openings]
    if any(after <= before for before, after in pairwise(indices)):
        raise VerificationError("the items are not in order")
    if indices and not 0 <= indices[0] <= indices[-1] < count:
        raise VerificationError("an item has an index outside the number of items")
    return OpenWhat(hash_of_hex(salt, "a salt"), count, hash_of_hex(root, "the root of the items"), openings)


def _item(value: object, *, bare: bool) -> ItemOpening:
    path: object = []
    if bare and isinstance(value, dict) and "path" not in value:
        index, salt, content = _members(value, "j", "t", "bytes")
    else:
        index, salt, content, path = _members(value, "j", "t", "bytes", "path")
    if not _is_number(index) or not isinstance(path, list):
        raise VerificationError("an item has an index and a path")
    nodes = tuple(hash_of_hex(node, "a hash of an item's path") for node in path)
    return ItemOpening(
        index,
        hash_of_hex(salt, "the salt of an item"),
        bytes_of_base64(content, "the bytes of an item"),
        nodes,
    )


def _members(value: object, *names: str) -> list[Any]:
    if isinstance(value, dict) and len(value) == len(names):
        try:
            return [value[name] for name in names]
        except KeyError:
            pass
    raise VerificationError(f"an opening has here the members {', '.join(names)} and no others")


def _is_number(value: object) -> TypeGuard[int]:
    # JSON's `true` and `false` come as Python's, which are the integers 1 and 0.
    return isinstance(value, int) and not isinstance(value, bool)


def _text(value: object) -> str:
    if not isinstance(value, str):
        raise VerificationError("an opening has here a string")
    return value


def _count(text: str) -> int:
    return number_of(text, "a number of the opening")
