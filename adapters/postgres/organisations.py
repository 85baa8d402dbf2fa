"""Organisations, API keys and grants in PostgreSQL (schema `access`)."""

from __future__ import annotations

import re
from base64 import urlsafe_b64encode
from collections.abc import Iterable
from hashlib import sha256
from typing import Any, Final

from psycopg import Connection, errors
from psycopg.rows import TupleRow
from psycopg_pool import ConnectionPool

from traceability.errors import ConflictError, InvalidInputError, NotFoundError
from traceability.gs1.check_digits import check_digit
from traceability.gs1.identifiers import gln_of
from traceability.ledger.access import PUBLIC, Grant, Reader, is_organisation_name, organisation_name
from traceability.ledger.organisations import ApiKey, Organisation, Organisations, Scope, UnknownKeyError
from traceability.ports import Clock, Entropy

_KEY_PREFIX: Final = "trace_"  # lets a scanner of source code recognise a key that was committed
_KEY_ID_SIZE: Final = 6
_SECRET_SIZE: Final = 32
_KEY_ID: Final = re.compile(rf"[0-9a-f]{{{2 * _KEY_ID_SIZE}}}")
_DIGITAL_LINK: Final = "https://id.gs1.org"
_GLN_KEYS: Final = ("414", "417")  # CBV names a party by its party GLN or by a physical location
_GLN_DIGITS: Final = 13
_DOMAIN: Final = re.compile(
    r"(?=.{1,253}\Z)[a-z0-9](?:[a-z0-9-]{0,61}[a-z0-9])?(?:\.[a-z0-9](?:[a-z0-9-]{0,61}[a-z0-9])?)+"
)

_ORGANISATIONS: Final = """
    SELECT o.name, o.display_name, o.created_at,
           array(SELECT i.value FROM access.identifier i WHERE i.ledger_id = %(ledger)s AND i.organisation = o.name
                    AND i.scheme = 'gln' ORDER BY i.value),
           (SELECT i.value FROM access.identifier i WHERE i.ledger_id = %(ledger)s AND i.organisation = o.name
               AND i.scheme = 'domain')
      FROM access.organisation o
     WHERE o.ledger_id = %(ledger)s AND (%(name)s::text IS NULL OR o.name = %(name)s) ORDER BY o.name"""
_KEY_COLUMNS: Final = "key_id, organisation, scopes, created_at, revoked_at"


