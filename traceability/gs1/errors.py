"""What an identifier can be refused for."""

from __future__ import annotations

from traceability.errors import InvalidInputError


class IdentifierError(InvalidInputError):
    """A text that claims to be a GS1 identifier, or any identifier at all, and is not one.

    `code` is one of `gs1.not_a_uri`, `gs1.unknown_key`, `gs1.qualifier`, `gs1.length`, `gs1.character`,
    `gs1.check_digit`, `gs1.piece`, `gs1.prefix`, `gs1.urn_syntax`, `gs1.compressed`, `gs1.no_urn`.
    """

    code = "gs1.identifier"
