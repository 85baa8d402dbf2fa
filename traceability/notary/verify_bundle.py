"""Check a bundle: every event of an answer, in the log that signed it, by one proof (docs/guide/bundles.md)."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import islice, pairwise

from traceability.ledger.parts import PART_NAMES, WHAT
from traceability.notary.answer import check_answer
from traceability.notary.archive import read_archive
from traceability.notary.bundle import (
    ANSWER,
    EVENTS,
    MANIFEST,
    POLICY,
    README,
    REPEATING,
    BundledLog,
    Kind,
    Manifest,
    checkpoint_name,
    lines_of,
    proof_name,
)
from traceability.notary.errors import VerificationError
from traceability.notary.multiproof import MAX_LEAVES, MultiProof
from traceability.notary.receipt import Opening, OpenWhat
from traceability.notary.trust import Trust, TrustedCheckpoint


@dataclass(frozen=True, slots=True)
class ProvenLog:
    """Events of one log: `openings[k]` is leaf `indices[k]` of the tree of `signed`."""

    log: BundledLog
    signed: TrustedCheckpoint
    indices: tuple[int, ...]
    openings: tuple[Opening, ...]

    @property
    def positions(self) -> list[int]:
        """The positions of the events in the ledger, as the bundle numbers them."""
        return [self.log.first_position + index for index in self.indices]


@dataclass(frozen=True, slots=True)
class VerifiedBundle:
    """What a bundle proves; `answer` names no events but these. `unchecked` are files that nobody has looked at."""

    manifest: Manifest
    answer: bytes
    logs: tuple[ProvenLog, ...]
    unchecked: tuple[str, ...]

    @property
    def events(self) -> int:
        """The number of events."""
        return sum(len(log.indices) for log in self.logs)

    def lines(self) -> list[str]:
        """Say in plain words what is proven, what is withheld and what is not proven."""
        lines = []
        for log in self.logs:
            checkpoint = log.signed.checkpoint
            lines.append(f"proven: {_counted(len(log.indices), 'event')} in {checkpoint.origin} of {checkpoint.size}")
            lines += log.signed.lines()
        kind, reader, known_at = self.manifest.kind, _printable(self.manifest.reader), self.manifest.known_at
        lines += [
            "proven: what is shown of each event is what the log committed to",
            f"proven: {ANSWER} names no event but these",
            f"said by the bundle: this is an answer of kind {kind} to {reader}, as known at position {known_at}",
            f"withheld, if it exists: {', '.join(self.withheld()) or 'nothing'}",
        ]
        if kind in REPEATING:
            lines.insert(-2, f"proven: what {ANSWER} says of these events is what is shown of them")
            lines.append(f"not proven: what else stands in {ANSWER}, and that it answers the question")
        else:
            lines.append(f"not proven: that {ANSWER} follows from these events; nobody signs answers")
        if kind is not Kind.EVIDENCE:
            lines.append("not proven: that no other event about the same things was left out")
        if self.unchecked:
            lines.append(f"not checked: {', '.join(self.unchecked)}")
        return lines

    def withheld(self) -> list[str]:
        """Tell what is withheld of how many events."""
        parts, items = Counter[str](), 0
        for log in self.logs:
            for opening in log.openings:
                parts.update(opening.closed())
                what = opening.parts[WHAT]
                items += what.count - len(what.items) if isinstance(what, OpenWhat) else 0
        told = [f"{name} of {_counted(parts[name], 'event')}" for name in PART_NAMES if parts[name]]
        return [_counted(items, "item"), *told] if items else told


def verify_bundle(data: bytes, trust: Trust) -> VerifiedBundle:
    """Check a bundle against the keys and the policy that are trusted; raises `VerificationError`, whatever it is.

    Reads everything into memory, within the limits of the format.
    """
    files = read_archive(data)
    manifest = Manifest.parse(_file(files, MANIFEST))
    for name in (README, POLICY):
        _file(files, name)
    lines = lines_of(_file(files, EVENTS))
    logs = tuple(_proven(files, trust, log, number, lines) for number, log in enumerate(manifest.logs, start=1))
    if next(lines, None) is not None:
        raise VerificationError("the bundle has events that no proof is of")
    if sum(len(log.indices) for log in logs) > MAX_LEAVES:
        raise VerificationError(f"a bundle has at most {MAX_LEAVES} events", code="bundle.too_large")
    answer = _file(files, ANSWER)
    _check_apart(logs)
    check_answer(
        answer,
        manifest,
        {p: opening for log in logs for p, opening in zip(log.positions, log.openings, strict=True)},
        {p: leaf for log in logs for p, leaf in zip(log.positions, log.indices, strict=True)},
    )
    known = {MANIFEST, ANSWER, EVENTS, README, POLICY}
    for number in range(1, len(logs) + 1):
        known |= {checkpoint_name(number), proof_name(number)}
    return VerifiedBundle(manifest, answer, logs, tuple(name for name in files if name not in known))


def _proven(files: dict[str, bytes], trust: Trust, log: BundledLog, number: int, lines: Iterator[bytes]) -> ProvenLog:
    signed = trust.open(_file(files, checkpoint_name(number)), log.key)
    proof = MultiProof.parse(_file(files, proof_name(number)))
    if proof.size != signed.checkpoint.size:
        raise VerificationError("the multi-proof is of another tree size than the checkpoint", code="log.inclusion")
    openings = tuple(Opening.of_line(line) for line in islice(lines, len(proof.indices)))
    if proof.root([opening.leaf_hash() for opening in openings]) != signed.checkpoint.root:
        raise VerificationError("what is shown is not in the log's tree", code="log.inclusion")
    return ProvenLog(log, signed, proof.indices, openings)


def _check_apart(logs: tuple[ProvenLog, ...]) -> None:
    if any(after.log.first_position <= before.positions[-1] for before, after in pairwise(logs)):
        raise VerificationError("two logs of the bundle have the same positions")


def _file(files: dict[str, bytes], name: str) -> bytes:
    if name not in files:
        raise VerificationError(f"the bundle has no {name}", code="bundle.incomplete")
    return files[name]


def _counted(count: int, noun: str) -> str:
    return f"{count} {noun}" if count == 1 else f"{count} {noun}s"


def _printable(text: str) -> str:
    return "".join(c if c.isprintable() else c.encode("unicode_escape").decode() for c in text)
