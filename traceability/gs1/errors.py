"""What an identifier can be refused for."""

from __future__ import annotations

from traceability.errors import InvalidInputError


class IdentifierError(InvalidInputError):
    """A text that claims to be a GS1 identifier, or any identifier at all, and is not one.

    `code` is one of those that docs/guide/identifiers.md lists. `at` is the place of the first character that offends,
    from 0, in the text that was read; `fault` is the name that GS1's Barcode Syntax Tests have for it, "" without one.
    """

    code = "gs1.identifier"

    def __init__(self, message: str, *, code: str, hint: str = "", at: int = 0, fault: str = "") -> None:
        super().__init__(message, code=code, hint=hint)
        self.at = at
        self.fault = fault

    def moved(self, offset: int) -> IdentifierError:
        """Return the same error, of a text that begins `offset` characters earlier."""
        return IdentifierError(self.message, code=self.code, hint=self.hint, at=self.at + offset, fault=self.fault)
