"""The organisations of a ledger, their API keys and what they grant, as a port."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from enum import StrEnum
from typing import Final, Protocol

from traceability.errors import TraceabilityError
from traceability.ledger.access import Grant, Reader

LOCAL: Final = "local"
"""The organisation that a fresh private ledger begins with."""


class Scope(StrEnum):
    """What a key may be used for."""

    CAPTURE = "capture"
    QUERY = "query"
    ADMIN = "admin"


class UnknownKeyError(TraceabilityError):
    """The API key does not exist, or was revoked: which of the two is not told (HTTP 401)."""

    code = "access.unknown_key"


@dataclass(frozen=True, slots=True)
class Organisation:
    """A participant; `name` is permanent, because it is in every event that the organisation captured.

    `glns` have 13 digits; `created_at` is in microseconds UTC.
    """

    name: str
    display_name: str
    glns: tuple[str, ...]
    domain: str | None
    created_at: int


@dataclass(frozen=True, slots=True)
class ApiKey:
    """What is kept of a key: never the key itself. Times are in microseconds UTC."""

    key_id: str
    organisation: str
    scopes: frozenset[Scope]
    created_at: int
    revoked_at: int | None


class Organisations(Protocol):
    """Organisations, keys and grants of one ledger.

    Methods that take an organisation's name raise `NotFoundError` (`access.unknown_organisation`) when it has none.
    """

    def add(
        self, name: str, *, display_name: str | None = None, glns: Iterable[str] = (), domain: str | None = None
    ) -> Organisation:
        """Add an organisation.

        GLNs may be 13 digits, an EPC URN or a GS1 Digital Link. Raises `InvalidInputError` (`access.name`,
        `access.domain`, `access.gln`) and `ConflictError` (`access.organisation_exists`, `access.identifier_taken`).
        """
        ...

    def get(self, name: str) -> Organisation:
        """Return an organisation."""
        ...

    def all(self) -> list[Organisation]:
        """Return every organisation, by name."""
        ...

    def create_key(self, organisation: str, scopes: Iterable[Scope]) -> tuple[ApiKey, str]:
        """Return a new key and, this once, the text that its holder sends."""
        ...

    def keys(self, organisation: str) -> list[ApiKey]:
        """Return an organisation's keys, revoked ones too, oldest first."""
        ...

    def revoke_key(self, organisation: str, key_id: str) -> ApiKey:
        """End a key at once; doing so again changes nothing. Raises `NotFoundError` (`access.no_such_key`)."""
        ...

    def key_of(self, text: str) -> ApiKey:
        """Return the key that `text` is; raises `UnknownKeyError`."""
        ...

    def set_grant(self, grant: Grant) -> None:
        """Open what `grant` says, in place of what its grantor opened to its grantee before."""
        ...

    def end_grant(self, grantor: str, grantee: str) -> bool:
        """Close what was granted; False when nothing was."""
        ...

    def grants_by(self, grantor: str) -> list[Grant]:
        """Return what an organisation grants now, by grantee; the grant to `PUBLIC` is its public profile."""
        ...

    def reader(self, organisation: str) -> Reader:
        """Return what decides which events an organisation, or `PUBLIC`, may see."""
        ...