class PostgresOrganisations(Organisations):
    """The organisations of one ledger; every call is one short transaction."""

    def __init__(
        self, pool: ConnectionPool[Connection[TupleRow]], ledger_id: int, *, clock: Clock, entropy: Entropy
    ) -> None:
        self._pool = pool
        self._ledger_id = ledger_id
        self._clock = clock
        self._entropy = entropy

    def add(
        self, name: str, *, display_name: str | None = None, glns: Iterable[str] = (), domain: str | None = None
    ) -> Organisation:
        """Add an organisation; see `Organisations.add`."""
        organisation_name(name)
        if not (display_name or name).isprintable():
            raise InvalidInputError("A display name is one line of text", code="access.display_name")
        identifiers = [("gln", canonical_gln(gln)) for gln in dict.fromkeys(glns)]
        if domain is not None:
            identifiers.append(("domain", canonical_domain(domain)))
        with self._pool.connection() as connection, connection.transaction():
            added = connection.execute(
                "INSERT INTO access.organisation (ledger_id, name, display_name, created_at) VALUES (%s, %s, %s, %s)"
                " ON CONFLICT DO NOTHING",
                [self._ledger_id, name, display_name or name, self._clock.now_us()],
            )
            if not added.rowcount:
                raise ConflictError(f"There is an organisation {name} already", code="access.organisation_exists")
            for scheme, value in dict.fromkeys(identifiers):
                self._add_identifier(connection, name, scheme, value)
        return self.get(name)

    def get(self, name: str) -> Organisation:
        """Return an organisation."""
        # What cannot be a name is not asked for: PostgreSQL has no NUL, and UTF-8 no lone surrogate.
        found = self._organisations(name) if is_organisation_name(name) else []
        if not found:
            raise _unknown(name)
        return found[0]

    def all(self) -> list[Organisation]:
        """Return every organisation, by name."""
        return self._organisations(None)

    def create_key(self, organisation: str, scopes: Iterable[Scope]) -> tuple[ApiKey, str]:
        """Return a new key and, this once, its text: `trace_`, the public key id, `_`, 256 random bits."""
        self.get(organisation)
        wanted = frozenset(scopes)
        if not wanted:
            raise InvalidInputError("A key needs at least one scope", code="access.no_scope")
        key_id = self._entropy.token(_KEY_ID_SIZE).hex()
        secret = urlsafe_b64encode(self._entropy.token(_SECRET_SIZE)).rstrip(b"=").decode()
        text = f"{_KEY_PREFIX}{key_id}_{secret}"
        key = ApiKey(key_id, organisation, wanted, self._clock.now_us(), None)
        self._execute(
            "INSERT INTO access.api_key (ledger_id, key_id, organisation, hash, scopes, created_at)"
            " VALUES (%s, %s, %s, %s, %s, %s)",
            [self._ledger_id, key_id, organisation, _digest(text), sorted(wanted), key.created_at],
        )
        return key, text

    def keys(self, organisation: str) -> list[ApiKey]:
        """Return an organisation's keys, oldest first."""
        self.get(organisation)
        rows = self._execute(
            f"SELECT {_KEY_COLUMNS} FROM access.api_key WHERE ledger_id = %s AND organisation = %s"
            " ORDER BY created_at, key_id",
            [self._ledger_id, organisation],
        )
        return [_key(row) for row in rows]

    def revoke_key(self, organisation: str, key_id: str) -> ApiKey:
        """End a key; the first time of doing so is kept."""
        self.get(organisation)
        if not _KEY_ID.fullmatch(key_id):
            raise _no_such_key(organisation)
        where = "ledger_id = %s AND organisation = %s AND key_id = %s"
        name = [self._ledger_id, organisation, key_id]
        self._execute(
            f"UPDATE access.api_key SET revoked_at = %s WHERE {where} AND revoked_at IS NULL",
            [self._clock.now_us(), *name],
        )
        rows = self._execute(f"SELECT {_KEY_COLUMNS} FROM access.api_key WHERE {where}", name)
        if not rows:
            raise _no_such_key(organisation)
        return _key(rows[0])

    def key_of(self, text: str) -> ApiKey:
        """Return the key that `text` is; found by its hash, so that time tells nothing about stored keys."""
        rows = self._execute(
            f"SELECT {_KEY_COLUMNS} FROM access.api_key WHERE ledger_id = %s AND hash = %s AND revoked_at IS NULL",
            [self._ledger_id, _digest(text)],
        )
        if not rows:
            raise UnknownKeyError("This API key is unknown", hint="It may have been revoked, or be for another ledger.")
        return _key(rows[0])

    def set_grant(self, grant: Grant) -> None:
        """Open what `grant` says, in place of what its grantor opened to its grantee before."""
        self._check_both(grant.grantor, grant.grantee)
        now = self._clock.now_us()
        steps = None if grant.steps is None else sorted(grant.steps)
        try:
            with self._pool.connection() as connection, connection.transaction():
                self._end(connection, grant.grantor, grant.grantee, now)
                connection.execute(
                    "INSERT INTO access.disclosure (ledger_id, grantor, grantee, steps, parts, created_at)"
                    " VALUES (%s, %s, %s, %s, %s, %s)",
                    [self._ledger_id, grant.grantor, grant.grantee, steps, sorted(grant.parts), now],
                )
        except errors.UniqueViolation:
            raise ConflictError(
                f"What {grant.grantor} grants to {grant.grantee} was changed at the same moment",
                code="access.grant_changed",
                hint="Look at it, then try again.",
            ) from None

    def end_grant(self, grantor: str, grantee: str) -> bool:
        """Close what was granted; False when nothing was."""
        self._check_both(grantor, grantee)
        with self._pool.connection() as connection:
            return self._end(connection, grantor, grantee, self._clock.now_us())

    def grants_by(self, grantor: str) -> list[Grant]:
        """Return what an organisation grants now, by grantee."""
        self.get(grantor)
        return self._grants("grantor = %s", [grantor])

    def reader(self, organisation: str) -> Reader:
        """Return what decides which events an organisation, or `PUBLIC`, may see."""
        parties: frozenset[str] = frozenset()
        if organisation != PUBLIC:
            glns = self.get(organisation).glns
            # Decisions name organisations, which may have no GLN, by their permanent names.
            parties = frozenset([organisation, *(name for gln in glns for name in party_names(gln))])
        return Reader(organisation, parties, tuple(self._grants("grantee = ANY(%s)", [[organisation, PUBLIC]])))

    def _check_both(self, grantor: str, grantee: str) -> None:
        self.get(grantor)
        if grantee != PUBLIC:
            self.get(grantee)

    def _add_identifier(self, connection: Connection[TupleRow], name: str, scheme: str, value: str) -> None:
        added = connection.execute(
            "INSERT INTO access.identifier (ledger_id, scheme, value, organisation) VALUES (%s, %s, %s, %s)"
            " ON CONFLICT DO NOTHING",
            [self._ledger_id, scheme, value, name],
        )
        if not added.rowcount:
            raise ConflictError(f"Another organisation has the {scheme} {value}", code="access.identifier_taken")

    def _organisations(self, name: str | None) -> list[Organisation]:
        with self._pool.connection() as connection:
            rows = connection.execute(_ORGANISATIONS, {"ledger": self._ledger_id, "name": name}).fetchall()
        return [
            Organisation(name, display, tuple(glns), domain, created) for name, display, created, glns, domain in rows
        ]

    def _grants(self, condition: str, parameters: list[Any]) -> list[Grant]:
        rows = self._execute(
            "SELECT grantor, grantee, steps, parts FROM access.disclosure"
            f" WHERE ledger_id = %s AND ended_at IS NULL AND {condition} ORDER BY grantor, grantee",
            [self._ledger_id, *parameters],
        )
        return [
            Grant(grantor, grantee, None if steps is None else frozenset(steps), frozenset(parts))
            for grantor, grantee, steps, parts in rows
        ]

    def _end(self, connection: Connection[TupleRow], grantor: str, grantee: str, now: int) -> bool:
        ended = connection.execute(
            "UPDATE access.disclosure SET ended_at = %s"
            " WHERE ledger_id = %s AND grantor = %s AND grantee = %s AND ended_at IS NULL",
            [now, self._ledger_id, grantor, grantee],
        )
        return ended.rowcount > 0

    def _execute(self, query: str, parameters: list[Any]) -> list[TupleRow]:
        with self._pool.connection() as connection:
            cursor = connection.execute(query.encode(), parameters)
            return cursor.fetchall() if cursor.description else []


