"""The meta-log: a log whose events are the published checkpoints of other logs.

It is an ordinary log of an ordinary ledger. The receipt of such an event proves that the checkpoint in it was published
by the time that the meta-log's own checkpoint was signed: one anchor or witness of the meta-log holds all logs.
"""

from __future__ import annotations

import json
from typing import Final

from traceability.ledger.parts import HEAD, MORE
from traceability.notary.checkpoint import Checkpoint, open_checkpoint
from traceability.notary.errors import VerificationError
from traceability.notary.note import VerifierKey
from traceability.notary.receipt import OpenPart
from traceability.notary.verify import VerifiedReceipt

CHECKPOINT_PUBLISHED: Final = "notary.checkpoint_published.v1"


def proven_checkpoint(verified: VerifiedReceipt, key: VerifierKey) -> Checkpoint:
    """Return the checkpoint that a receipt of the meta-log proves to have been published.

    `key` is that of the log whose checkpoint it is. Raises `VerificationError` when the event is another, when the
    receipt does not open its payload, and as `open_checkpoint` does.
    """
    head, more = verified.opening.parts[HEAD], verified.opening.parts[MORE]
    if not isinstance(head, OpenPart) or not isinstance(more, OpenPart):
        raise VerificationError("the receipt does not open what the event says of a checkpoint")
    try:
        said, payload = json.loads(head.content), json.loads(more.content)["payload"]
        kind, note = said["type"], payload["note"].encode()
    except (ValueError, KeyError, TypeError, AttributeError, RecursionError) as error:
        raise VerificationError("the event does not say what a published checkpoint says") from error
    if kind != CHECKPOINT_PUBLISHED:
        raise VerificationError(f"the event is not a {CHECKPOINT_PUBLISHED}")
    return open_checkpoint(note, key)[0]
