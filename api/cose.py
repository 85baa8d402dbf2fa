"""COSE receipts of the ledger's events, for those who work with SCITT."""

from __future__ import annotations

from pathlib import Path
from uuid import UUID

from adapters.signing.receipts import receipt_signer
from api.log_keys import key_path, passphrase
from api.notary import opened_leaf
from api.wiring import Engine
from traceability.ledger.access import Reader
from traceability.notary.checkpoint import open_checkpoint
from traceability.notary.cose import InclusionProof, ReceiptKey, ReceiptSigner
from traceability.notary.log import prove

# Read once a process: a passphrase takes a quarter of a second to become a key, on purpose.
_signers: dict[Path, ReceiptSigner] = {}


def cose_receipt(engine: Engine, event_id: UUID, reader: Reader) -> bytes:
    """Return the COSE receipt of an event that `reader` may know of, under the served checkpoint of its log.

    It opens nothing of the event. Raises what `receipt` does, and `UnavailableError` (`cose.one_leaf`,
    `cose.key_file`).
    """
    log, index, opening = opened_leaf(engine, event_id, reader)
    proof = prove(log.tiles, log.key, index, opening)
    checkpoint, _ = open_checkpoint(proof.checkpoint.encode(), log.key)
    return _signer(engine, log.name).sign(
        InclusionProof(checkpoint.size, proof.index, proof.path),
        checkpoint.root,
        issuer=checkpoint.origin,
        subject=event_id.urn,
        checkpoint=proof.checkpoint.encode(),
    )


def cose_key(engine: Engine, log: str) -> ReceiptKey:
    """Return the public key of a log's COSE receipts; the pair is made at first use."""
    return _signer(engine, log).verifier


def _signer(engine: Engine, log: str) -> ReceiptSigner:
    # Beside the log's own key, and under the same passphrase: who may use the one may use the other.
    path = key_path(engine.settings, log).with_name(f"{log}.cose.pem")
    if path not in _signers:
        _signers[path] = receipt_signer(path, engine.entropy, passphrase(engine.settings))
    return _signers[path]
