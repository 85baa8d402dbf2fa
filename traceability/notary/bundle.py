"""What a bundle says of itself, and what its answer may name (docs/guide/bundles.md, trace-bundle/1)."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from enum import StrEnum
from itertools import pairwise
from typing import Any, BinaryIO, Final, NoReturn, Self

from traceability.notary.archive import write_archive
from traceability.notary.checkpoint import Checkpoint
from traceability.notary.content import decode_json
from traceability.notary.encoding import number_of, text_of
from traceability.notary.errors import DamagedLogError, VerificationError
from traceability.notary.frontier import ReadTile
from traceability.notary.multiproof import prove_leaves
from traceability.notary.note import VerifierKey
from traceability.notary.policy import Policy
from traceability.notary.receipt import Opening
from traceability.notary.tree import TiledTree

VERSION: Final = "trace-bundle/1"
MAX_LOGS: Final = 20
README, MANIFEST, ANSWER, EVENTS, POLICY = "README.txt", "bundle.json", "answer.json", "events.ndjson", "policy"
_MEMBERS: Final = ("v", "kind", "reader", "question", "known_at", "logs")
_POSITIONS: Final = "positions"
_LOG_MEMBERS: Final = ("vkey", "first_position")
_POSITION_MEMBERS: Final = ("position", "opened_by", "closed_by")
_NAMING: Final = frozenset({*_POSITION_MEMBERS, "positions", "retracted_by"})


def checkpoint_name(number: int) -> str:
    """Return the name of the file with the checkpoint of log `number`, from 1."""
    return f"{number}.checkpoint"


def proof_name(number: int) -> str:
    """Return the name of the file with the multi-proof of log `number`, from 1."""
    return f"{number}.proof"


class Kind(StrEnum):
    """What an answer is: of a thing, of a trace, an aircraft part, a page of events of EPCIS, a piece of evidence."""

    ITEM = "item"
    TRACE = "trace"
    PART = "part"
    EVENTS = "events"
    EVIDENCE = "evidence"


REPEATING: Final = frozenset({Kind.EVENTS, Kind.EVIDENCE})
"""Answers that only repeat what their events say, so that a verifier compares the two."""


@dataclass(frozen=True, slots=True)
class BundledLog:
    """A log that events of the bundle are in; the event at position p is its leaf p − `first_position`."""

    key: VerifierKey
    first_position: int


@dataclass(frozen=True, slots=True)
class Manifest:
    """The file `bundle.json`: which answer this is, to whom and to what question, and the logs in order of position.

    `positions` are those of the events of a page, in the order of the page; an EPCIS document has none in it.
    """

    kind: Kind
    reader: str
    question: dict[str, Any]
    known_at: int
    logs: tuple[BundledLog, ...]
    positions: tuple[int, ...] = ()

    def encode(self) -> bytes:
        """Return the bytes of the file."""
        members: dict[str, Any] = {
            "v": VERSION,
            "kind": self.kind,
            "reader": self.reader,
            "question": self.question,
            "known_at": self.known_at,
            "logs": [{"vkey": log.key.text, "first_position": log.first_position} for log in self.logs],
        }
        if self.kind is Kind.EVENTS:
            members[_POSITIONS] = self.positions
        return json.dumps(members, indent=2).encode() + b"\n"

    @classmethod
    def parse(cls, data: bytes) -> Self:
        """Read the file; raises `VerificationError`."""
        value = decode_json(text_of(data, MANIFEST), MANIFEST, number=lambda text: number_of(text, "a number"))
        of_page = isinstance(value, dict) and value.get("kind") == Kind.EVENTS
        names = (*_MEMBERS, _POSITIONS) if of_page else _MEMBERS
        version, kind, reader, question, known_at, logs, *positions = _members(value, names)
        if version != VERSION:
            raise VerificationError(f"this is not a {VERSION}")
        if kind not in list(Kind) or not isinstance(reader, str) or not isinstance(question, dict):
            raise VerificationError(f"{MANIFEST} has a kind, a reader or a question that cannot be")
        if not isinstance(logs, list) or not 0 < len(logs) <= MAX_LOGS:
            raise VerificationError(f"a bundle is of 1 to {MAX_LOGS} logs")
        bundled = tuple(_log(log) for log in logs)
        if any(after.first_position <= before.first_position for before, after in pairwise(bundled)):
            raise VerificationError("the logs of the bundle are not in order of position")
        places = tuple(_number(position) for position in _list(positions[0])) if of_page else ()
        return cls(Kind(kind), reader, question, _number(known_at), bundled, places)


@dataclass(slots=True)
class Named:
    """What an answer names: positions, which event is said to be where, and events by their id."""

    known_at: int | None = None
    positions: set[int] = field(default_factory=set)
    events: set[tuple[int, str]] = field(default_factory=set)
    leaves: set[tuple[int, int]] = field(default_factory=set)
    event_ids: set[str] = field(default_factory=set)

    def note(self, pairs: list[tuple[str, Any]]) -> dict[str, Any]:
        """Take in one object of the answer and return it; raises `VerificationError`."""
        value = dict(pairs)
        if len(value) != len(pairs):
            raise VerificationError(f"{ANSWER} repeats a member", code="log.repeated_member")
        if _NAMING.isdisjoint(value):
            return value
        for name in _POSITION_MEMBERS:
            if (position := value.get(name)) is not None:
                self.positions.add(_number(position))
        if "positions" in value:
            self.positions.update(map(_number, _list(value["positions"])))
        if (position := value.get("position")) is not None:
            if "event_id" in value:
                self.events.add((position, _string(value["event_id"])))
            if (leaf := value.get("leaf_index")) is not None:
                self.leaves.add((position, _number(leaf)))
        if (event_id := value.get("retracted_by")) is not None:
            self.event_ids.add(_string(event_id))
        return value


def names_in(answer: bytes) -> Named:
    """Read what an answer names, at any depth; raises `VerificationError`."""

    def refuse(_constant: str) -> NoReturn:
        raise VerificationError(f"{ANSWER} is not JSON")

    named = Named()
    try:
        value = json.loads(text_of(answer, ANSWER), object_pairs_hook=named.note, parse_constant=refuse)
    except (ValueError, RecursionError) as error:
        raise VerificationError(f"{ANSWER} is not JSON") from error
    if not isinstance(value, dict):
        raise VerificationError(f"{ANSWER} is not a JSON object")
    if "known_at" in value:
        named.known_at = _number(value["known_at"])
    return named


def strings_in(answer: bytes) -> set[str]:
    """Return every string of an answer of ours, names of members included."""
    found: set[str] = set()
    waiting: list[Any] = [json.loads(answer)]
    while waiting:
        value = waiting.pop()
        if isinstance(value, str):
            found.add(value)
        elif isinstance(value, dict):
            found.update(value)
            waiting += value.values()
        elif isinstance(value, list):
            waiting += value
    return found


def lines_of(events: bytes) -> Iterator[bytes]:
    """Yield the lines of `events.ndjson`; raises `VerificationError` when the last one has no end."""
    if not events.endswith(b"\n"):
        raise VerificationError(f"{EVENTS} is cut off")
    yield from events[:-1].split(b"\n")


@dataclass(frozen=True, slots=True)
class LogShare:
    """The leaves `indices` of a log, to be proven in the tree of a signed checkpoint (`note`, byte for byte)."""

    log: BundledLog
    checkpoint: Checkpoint
    note: bytes
    read: ReadTile
    indices: Sequence[int]


def write_bundle(
    out: BinaryIO,
    manifest: Manifest,
    answer: bytes,
    *,
    policy: Policy,
    shares: Sequence[LogShare],
    openings: Iterable[Opening],
) -> None:
    """Write a bundle of an answer into `out`, which is empty and seekable.

    `openings` are of the leaves of all shares, in order of position; one is in memory at a time. Raises
    `DamagedLogError` when tiles and openings do not prove what they should, and then `out` holds nothing of use: a
    bundle that does not verify must not be handed out.
    """
    leaf_hashes: list[bytes] = []
    sizes = [share.checkpoint.size for share in shares]
    try:
        write_archive(
            out,
            [
                (README, [readme(manifest, sizes)]),
                (MANIFEST, [manifest.encode()]),
                (ANSWER, [answer]),
                (POLICY, [policy.encode()]),
                (EVENTS, _lines(openings, leaf_hashes)),
            ]
            + [(checkpoint_name(number), [share.note]) for number, share in enumerate(shares, start=1)]
            + [(proof_name(number), _proof(share, leaf_hashes)) for number, share in enumerate(shares, start=1)],
        )
    except VerificationError as error:
        raise DamagedLogError(f"the records or tiles behind the answer are not as they must be: {error}") from error
    if leaf_hashes:
        raise DamagedLogError("the openings of a bundle are not those of its leaves")


def _lines(openings: Iterable[Opening], leaf_hashes: list[bytes]) -> Iterator[bytes]:
    for opening in openings:
        leaf_hashes.append(opening.leaf_hash())
        yield opening.encode() + b"\n"


def _proof(share: LogShare, leaf_hashes: list[bytes]) -> Iterator[bytes]:
    """Yield the proof of a share, and take the hashes of its leaves away."""
    own, leaf_hashes[:] = leaf_hashes[: len(share.indices)], leaf_hashes[len(share.indices) :]
    proof = prove_leaves(TiledTree(share.checkpoint.size, share.read), share.indices)
    if proof.root(own) != share.checkpoint.root:
        raise VerificationError("events cannot be proven from the published tiles")
    yield proof.encode()


def readme(manifest: Manifest, sizes: Iterable[int]) -> bytes:
    """Return the file `README.txt`; `sizes` are the tree sizes of the logs' checkpoints."""
    logs = [f"  {log.key.name}, {size} leaves" for log, size in zip(manifest.logs, sizes, strict=True)]
    keys = " ".join(f"--key '{log.key.text}'" for log in manifest.logs)
    follows = _REPEATS if manifest.kind in REPEATING else _FOLLOWS
    told = _README.format(kind=manifest.kind, reader=manifest.reader, logs="\n".join(logs), keys=keys)
    return (told + follows).encode()


