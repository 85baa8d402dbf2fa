"""Witnesses in this process: the fake of `adapters.witness.HttpWitnesses`."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from traceability.notary.cosigning import ConsistencyPath, WitnessAnswer, cosignature_in
from traceability.notary.note import text_of_note
from traceability.notary.policy import Policy, PolicyWitness
from traceability.notary.ports import SignedCheckpoint
from traceability.notary.witness import CONFLICT, OK, AddCheckpoint, Witness, origin_hash


class MemoryWitnesses:
    """The witnesses of a policy by their names in it; one that is missing does not answer."""

    def __init__(self, policy: Policy, witnesses: Mapping[str, Witness]) -> None:
        self.policy = policy
        self.witnesses = witnesses

    def ask(
        self, witnesses: Sequence[PolicyWitness], signed: SignedCheckpoint, proof: ConsistencyPath
    ) -> Sequence[WitnessAnswer]:
        """Ask each for a cosignature."""
        return [self._ask(witness, signed, proof) for witness in witnesses]

    def latest(self, origin: str) -> Sequence[tuple[PolicyWitness, bytes]]:
        """Return the notes that they have as their latest of a log."""
        return [
            (witness, note)
            for witness in self.policy.witnesses
            if witness.name in self.witnesses
            and (note := self.witnesses[witness.name].checkpoint(origin_hash(origin))) is not None
        ]

    def _ask(self, witness: PolicyWitness, signed: SignedCheckpoint, proof: ConsistencyPath) -> WitnessAnswer:
        if witness.name not in self.witnesses:
            return WitnessAnswer(witness, reason="it did not answer")
        note, size, old = signed.note.encode(), signed.checkpoint.size, 0
        answer = self.witnesses[witness.name].add_checkpoint(AddCheckpoint(0, (), note).encode())
        if answer.status == CONFLICT and (old := int(answer.text)) <= size:
            request = AddCheckpoint(old, tuple(proof(old)), note)
            answer = self.witnesses[witness.name].add_checkpoint(request.encode())
        if answer.status == OK:
            return WitnessAnswer(witness, cosignature_in(answer.text, text_of_note(note), witness.key))
        reason = f"it answers {answer.status}: {answer.text.strip()!a}"
        return WitnessAnswer(witness, ahead=old if old > size else None, reason=reason)
