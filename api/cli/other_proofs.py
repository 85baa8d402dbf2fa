"""What else than the log's key a receipt can be checked against: a timestamp of its checkpoint, a COSE receipt."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any
from uuid import UUID

import typer

from adapters.signing.receipts import read_public_pem
from api.cli.context import print_json
from api.cli.timestamp import timestamp_data
from api.timestamps import roots_of
from traceability.errors import UnavailableError
from traceability.notary.cose import CoseReceipt
from traceability.notary.encoding import base64_of
from traceability.notary.proof import LogProof
from traceability.notary.timestamp import stamped_bytes, verify_timestamp
from traceability.notary.trust import Trust
from traceability.notary.verify import VerifiedReceipt
from traceability.notary.verify_bundle import VerifiedBundle

TimestampFile = Annotated[
    Path | None, typer.Option("--timestamp", metavar="FILE", help="Timestamp of the receipt's checkpoint (.tsr).")
]
RootsFile = Annotated[
    Path | None,
    typer.Option("--roots", metavar="FILE", help="Certificates that the timestamp must lead up to, in PEM."),
]
CoseFile = Annotated[
    Path | None, typer.Option("--cose", metavar="FILE", help="COSE receipt of the same event, checked as well.")
]
CoseKeyFile = Annotated[
    Path | None, typer.Option("--cose-key", metavar="FILE", help="Public key of the log's COSE receipts, in PEM.")
]


@dataclass(frozen=True, slots=True)
class OtherProof:
    """Something that was checked and holds: its words, and its name and members for `--json`."""

    line: str
    name: str
    members: dict[str, Any]


def other_proofs(
    receipt: bytes,
    verified: VerifiedReceipt | VerifiedBundle,
    trust: Trust,
    *,
    timestamp: Path | None,
    roots: Path | None,
    cose: Path | None,
    cose_key: Path | None,
) -> Iterator[OtherProof]:
    """Check a verified receipt against what is given; raises `VerificationError` when something does not hold."""
    if isinstance(verified, VerifiedBundle):
        if any((timestamp, roots, cose, cose_key)):
            raise typer.BadParameter("these go with a receipt, and this is a bundle", param_hint="--timestamp, --cose")
        return
    if timestamp is not None and roots is not None:
        checkpoint = LogProof.parse(receipt).checkpoint.encode()
        stamped = verify_timestamp(_content(timestamp), stamped_bytes(checkpoint, verified.signed.key), roots_of(roots))
        yield OtherProof(_printable(stamped.line()), "timestamp", timestamp_data(stamped))
    elif timestamp is not None or roots is not None:
        raise typer.BadParameter("--timestamp and --roots go together", param_hint="--timestamp")
    if cose is not None and cose_key is not None:
        found = CoseReceipt.parse(_content(cose))
        found.verify(verified.opening.leaf_hash(), read_public_pem(_content(cose_key)))
        size, index = found.proof.size, found.proof.index
        line = f"proven by its COSE receipt: the same event is leaf {index} of {size}, as {found.issuer} signed"
        members: dict[str, Any] = {"size": size, "index": index, "issuer": found.issuer, "subject": found.subject}
        if (signed := found.signed_checkpoint(verified.opening.leaf_hash(), trust)) is not None:
            witnesses = ", ".join(f"{name} at {seconds} s since 1970 (UTC)" for name, seconds in signed.cosignatures)
            line += f"; in the checkpoint that it carries, witnesses: {witnesses or 'none that you named'}"
            members["cosignatures"] = [{"witness": name, "time": seconds} for name, seconds in signed.cosignatures]
        yield OtherProof(_printable(line), "cose", members)
    elif cose is not None or cose_key is not None:
        raise typer.BadParameter("--cose and --cose-key go together", param_hint="--cose")


def print_cose(event_id: UUID, receipt: bytes, *, json: bool) -> None:
    """Print a COSE receipt: its bytes, or in base64 within a JSON document."""
    if json:
        print_json({"event_id": event_id, "receipt": base64_of(receipt)})
    else:
        typer.echo(receipt, nl=False)


def _printable(line: str) -> str:
    # Names come from certificates and receipts of others, who must not write lines of the verdict.
    return "".join(c if c.isprintable() else c.encode("unicode_escape").decode() for c in line)


def _content(file: Path) -> bytes:
    try:
        return file.read_bytes()
    except OSError as error:
        raise UnavailableError(f"{file} cannot be read: {error.strerror}", code="system.file") from error