_README: Final = """\
answer.json is an answer ({kind}), given to {reader}. This bundle proves that every event behind it is in the log:
{logs}

To verify it without the server that made it, get the log's public key from somebody whom you trust, then with the
Python package `traceability`, offline:
  python -m traceability.notary.verify FILE.zip {keys}
Or write a verifier yourself: the format is trace-bundle/1, docs/guide/bundles.md in the sources of traceability. It is
made of RFC 6962 hashes, C2SP checkpoints (https://c2sp.org) and JSON.

The key above is what the server says. Compare it: whoever forges a bundle writes a key of his own here.
Proven: each event in events.ndjson is in the log, and what is shown of it is what the log committed to.
"""
_FOLLOWS: Final = """\
Not proven: that the answer follows from these events, that none was left out, that what was recorded is true.
"""
_REPEATS: Final = """\
Proven: what answer.json says of these events is what is shown of them.
Not proven: that none was left out, that what was recorded is true.
"""


def _log(value: object) -> BundledLog:
    vkey, first_position = _members(value, _LOG_MEMBERS)
    return BundledLog(VerifierKey.parse(_string(vkey)), _number(first_position))


def _members(value: object, names: tuple[str, ...]) -> list[Any]:
    if not isinstance(value, dict) or value.keys() != set(names):
        raise VerificationError(f"{MANIFEST} has here the members {', '.join(names)} and no others")
    return [value[name] for name in names]


def _number(value: object) -> int:
    # JSON's `true` comes as Python's, which is the integer 1.
    if not isinstance(value, int) or isinstance(value, bool) or value < 0:
        raise VerificationError("a position or leaf index is a number from 0 on")
    return value


def _string(value: object) -> str:
    if not isinstance(value, str):
        raise VerificationError("a key or the id of an event is a string")
    return value


def _list(value: object) -> list[Any]:
    if not isinstance(value, list):
        raise VerificationError("positions are a list")
    return value
