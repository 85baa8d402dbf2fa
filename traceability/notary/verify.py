"""Check a receipt with nothing but the receipt and the log's public key: `python -m traceability.notary.verify`.

No server, no database and no configuration take part, so that a receipt proves the same in ten years.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from traceability.ledger.parts import PART_NAMES, WHAT
from traceability.merkle import root_from_path
from traceability.notary.checkpoint import Checkpoint
from traceability.notary.encoding import printable
from traceability.notary.errors import VerificationError
from traceability.notary.note import VerifierKey
from traceability.notary.policy import NONE, Policy, PolicyLog, PolicyWitness, open_by_policy
from traceability.notary.proof import LogProof
from traceability.notary.receipt import Opening, OpenPart, OpenWhat

EXIT_TRUE, EXIT_FALSE, EXIT_USAGE = 0, 1, 2


@dataclass(frozen=True, slots=True)
class VerifiedReceipt:
    """What a receipt proves: this opening is leaf `index` of the tree of `checkpoint`.

    `cosignatures` are the witnesses that signed the checkpoint, with the POSIX seconds at which each did; `quorum` is
    the name of a policy's quorum that they are, `none` when nothing was asked for.
    """

    opening: Opening
    index: int
    checkpoint: Checkpoint
    cosignatures: tuple[tuple[str, int], ...]
    quorum: str = NONE

    def lines(self) -> list[str]:
        """Say in plain words what is proven, what is withheld and what is not proven."""
        opening, checkpoint = self.opening, self.checkpoint
        lines = [
            f"proven: event {opening.event_id} is leaf {self.index} of {checkpoint.size} in {checkpoint.origin}",
            "proven: what is shown of it is what the log signed",
            f"said by the log: it was recorded at {opening.recorded_at} µs since 1970 (UTC)",
        ]
        lines += [
            f"proven: witness {printable(name)} signed this checkpoint, as it says at {seconds} s since 1970 (UTC)"
            for name, seconds in self.cosignatures
        ]
        if self.quorum != NONE:
            lines.append(f"proven: these witnesses are the quorum {printable(self.quorum)} of the policy")
        for name, part in zip(PART_NAMES, opening.parts, strict=True):
            if isinstance(part, OpenPart):
                lines.append(f"{name}: {_on_one_line(part.content) or '(the event has none)'}")
            elif isinstance(part, OpenWhat):
                lines.append(f"{name}: {len(part.items)} of {part.count} items")
                lines += [f"  {item.index}: {_on_one_line(item.content)}" for item in part.items]
        what = opening.parts[WHAT]
        withheld = opening.closed()
        if isinstance(what, OpenWhat) and not what.complete:
            withheld.insert(0, f"{what.count - len(what.items)} items")
        lines.append(f"withheld, if it exists: {', '.join(withheld) or 'nothing'}")
        lines.append("not proven: that no other event about the same things was left out")
        if not self.cosignatures:
            lines.append("not proven: that everybody is shown this tree; no witness that you named has signed it")
        return lines


def verify_receipt(data: bytes, key: VerifierKey, witnesses: Iterable[VerifierKey] = ()) -> VerifiedReceipt:
    """Check a receipt against the log's key; raises `VerificationError`, whatever the bytes are."""
    return verify_receipt_by_policy(data, Policy.trusting(key, witnesses))


def verify_receipt_by_policy(data: bytes, policy: Policy) -> VerifiedReceipt:
    """Check a receipt against a policy; raises `VerificationError`, with `log.quorum` when too few witnesses signed."""
    proof = LogProof.parse(data)
    if proof.extra is None:
        raise VerificationError("the proof opens no event")
    checkpoint, note = open_by_policy(proof.checkpoint.encode(), policy)
    opening = Opening.parse(proof.extra)
    if root_from_path(opening.leaf_hash(), proof.index, checkpoint.size, proof.path) != checkpoint.root:
        raise VerificationError("what is shown is not in the log's tree", code="log.inclusion")
    cosignatures = tuple(
        (witness.name, seconds)
        for witness, signature in note.verified
        if (seconds := witness.timestamp(signature)) is not None
    )
    return VerifiedReceipt(opening, proof.index, checkpoint, cosignatures, policy.quorum)


def chosen_policy(file: bytes | None, key: str | None, witnesses: Sequence[str]) -> Policy:
    """Return the policy that a command line chooses: a file's, whose logs `key` replaces, or that of a key alone.

    Raises `VerificationError` for what is malformed, and when it says not enough or too much.
    """
    if file is None and key is None:
        raise VerificationError("nothing says which log to trust: give --key or --policy")
    if file is not None and witnesses:
        raise VerificationError("with --policy its witnesses count: --witness goes with --key")
    policy = Policy() if file is None else Policy.parse(file)
    if key is not None:
        policy = replace(policy, logs=(PolicyLog(VerifierKey.parse(key)),))
    cosigners = map(VerifierKey.parse, witnesses)
    return replace(policy, witnesses=(*policy.witnesses, *(PolicyWitness(one.name, one) for one in cosigners)))


def _on_one_line(content: bytes) -> str:
    return printable(content.decode(errors="replace"))


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command line; return 0 when the receipt holds, 1 when it does not, 2 when the command is wrong."""
    parser = argparse.ArgumentParser(prog="python -m traceability.notary.verify", description=__doc__)
    parser.add_argument("receipt", help="file of the receipt, - for standard input")
    parser.add_argument("--key", metavar="VKEY", help="the log's verifier key: origin+id+key")
    parser.add_argument("--witness", action="append", default=[], metavar="VKEY", help="a witness that you trust")
    parser.add_argument("--policy", metavar="FILE", help="a tlog-policy file: the logs and the quorum that you trust")
    options = parser.parse_args(arguments)
    try:
        file = Path(options.policy).read_bytes() if options.policy else None
        policy = chosen_policy(file, options.key, options.witness)
        data = sys.stdin.buffer.read() if options.receipt == "-" else Path(options.receipt).read_bytes()
    except (VerificationError, OSError) as error:
        sys.stderr.write(f"{error}\n")
        return EXIT_USAGE
    try:
        verified = verify_receipt_by_policy(data, policy)
    except VerificationError as error:
        sys.stderr.write(f"false: {error.diagnostics()}\n")
        return EXIT_FALSE
    sys.stdout.write("\n".join(verified.lines()) + "\n")
    return EXIT_TRUE


if __name__ == "__main__":
    sys.exit(main())
