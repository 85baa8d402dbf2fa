"""The port through which guards, folds and faces ask a ledger for its register."""

from __future__ import annotations

from collections.abc import Collection
from typing import Protocol

from traceability.ledger.access import Reader
from traceability.ledger.register.register import Register


class Registers(Protocol):
    """The register of one ledger, up to a position, the head where `known_at` is None. Safe to share between threads.

    What decides in a register is known to everybody, so that `for_all` is the same whoever asks; of organisations a
    reader sees what is not hidden, and what is hidden about itself.
    """

    def for_all(self, known_at: int | None = None) -> Register:
        """Return prefixes, rules and registrars."""
        ...

    def about(self, organisations: Collection[str], reader: Reader, known_at: int | None = None) -> Register:
        """Return what a reader may see about organisations, with what it rests on: enough for `Register.authorised`.

        Of prefixes it holds those that are or were theirs, and nobody else's.
        """
        ...
