"""The root of every error that a user may see."""

from __future__ import annotations


class TraceabilityError(Exception):
    """Something that the caller can understand and act upon.

    `code` is stable, dotted snake_case, part of the public interface (RFC 9457 `code`, `--json` output);
    `message` is one sentence; `hint` says what to do about it.
    """

    code = "internal"

    def __init__(self, message: str, *, code: str | None = None, hint: str = "") -> None:
        super().__init__(message)
        self.message = message
        self.hint = hint
        if code is not None:
            self.code = code

    def diagnostics(self) -> str:
        """Return the message and, on a second line, what to do."""
        return f"{self.message}\n{self.hint}" if self.hint else self.message


class NotFoundError(TraceabilityError):
    """What was asked for does not exist, or the reader may not know that it does (exit 4, HTTP 404)."""

    code = "not_found"


class ConflictError(TraceabilityError):
    """The request contradicts what is recorded (exit 1, HTTP 409)."""

    code = "conflict"


class InvalidInputError(TraceabilityError):
    """The input is malformed; nothing was recorded (exit 1, HTTP 400 or 422)."""

    code = "invalid_input"


class TooLargeError(InvalidInputError):
    """The input is well-formed as far as it was read, and longer than is taken (exit 1, HTTP 413)."""

    code = "too_large"


class UnsupportedError(InvalidInputError):
    """The input is of a kind that is not read (exit 1, HTTP 415)."""

    code = "unsupported"


class ForbiddenError(TraceabilityError):
    """The caller is known and may not do this (exit 1, HTTP 403)."""

    code = "forbidden"


class UnavailableError(TraceabilityError):
    """A database, file system or peer cannot be reached or is not in a usable state (exit 3, HTTP 503)."""

    code = "unavailable"


class BusyError(UnavailableError):
    """Enough is under way already; the same request may succeed later (exit 3, HTTP 429)."""

    code = "busy"