def canonical_gln(text: str) -> str:
    """Return the 13 digits of a GLN written as such, as an EPC URN (`pgln`, `sgln`) or as a GS1 Digital Link.

    Raises `InvalidInputError` (`access.gln`).
    """
    written = text.strip()
    if written.isascii() and written.isdigit():
        gln = written if len(written) == _GLN_DIGITS and check_digit(written[:-1]) == written[-1] else None
    else:
        gln = gln_of(written)
    if gln is None:
        raise InvalidInputError(
            f"{text!r} is not a GLN", code="access.gln", hint="A GLN has 13 digits, of which the last is a check digit."
        )
    return gln


def canonical_domain(text: str) -> str:
    """Return a domain name in lower case, internationalised names as `xn--`; raises `InvalidInputError`."""
    domain = text.strip().rstrip(".").lower()
    if not _DOMAIN.fullmatch(domain):
        raise InvalidInputError(
            f"{text!r} is not a domain name", code="access.domain", hint="Give the bare name, such as dairy.example."
        )
    return domain


def party_names(gln: str) -> tuple[str, ...]:
    """Return the names under which an event may have the holder of a GLN as a party."""
    return (gln, *(f"{_DIGITAL_LINK}/{key}/{gln}" for key in _GLN_KEYS))


def _digest(text: str) -> bytes:
    return sha256(text.encode()).digest()


def _key(row: TupleRow) -> ApiKey:
    key_id, organisation, scopes, created_at, revoked_at = row
    return ApiKey(key_id, organisation, frozenset(Scope(scope) for scope in scopes), created_at, revoked_at)


def _unknown(name: str) -> NotFoundError:
    return NotFoundError(
        f"There is no organisation {name}",
        code="access.unknown_organisation",
        hint="List them with: traceability organisation list",
    )


def _no_such_key(organisation: str) -> NotFoundError:
    return NotFoundError(
        f"{organisation} has no such key", code="access.no_such_key", hint="List its keys to see their ids."
    )
