"""What can go wrong between a ledger, its log and those who check it."""

from __future__ import annotations

from traceability.errors import ConflictError, InvalidInputError, TraceabilityError, UnavailableError


class VerificationError(InvalidInputError):
    """A key, note, checkpoint, tile, proof or receipt is malformed or does not prove what it should.

    Everything that reads other people's bytes raises this and no other error, whatever the bytes are.
    """

    code = "log.verification"


class RolledBackError(TraceabilityError):
    """What was published is ahead of the database, or contradicts it.

    Signing on would show two histories under one key, which is the one thing that a log must never do.
    """

    code = "log.rolled_back"


class DamagedLogError(TraceabilityError):
    """Stored leaves, tiles or checkpoints do not fit each other."""

    code = "log.damaged"


class StaleCheckpointError(ConflictError):
    """The served checkpoint is not the one that the caller saw: another process publishes this log."""

    code = "log.stale_checkpoint"


class ClosedLogError(StaleCheckpointError):
    """The log was closed meanwhile, at a leaf before the end of this tree."""

    code = "log.closed"


class NotPublishedError(UnavailableError):
    """The entry is sequenced, but no published checkpoint covers it yet; ask again in a second."""

    code = "log.not_published"
