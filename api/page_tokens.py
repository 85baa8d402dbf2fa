"""Page tokens (EPCIS 2.0 §12.5): where an answer goes on, for whom it was asked, and until when.

A token holds all of that itself, so that reading writes nothing and any server answers it. It is not signed: there is
nothing in it but what the page before has shown, and whoever makes one up asks for what it might ask for anyway. One
that is ended before its time is kept until then, in the database.
"""

from __future__ import annotations

from base64 import urlsafe_b64decode, urlsafe_b64encode
from binascii import Error as Base64Error
from dataclasses import dataclass
from hashlib import blake2b
from typing import Final, TypeVar

import msgspec

from adapters.postgres.page_tokens import PostgresEndedTokens
from api.wiring import Engine
from traceability.errors import NotFoundError
from traceability.gs1.epcis.query.values import QueryParameterError
from traceability.ledger.event import utc_text

MAX_TOKEN: Final = 12_000
"""Characters of the longest token: a list may go on behind a long value."""

HEADER: Final = "GS1-Next-Page-Token-Expires"
_SECOND: Final = 1_000_000
_Place = TypeVar("_Place")


class NoSuchTokenError(NotFoundError):
    """What is to be ended is no token, or has ended."""

    code = "query.no_such_token"


class _Token(msgspec.Struct, array_like=True, forbid_unknown_fields=True):
    asked: int
    expires_at: int  # seconds since 1970
    place: msgspec.Raw


@dataclass(frozen=True, slots=True)
class NextPage:
    """The token of the next page, and when it ends, as the header has it."""

    token: str
    expires: str


def next_page(engine: Engine, asked: str, place: object) -> NextPage:
    """Return the token of the page that begins at `place`, which msgpack can write; `asked` is the question."""
    expires_at = engine.clock.now_us() // _SECOND + engine.settings.page_token_seconds
    token = _Token(_digest(asked), expires_at, msgspec.Raw(msgspec.msgpack.encode(place)))
    text = urlsafe_b64encode(msgspec.msgpack.encode(token)).rstrip(b"=").decode()
    return NextPage(text, utc_text(expires_at * _SECOND))


def place_of(engine: Engine, asked: str, text: str, kind: type[_Place]) -> _Place:
    """Return where the page of a token begins.

    Raises `QueryParameterError`: `query.page_token` for what is no token of this question, `query.page_token_expired`
    for one that has ended.
    """
    token = _read(text)
    if token is None or token.asked != _digest(asked):
        raise _no_token()
    try:
        place = msgspec.msgpack.decode(token.place, type=kind)
    except msgspec.DecodeError as error:
        raise _no_token() from error
    if _has_expired(engine, token) or _ended(engine).is_ended(_of_text(text)):
        raise QueryParameterError(
            "This nextPageToken has ended.", code="query.page_token_expired", hint="Begin again without it."
        )
    return place


def end_token(engine: Engine, organisation: str, text: str) -> None:
    """End a token; raises `NoSuchTokenError` and `BusyError` (`epcis.tokens`)."""
    token = _read(text)
    if token is None or _has_expired(engine, token):
        raise NoSuchTokenError("There is no such page token", hint="It may have expired.")
    _ended(engine).end(
        _of_text(text),
        organisation=organisation,
        expires_at=token.expires_at * _SECOND,
        now=engine.clock.now_us(),
    )


def _read(text: str) -> _Token | None:
    if len(text) > MAX_TOKEN or not text.isascii():
        return None
    try:
        return msgspec.msgpack.decode(urlsafe_b64decode(text.encode() + b"=" * (-len(text) % 4)), type=_Token)
    except (msgspec.DecodeError, Base64Error, ValueError):
        return None


def _has_expired(engine: Engine, token: _Token) -> bool:
    now = engine.clock.now_us() // _SECOND
    # What would live longer than any token of ours was not made here.
    return not now < token.expires_at <= now + engine.settings.page_token_seconds + 1


def _ended(engine: Engine) -> PostgresEndedTokens:
    return PostgresEndedTokens(engine.pool, engine.ledger.ledger_id)


def _of_text(text: str) -> bytes:
    return blake2b(text.encode(), digest_size=16).digest()


def _digest(asked: str) -> int:
    return int.from_bytes(blake2b(asked.encode(), digest_size=6).digest(), "big")


def _no_token() -> QueryParameterError:
    return QueryParameterError(
        "This nextPageToken does not belong to this query.",
        code="query.page_token",
        hint="Follow the Link header as it is, or leave the token out to begin again.",
    )
