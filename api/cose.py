"""COSE receipts of the ledger's events, for those who work with SCITT."""

from __future__ import annotations

from uuid import UUID

from adapters.signing.receipts import receipt_signer
from api.notary import key_path, receipt
from api.wiring import Engine
from traceability.ledger.access import Reader
from traceability.notary.checkpoint import Checkpoint
from traceability.notary.cose import InclusionProof, ReceiptKey, ReceiptSigner
from traceability.notary.note import split_note


def cose_receipt(engine: Engine, event_id: UUID, reader: Reader) -> bytes:
    """Return the COSE receipt of an event that `reader` may know of, under the served checkpoint.

    It opens nothing of the event. Raises what `receipt` does, and `UnavailableError` (`cose.one_leaf`,
    `cose.key_file`).
    """
    proof = receipt(engine, event_id, reader)
    checkpoint = Checkpoint.parse(split_note(proof.checkpoint.encode())[0])
    return _signer(engine).sign(
        InclusionProof(checkpoint.size, proof.index, proof.path),
        checkpoint.root,
        issuer=checkpoint.origin,
        subject=event_id.urn,
    )


def cose_key(engine: Engine) -> ReceiptKey:
    """Return the public key of the log's COSE receipts; the pair is made at first use."""
    return _signer(engine).verifier


def _signer(engine: Engine) -> ReceiptSigner:
    # Beside the log's own key: who may write the one may write the other.
    folder = key_path(engine.settings).parent
    return receipt_signer(folder / f"{engine.ledger.name}.cose.pem", engine.entropy)
