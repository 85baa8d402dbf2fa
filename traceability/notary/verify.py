"""Check a receipt or a bundle with nothing but the log's public key: `python -m traceability.notary.verify`.

No server, no database and no configuration take part, so that a receipt proves the same in ten years.
"""

from __future__ import annotations

import argparse
import gc
import sys
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

from traceability.ledger.parts import PART_NAMES, WHAT
from traceability.merkle import root_from_path
from traceability.notary.archive import MARK
from traceability.notary.checkpoint import Checkpoint
from traceability.notary.errors import VerificationError
from traceability.notary.note import VerifierKey
from traceability.notary.policy import Policy
from traceability.notary.proof import LogProof
from traceability.notary.receipt import Opening, OpenPart, OpenWhat
from traceability.notary.trust import Trust, TrustedCheckpoint
from traceability.notary.verify_bundle import VerifiedBundle, verify_bundle

EXIT_TRUE, EXIT_FALSE, EXIT_USAGE = 0, 1, 2


@dataclass(frozen=True, slots=True)
class VerifiedReceipt:
    """What a receipt proves: this opening is leaf `index` of the tree of `checkpoint`."""

    opening: Opening
    index: int
    signed: TrustedCheckpoint

    @property
    def checkpoint(self) -> Checkpoint:
        """The signed tree head."""
        return self.signed.checkpoint

    @property
    def cosignatures(self) -> tuple[tuple[str, int], ...]:
        """The witnesses that signed the checkpoint, with the POSIX seconds at which each says it did."""
        return self.signed.cosignatures

    def lines(self) -> list[str]:
        """Say in plain words what is proven, what is withheld and what is not proven."""
        opening, checkpoint = self.opening, self.checkpoint
        lines = [
            f"proven: event {opening.event_id} is leaf {self.index} of {checkpoint.size} in {checkpoint.origin}",
            "proven: what is shown of it is what the log signed",
            f"said by the log: it was recorded at {opening.recorded_at} µs since 1970 (UTC)",
        ]
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
        return lines + self.signed.lines()


def verify(data: bytes, trust: Trust) -> VerifiedReceipt | VerifiedBundle:
    """Check a receipt or a bundle, told apart by how they begin; raises `VerificationError`, whatever the bytes are."""
    return verify_bundle(data, trust) if data.startswith(MARK) else _verify_receipt(data, trust)


def verify_receipt(data: bytes, key: VerifierKey, witnesses: Iterable[VerifierKey] = ()) -> VerifiedReceipt:
    """Check a receipt against the log's key; raises `VerificationError`, whatever the bytes are."""
    return _verify_receipt(data, Trust((key,), tuple(witnesses)))


def _verify_receipt(data: bytes, trust: Trust) -> VerifiedReceipt:
    proof = LogProof.parse(data)
    if proof.extra is None:
        raise VerificationError("the proof opens no event")
    signed = trust.open(proof.checkpoint.encode())
    opening = Opening.parse(proof.extra)
    checkpoint = signed.checkpoint
    if root_from_path(opening.leaf_hash(), proof.index, checkpoint.size, proof.path) != checkpoint.root:
        raise VerificationError("what is shown is not in the log's tree", code="log.inclusion")
    return VerifiedReceipt(opening, proof.index, signed)


def _on_one_line(content: bytes) -> str:
    # Whoever wrote an event must not write lines of the verdict, or move the cursor of the terminal that shows it.
    text = content.decode(errors="replace")
    return "".join(c if c.isprintable() else c.encode("unicode_escape").decode() for c in text)


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command line; return 0 when the proof holds, 1 when it does not, 2 when the command is wrong."""
    parser = argparse.ArgumentParser(prog="python -m traceability.notary.verify", description=__doc__)
    parser.add_argument("file", help="file of the receipt or bundle, - for standard input")
    parser.add_argument("--key", action="append", default=[], metavar="VKEY", help="a log's key: origin+id+key")
    parser.add_argument("--witness", action="append", default=[], metavar="VKEY", help="a witness that you trust")
    parser.add_argument("--policy", type=Path, metavar="FILE", help="logs, witnesses and quorum (C2SP tlog-policy)")
    options = parser.parse_args(arguments)
    if not options.key and options.policy is None:
        parser.error("give the log's key with --key, or a policy that names it with --policy")
    try:
        trust = Trust(
            tuple(map(VerifierKey.parse, options.key)),
            tuple(map(VerifierKey.parse, options.witness)),
            Policy.parse(options.policy.read_bytes()) if options.policy else None,
        )
        data = sys.stdin.buffer.read() if options.file == "-" else Path(options.file).read_bytes()
    except (VerificationError, OSError) as error:
        sys.stderr.write(f"{error}\n")
        return EXIT_USAGE
    try:
        verified = verify(data, trust)
    except VerificationError as error:
        sys.stderr.write(f"false: {error.diagnostics()}\n")
        return EXIT_FALSE
    sys.stdout.write("\n".join(verified.lines()) + "\n")
    return EXIT_TRUE


if __name__ == "__main__":
    # What a bundle is read into has no cycles, and looking for some takes a third of the time.
    gc.disable()
    sys.exit(main())
