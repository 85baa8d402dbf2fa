"""What has to happen between the signing of a checkpoint and its serving: enough witnesses cosign it."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Protocol

from traceability.errors import UnavailableError
from traceability.notary.checkpoint import open_checkpoint
from traceability.notary.errors import RolledBackError, VerificationError
from traceability.notary.note import Signature, VerifierKey, split_note
from traceability.notary.policy import Policy, PolicyWitness
from traceability.notary.ports import Cosignature, LogDatabase, SignedCheckpoint

ConsistencyPath = Callable[[int], Sequence[bytes]]
"""Gives the proof that the tree to be cosigned extends its first leaves, as many as asked."""


class UnmetQuorumError(UnavailableError):
    """Too few witnesses cosigned a checkpoint; the one before stays served, and the same is tried again."""

    code = "log.quorum"


@dataclass(frozen=True, slots=True)
class WitnessAnswer:
    """What came of asking a witness: a cosignature that verifies, or the reason why there is none.

    `ahead` is the size that the witness says it has cosigned, when that is beyond the checkpoint. Nobody signed that.
    """

    witness: PolicyWitness
    cosignature: Signature | None = None
    ahead: int | None = None
    reason: str = ""


class Witnesses(Protocol):
    """The witnesses of a policy, wherever they are."""

    @property
    def policy(self) -> Policy:
        """Whom to ask, and whose cosignatures are enough."""
        ...

    def ask(
        self, witnesses: Sequence[PolicyWitness], signed: SignedCheckpoint, proof: ConsistencyPath
    ) -> Sequence[WitnessAnswer]:
        """Ask these for a cosignature, all at the same time, and give the answer of each; raises nothing of theirs."""
        ...

    def latest(self, origin: str) -> Sequence[tuple[PolicyWitness, bytes]]:
        """Return the notes that they serve as their latest of a log, those that can be had now; nothing is checked."""
        ...


def check_not_ahead_of_witnesses(witnesses: Witnesses, database: LogDatabase, key: VerifierKey) -> None:
    """Raise `RolledBackError` when a witness shows a checkpoint with our signature that the database does not know.

    It is asked before anything is signed: the witness would refuse what a restored database signs, but it would then
    have two histories under one key.
    """
    for witness, note in witnesses.latest(key.name):
        try:
            checkpoint, _ = open_checkpoint(note, key)
        except VerificationError:
            continue  # what our key did not sign says nothing about us
        known = database.signed_at_size(checkpoint.size)
        if known is None or known.checkpoint.root != checkpoint.root:
            raise _rolled_back(witness, checkpoint.size, database)


def cosigned_note(witnesses: Witnesses, database: LogDatabase, signed: SignedCheckpoint, proof: ConsistencyPath) -> str:
    """Return the note with the cosignatures that the policy asks for, after its own, in the policy's order.

    Those that are had already are not asked for again, and what comes is stored before it is used. Raises
    `UnmetQuorumError`, and `RolledBackError` when a witness says that it has cosigned more than was ever signed here,
    and shows it: without our signature under it, a witness that lies could stop the log.
    """
    policy, size = witnesses.policy, signed.checkpoint.size
    text, _ = split_note(signed.note.encode())
    had = dict(_verified(policy, text, database.cosignatures(size)))
    missing = [witness for witness in policy.witnesses if witness.key not in had and witness.url is not None]
    answers = _asked(witnesses, database, signed, missing, proof)
    lines = had | {answer.witness.key: answer.cosignature.line() for answer in answers if answer.cosignature}
    if not policy.satisfied_by(lines):
        raise UnmetQuorumError(
            f"the quorum {policy.quorum!a} has not cosigned the checkpoint of size {size}:"
            f" {_missing(policy, lines, answers)}",
            hint="The checkpoint before stays served. Look at the witnesses, or at the policy.",
        )
    return signed.note + "".join(lines[key] for key in policy.witness_keys if key in lines)


def recosigned_note(
    witnesses: Witnesses,
    database: LogDatabase,
    signed: SignedCheckpoint,
    proof: ConsistencyPath,
    *,
    served: str,
    since: int,
) -> tuple[str, bool]:
    """Return the `served` note with newer cosignatures, and whether a quorum's are of POSIX second `since` or later.

    A checkpoint says nothing of time; its cosignatures do. A witness that is asked again for the tree that it knows
    (its old size is the size, and no proof) cosigns it at the present time. What a witness had signed stays
    until there is a newer line of it, so the note never loses a quorum. Nobody is asked while a quorum's are new: of
    two processes the second finds nothing to do. Raises `RolledBackError` as `cosigned_note` does.
    """
    policy, text = witnesses.policy, split_note(served.encode())[0]
    found = ((key, cosignature_in(served.removeprefix(f"{text}\n"), text, key)) for key in policy.witness_keys)
    lines = {key: (_seconds(key, signature), signature.line()) for key, signature in found if signature is not None}
    asked = [
        witness
        for witness in policy.witnesses
        if witness.url is not None and lines.get(witness.key, (-1, ""))[0] < since
    ]
    if _are_new(policy, lines, since) or not asked:
        return served, True
    # One that was down when the tree was published needs a proof; that is its first cosignature, and is kept as such.
    for answer in _asked(witnesses, database, signed, asked, proof):
        if (cosignature := answer.cosignature) is not None:
            key, new = answer.witness.key, (_seconds(answer.witness.key, cosignature), cosignature.line())
            lines[key] = max(lines.get(key, new), new)
    note = signed.note + "".join(lines[key][1] for key in policy.witness_keys if key in lines)
    return note, _are_new(policy, lines, since)


def kept_note(database: LogDatabase, signed: SignedCheckpoint) -> str:
    """Return the note of a stored checkpoint with all cosignatures of it that are kept and verify.

    An older checkpoint is served no more, and what it was served with is in the database. Whose lines a reader does not
    know he passes over, so those of witnesses that have left the policy are there, too.
    """
    text, _ = split_note(signed.note.encode())
    kept = [(VerifierKey.parse(one.vkey), one.line) for one in database.cosignatures(signed.checkpoint.size)]
    return signed.note + "".join(line for key, line in sorted(kept, key=_name) if cosignature_in(line, text, key))


def _name(kept: tuple[VerifierKey, str]) -> str:
    return kept[0].text


def _asked(
    witnesses: Witnesses,
    database: LogDatabase,
    signed: SignedCheckpoint,
    asked: Sequence[PolicyWitness],
    proof: ConsistencyPath,
) -> Sequence[WitnessAnswer]:
    """Ask, and keep what comes before it is used; raises `RolledBackError` when one shows that it is ahead."""
    answers = witnesses.ask(asked, signed, proof) if asked else []
    new = [Cosignature(one.witness.key.text, one.cosignature.line()) for one in answers if one.cosignature]
    if new:
        database.keep_cosignatures(signed.checkpoint.size, new)
    if any(answer.ahead is not None for answer in answers):
        check_not_ahead_of_witnesses(witnesses, database, VerifierKey.parse(database.identity.vkey))
    return answers


def _are_new(policy: Policy, lines: Mapping[VerifierKey, tuple[int, str]], since: int) -> bool:
    # Under the quorum `none` nobody is needed, and one that is new says as much as there is to say.
    new = [key for key, (seconds, _) in lines.items() if seconds >= since]
    return bool(new) and policy.satisfied_by(new)


def _seconds(key: VerifierKey, cosignature: Signature) -> int:
    return key.timestamp(cosignature) or 0


def _verified(policy: Policy, text: str, stored: Sequence[Cosignature]) -> Iterator[tuple[VerifierKey, str]]:
    # A line that does not verify would make readers who know the witness refuse the whole note.
    keys = {key.text: key for key in policy.witness_keys}
    for cosignature in stored:
        key = keys.get(cosignature.vkey)
        if key is not None and cosignature_in(cosignature.line, text, key) is not None:
            yield key, cosignature.line


def cosignature_in(lines: str, text: str, key: VerifierKey) -> Signature | None:
    """Return a witness's cosignature of a checkpoint's text out of signature lines; None when there is no good one.

    Lines of unknown keys are ignored, as tlog-witness asks; so is a cosignature without a time.
    """
    try:
        body, signatures = split_note(f"{text}\n{lines}".encode())
    except (VerificationError, UnicodeEncodeError):
        return None
    for signature in signatures:
        if (signature.name, signature.key_id) == (key.name, key.key_id):
            good = body == text and key.timestamp(signature) and key.accepts(text, signature)
            return signature if good else None
    return None


def _rolled_back(witness: PolicyWitness, size: int, database: LogDatabase) -> RolledBackError:
    last = database.last_signed()
    return RolledBackError(
        f"the witness {witness.key.name} has cosigned a tree of {size} leaves of {database.identity.origin}, which the"
        f" database does not know: it ends at {last.checkpoint.size if last else 0}",
        hint="The database was restored from an older state. This log cannot go on: close it with `traceability log"
        " close --abandon`, which opens a new one under a new origin.",
    )


def _missing(policy: Policy, lines: Mapping[VerifierKey, str], answers: Sequence[WitnessAnswer]) -> str:
    reasons = {answer.witness.key: answer.reason for answer in answers}
    return "; ".join(
        f"{witness.name!a}: {reasons.get(witness.key) or 'the policy has no address of it'}"
        for witness in policy.witnesses
        if witness.key not in lines
    )
