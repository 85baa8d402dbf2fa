"""The audit export: every opening of a log, in order, and the checkpoint that they add up to (docs/guide/audit.md).

`trace-audit/1`, a line, then frames: kind (one byte) ‖ u32 length ‖ body, integers big-endian. One `H`, what the log
and the ledger are called; one `E` an event; `R`, the erasures that were recorded after the tree; last one `C`, the
signed checkpoint. Positions are not written: they are counted from the log's first.

The export of a chain of logs is the exports of its logs one behind the other, in one file or in several.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import accumulate
from json import dumps
from typing import Any, Final, Protocol, Self
from uuid import UUID

from traceability.ledger.commitment import ERASED_SIZE, SALT_SIZE, commit, entry_of, leaf_hash
from traceability.ledger.parts import PART_NAMES, Parts
from traceability.merkle import HASH_SIZE, CompactRange
from traceability.notary.age import CHUNK
from traceability.notary.checkpoint import Checkpoint, open_checkpoint
from traceability.notary.content import decode_json
from traceability.notary.encoding import text_of
from traceability.notary.errors import VerificationError
from traceability.notary.note import VerifierKey
from traceability.notary.ports import StoredEvent

MAGIC: Final = b"trace-audit/1\n"
_HEADER, _EVENT, _ERASURE, _CHECKPOINT = b"H", b"E", b"R", b"C"
_FRAME: Final = 5
_END_OF_TIME: Final = 253_402_300_799_999_999  # microseconds; what comes later has no date in most calendars
_FIXED: Final = 16 + 8 + HASH_SIZE + SALT_SIZE + 1


@dataclass(frozen=True, slots=True)
class ExportHeader:
    """What an export is of.

    `personal` are the members that the ledger keeps apart; `readers` say what each organisation could see when the
    export was made, as JSON. Of all this only `origin` is proven, by the checkpoint; the rest its maker says.
    """

    ledger: str
    log: str
    origin: str
    vkey: str
    first_position: int
    size: int
    personal: tuple[str, ...] = ()
    readers: tuple[Mapping[str, Any], ...] = ()

    @classmethod
    def parse(cls, data: bytes) -> Self:
        """Read the body of the frame; raises `VerificationError`."""
        members = _members(data, "the header")
        try:
            header = cls(**{**members, "personal": tuple(members["personal"]), "readers": tuple(members["readers"])})
        except (TypeError, KeyError) as error:
            raise VerificationError("the header lacks a member, or has another", code="audit.format") from error
        texts = (header.ledger, header.log, header.origin, header.vkey, *header.personal)
        numbers = (header.first_position, header.size)
        right = all(isinstance(text, str) for text in texts) and all(type(number) is int for number in numbers)
        if not right or not all(isinstance(one, dict) for one in header.readers) or header.first_position < 1:
            raise VerificationError("a member of the header is of another kind", code="audit.format")
        return header

    @property
    def last_position(self) -> int:
        """The position of the last event, `first_position` − 1 when there is none."""
        return self.first_position + self.size - 1

    def body(self) -> bytes:
        """Return the body of the frame."""
        return _json({name: getattr(self, name) for name in self.__slots__})


@dataclass(frozen=True, slots=True)
class Erasure:
    """The event at `position` was erased, as the `ledger.redacted.v1` event at `redacted_by` says."""

    position: int
    event_id: UUID
    reason: str
    authority: str
    redacted_by: int

    @classmethod
    def of(cls, members: object) -> Self:
        """Read its JSON object; raises `VerificationError`."""
        try:
            given: dict[str, Any] = dict(members) if isinstance(members, dict) else {}
            erasure = cls(**{**given, "event_id": UUID(given["event_id"])})
        except (TypeError, KeyError, ValueError, AttributeError) as error:
            raise VerificationError(
                "an erasure has position, event_id, reason, authority and redacted_by", code="audit.erasure"
            ) from error
        numbers, texts = (erasure.position, erasure.redacted_by), (erasure.reason, erasure.authority)
        if not all(type(one) is int for one in numbers) or not all(isinstance(one, str) for one in texts):
            raise VerificationError("a member of an erasure is of another kind", code="audit.erasure")
        return erasure

    def members(self) -> dict[str, Any]:
        """Return its JSON object."""
        return {name: getattr(self, name) for name in self.__slots__} | {"event_id": str(self.event_id)}


def write_export(
    header: ExportHeader, events: Iterable[StoredEvent], erasures: Callable[[], Iterable[Erasure]], note: str
) -> Iterator[bytes]:
    """Yield an export, an event at a time.

    `erasures` are asked for at the end: an event may be erased after it was written.
    """
    yield MAGIC
    yield _frame(_HEADER, header.body())
    for event in events:
        yield _frame(_EVENT, _event_body(event))
    for erasure in erasures():
        yield _frame(_ERASURE, _json(erasure.members()))
    yield _frame(_CHECKPOINT, note.encode())


def checked(events: Iterable[StoredEvent], checkpoint: Checkpoint) -> Iterator[StoredEvent]:
    """Pass on the events of a log if they are what was signed: an export that does not verify rescues nothing.

    Raises `VerificationError`, which names the first leaf that is not what it should be, or in the end `log.root`.
    """
    tree, recorded_at = CompactRange(), 0
    for event in events:
        if commit(event.parts, event.salt, event.personal_salt) != event.commitment:
            raise VerificationError(f"leaf {tree.size} has parts that its commitment is not of", code="log.commitment")
        _check(event, tree.size, recorded_at)
        recorded_at = event.recorded_at
        tree.append(event.leaf_hash)
        yield event
    _check_root(checkpoint, tree)


class Plain(Protocol):
    """The plain text of a file, read from any place."""

    size: int

    def read(self, start: int, end: int) -> bytes:
        """Return bytes start … end−1, as far as there are."""
        ...


class Joined:
    """Several plain texts, read as if they were one."""

    def __init__(self, texts: Sequence[Plain]) -> None:
        *starts, self.size = accumulate((text.size for text in texts), initial=0)
        self._texts = list(zip(starts, texts, strict=True))

    def read(self, start: int, end: int) -> bytes:
        """Return bytes start … end−1, as far as there are."""
        return b"".join(text.read(max(start - at, 0), end - at) for at, text in self._texts if end > at)


class AuditExport:
    """The export of a log, or of logs that follow each other, that is being read.

    Everything raises `VerificationError`, whatever the bytes are.
    """

    def __init__(self, plain: Plain) -> None:
        self._plain = plain
        self._at = 0
        self._buffer, self._start = b"", 0
        self.header = self._header()
        """That of the first log."""
        self.headers: list[ExportHeader] = [self.header]
        """Those of all logs, once the events were read."""
        self.erasures: list[Erasure] = []
        """Known once the events were read."""

    @property
    def size(self) -> int:
        """How many events there are, as far as the headers are known."""
        return sum(header.size for header in self.headers)

    def verified(self, *keys: VerifierKey) -> Iterator[tuple[int, StoredEvent]]:
        """Yield where each event's frame starts and the event; every leaf is rebuilt, and at each log's end the root.

        `keys` are those of the logs, in any order. Raises `VerificationError` that names the first leaf that is not
        what it should be, or at a log's end `log.root`, `log.origin`, `log.signature` and whatever else is wrong with
        the checkpoint; `audit.chain` for a log that does not go on where the one ahead of it ends. Nothing is proven
        before the end.
        """
        self._at, self.headers, self.erasures = 0, [], []
        recorded_at = 0
        while self._at < self._plain.size or not self.headers:
            header, tree = self._header(), CompactRange()
            _check_follows(self.headers, header)
            self.headers.append(header)
            while True:
                start = self._at
                kind, body = self._next()
                if kind != _EVENT:
                    break
                event = _event(body, header.first_position + tree.size)
                _check(event, tree.size, recorded_at)
                recorded_at = event.recorded_at
                tree.append(event.leaf_hash)
                yield start, event
            while kind == _ERASURE:
                self.erasures.append(Erasure.of(_members(body, "an erasure")))
                kind, body = self._next()
            if kind != _CHECKPOINT:
                raise VerificationError("the export does not end with its checkpoint", code="audit.format")
            _check_end(header, body, keys, tree)

    def event_at(self, start: int, position: int) -> StoredEvent:
        """Read an event again whose frame starts here."""
        self._at = start
        kind, body = self._next()
        if kind != _EVENT:
            raise VerificationError("there is no event at this place of the export", code="audit.format")
        return _event(body, position)

    def _header(self) -> ExportHeader:
        if self._take(len(MAGIC)) != MAGIC:
            raise VerificationError("this is not an audit export of a version that is known", code="audit.format")
        kind, body = self._next()
        if kind != _HEADER:
            raise VerificationError("the export has no header", code="audit.format")
        return ExportHeader.parse(body)

    def _next(self) -> tuple[bytes, bytes]:
        head = self._take(_FRAME)
        return head[:1], self._take(int.from_bytes(head[1:], "big"))

    def _take(self, count: int) -> bytes:
        start, end = self._at, self._at + count
        if end > self._plain.size:
            raise VerificationError("the export ends within a frame", code="audit.format")
        if not self._start <= start <= end <= self._start + len(self._buffer):
            self._buffer, self._start = self._plain.read(start, max(end, start + CHUNK)), start
        self._at = end
        return self._buffer[start - self._start : end - self._start]


def _check(event: StoredEvent, leaf: int, recorded_at: int) -> None:
    if event.recorded_at > _END_OF_TIME:
        raise VerificationError(f"leaf {leaf} was recorded after the year 9999", code="log.time")
    if event.recorded_at < recorded_at:
        raise VerificationError(f"leaf {leaf} was recorded before the one ahead of it", code="log.time")
    if len(event.personal_salt) == ERASED_SIZE and (event.parts.personal or event.parts.source):
        raise VerificationError(f"leaf {leaf} is erased but has content", code="log.erased_content")
    if leaf_hash(entry_of(event.event_id, event.recorded_at, event.commitment)) != event.leaf_hash:
        raise VerificationError(f"leaf {leaf} has parts that its hash is not of", code="log.leaf")


def _check_follows(before: Sequence[ExportHeader], header: ExportHeader) -> None:
    if not before:
        return
    last = before[-1]
    if header.first_position != last.last_position + 1 or header.ledger != last.ledger:
        raise VerificationError(
            f"the log {header.log} of {header.ledger} begins at position {header.first_position}, but {last.log} of"
            f" {last.ledger} ends at {last.last_position}",
            code="audit.chain",
            hint="Give whole logs of one ledger, in their order.",
        )
    if header.origin in {one.origin for one in before}:
        raise VerificationError(f"{header.origin} is there twice, with two histories", code="audit.chain")


def _check_end(header: ExportHeader, note: bytes, keys: Sequence[VerifierKey], tree: CompactRange) -> None:
    key = next((key for key in keys if key.name == header.origin), None)
    if key is None:
        raise VerificationError(
            f"no key of the log {header.origin} was given",
            code="log.unverified_note",
            hint="Each log has its own: traceability log key --log NAME, or whoever published it.",
        )
    checkpoint, _ = open_checkpoint(note, key)
    if checkpoint != Checkpoint(header.origin, header.size, checkpoint.root, checkpoint.extensions):
        raise VerificationError("the checkpoint is of another log or size than the header says", code="log.origin")
    _check_root(checkpoint, tree)


def _check_root(checkpoint: Checkpoint, tree: CompactRange) -> None:
    if (tree.size, tree.root()) != (checkpoint.size, checkpoint.root):
        raise VerificationError(
            f"the {tree.size} events do not give the root that was signed for size {checkpoint.size}", code="log.root"
        )


def _event_body(event: StoredEvent) -> bytes:
    head, *rest = event.parts.flat()
    pieces = [
        event.event_id.bytes,
        event.recorded_at.to_bytes(8, "big"),
        event.leaf_hash,
        event.salt,
        bytes((len(event.personal_salt),)),
        event.personal_salt,
    ]
    for part in (head, b"\n".join(event.parts.what), *rest):
        pieces += (len(part).to_bytes(4, "big"), part)
    return b"".join(pieces)


def _event(body: bytes, position: int) -> StoredEvent:
    at = _FIXED + body[_FIXED - 1] if len(body) >= _FIXED else 0
    if not at or at > len(body) or at - _FIXED not in (SALT_SIZE, ERASED_SIZE):
        raise _misshapen(position)
    personal_salt = body[_FIXED:at]
    parts: list[bytes] = []
    while at + 4 <= len(body) and len(parts) < len(PART_NAMES):
        end = at + 4 + int.from_bytes(body[at : at + 4], "big")
        parts.append(body[at + 4 : end])
        at = end
    if at != len(body) or len(parts) != len(PART_NAMES):
        raise _misshapen(position)
    event_id, recorded_at = UUID(bytes=body[:16]), int.from_bytes(body[16:24], "big")
    leaf, salt = body[24 : 24 + HASH_SIZE], body[24 + HASH_SIZE : _FIXED - 1]
    head, what, *rest = parts
    opened = Parts(head, tuple(what.split(b"\n")) if what else (), *rest)
    commitment = commit(opened, salt, personal_salt)
    return StoredEvent(position, event_id, recorded_at, leaf, commitment, salt, personal_salt, opened)


def _misshapen(position: int) -> VerificationError:
    return VerificationError(f"the event at position {position} has not the form of one", code="audit.format")


def _frame(kind: bytes, body: bytes) -> bytes:
    return kind + len(body).to_bytes(4, "big") + body


def _members(data: bytes, what: str) -> dict[str, Any]:
    members = decode_json(text_of(data, what), what, number=int)
    if not isinstance(members, dict):
        raise VerificationError(f"{what} is not a JSON object", code="audit.format")
    return members


def _json(value: Mapping[str, Any] | Sequence[Any]) -> bytes:
    return dumps(value, ensure_ascii=False, separators=(",", ":")).encode()
