"""Whom a verifier trusts: the keys of logs and witnesses, and how many witnesses a checkpoint needs."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from traceability.notary.checkpoint import Checkpoint, open_checkpoint
from traceability.notary.errors import VerificationError
from traceability.notary.note import VerifierKey, split_note
from traceability.notary.policy import Policy


@dataclass(frozen=True, slots=True)
class TrustedCheckpoint:
    """A checkpoint that a trusted `key` signed.

    `cosignatures` are the names of the trusted witnesses that signed it too, with the POSIX seconds at which each says
    it did; `quorum` tells whether a policy asked for some of them, and got them.
    """

    checkpoint: Checkpoint
    key: VerifierKey
    cosignatures: tuple[tuple[str, int], ...]
    quorum: bool = False

    def lines(self) -> list[str]:
        """Say in plain words who else signed it."""
        lines = [
            f"proven: witness {name} signed this checkpoint, as it says at {seconds} s since 1970 (UTC)"
            for name, seconds in self.cosignatures
        ]
        if self.quorum:
            lines.append("proven: as many witnesses signed as your policy asks for")
        if not self.cosignatures:
            lines.append("not proven: that everybody is shown this tree; no witness that you named has signed it")
        return lines


@dataclass(frozen=True, slots=True)
class Trust:
    """Keys of logs and of witnesses that were given one by one, and a policy beside them."""

    keys: tuple[VerifierKey, ...] = ()
    witnesses: tuple[VerifierKey, ...] = ()
    policy: Policy | None = None

    @property
    def logs(self) -> tuple[VerifierKey, ...]:
        """The keys of all logs that are trusted."""
        return self.keys + (() if self.policy is None else tuple(log.key for log in self.policy.logs))

    def open(self, note: bytes, key: VerifierKey | None = None) -> TrustedCheckpoint:
        """Check a signed checkpoint; with `key` only that one will do, and it too has to be trusted.

        Raises `VerificationError`: `log.untrusted_key` when no key of that log is trusted, `log.quorum` when the policy
        asks for more cosignatures.
        """
        text, signatures = split_note(note)
        origin, signers = text.partition("\n")[0], {(signature.name, signature.key_id) for signature in signatures}
        known = [own for own in self.logs if own.name == origin and key in (None, own)]
        if not known:
            raise VerificationError(
                f"you trust no key of the log {origin!r} that this is signed with",
                code="log.untrusted_key",
                hint="Get the log's key from somebody whom you trust, and name it with --key or in the policy.",
            )
        # A log may have had several keys under its name.
        signer = next((own for own in known if (own.name, own.key_id) in signers), known[0])
        witnesses = self.witnesses + (() if self.policy is None else tuple(self.policy.witness_keys))
        checkpoint, opened = open_checkpoint(note, signer, witnesses)
        cosigned = [
            (witness, seconds)
            for witness, signature in opened.verified
            if (seconds := witness.timestamp(signature)) is not None
        ]
        if self.policy is not None and not self.policy.satisfied_by(witness for witness, _ in cosigned):
            raise VerificationError(
                f"the checkpoint of {origin!r} lacks cosignatures that the policy asks for:"
                f" {_signers(self.policy, dict(cosigned))}",
                code="log.quorum",
            )
        quorum = self.policy is not None and self.policy.quorum != "none"
        signed = tuple((witness.name, seconds) for witness, seconds in cosigned)
        return TrustedCheckpoint(checkpoint, signer, signed, quorum)


def _signers(policy: Policy, signed: Mapping[VerifierKey, int]) -> str:
    """Say of each witness of a policy when it signed; a name may hold what is no text, and is escaped."""
    return "; ".join(
        f"{witness.name!a} signed at {signed[witness.key]} s since 1970 (UTC)"
        if witness.key in signed
        else f"{witness.name!a} did not sign"
        for witness in policy.witnesses
    )
