"""What people type, paste or scan, read as an identifier; and an identifier written as people read it."""

from __future__ import annotations

import re
from typing import Final
from urllib.parse import unquote, urlsplit

from traceability.errors import InvalidInputError
from traceability.gs1.digital_link import RESOLVER, read_path
from traceability.gs1.element_strings import FNC1
from traceability.gs1.identifiers import Identifier, IdentifierError, Kind, parse_digital_link_path, parse_identifier
from traceability.gs1.links import link_of
from traceability.gs1.reading import read_value

_DIGITAL_LINK: Final = re.compile(r"\d{2,4}/").match
_ENCODED: Final = re.compile(r"(?i:[a-z][a-z0-9+.-]*%3a)").match


def read_code(text: str) -> Identifier:
    """Read a GS1 Digital Link on any domain or its path, an EPC URN, element strings, what a reader sends, or digits.

    Of element strings what they name counts, not weights and dates. Thirteen digits are a GTIN, not a GLN: that is what
    is printed under a bar code. Raises `IdentifierError` with what is wrong about the text in the form that it seems to
    have.
    """
    code = text.strip()
    if not code:
        raise IdentifierError("Nothing was entered.", code="gs1.not_a_uri")
    if code.startswith("/"):
        return parse_identifier(RESOLVER + code)
    if code.startswith(("(", "]", FNC1)):
        return _elements(code)
    digits = code.replace(" ", "")
    if digits.isascii() and digits.isdecimal():
        return _elements(digits)
    identifier = parse_identifier(code)
    if identifier.kind is Kind.PRIVATE and code.lower().startswith(("http:", "https:")):
        # A link from somewhere else that is nearly a GS1 link: its own error helps more than "nothing is known".
        read_path(urlsplit(code).path, stem=True)
    return identifier


def identifier_in_path(raw: str) -> Identifier:
    """Read the identifier at the end of a request path, as it was sent: a serial may hold an encoded slash.

    A path of a Digital Link keeps its encoding to the end; a whole URI that was encoded to fit into the path has lost
    one layer of it. Raises `IdentifierError`.
    """
    if _DIGITAL_LINK(raw):
        return parse_digital_link_path(f"/{raw}")
    return read_code(unquote(raw) if _ENCODED(raw) or ":" not in raw else raw)


def human_readable(identifier: Identifier) -> tuple[str, ...]:
    """Return the element strings with their Application Identifiers in brackets, as they are printed under a code."""
    if identifier.key is None:
        return (identifier.uri,)
    return tuple(f"({code}) {value}" for code, value in read_path(identifier.uri.removeprefix(RESOLVER)) or ())


def link_on(identifier: Identifier, base: str) -> str:
    """Return the identifier as a link that `base` answers.

    Raises `InvalidInputError`: `label.base` for what is no http address, `label.private` for what is no GS1 key.
    """
    parts = urlsplit(base)
    if parts.scheme not in ("http", "https") or not parts.netloc or parts.query or parts.fragment:
        raise InvalidInputError(
            f"{base!r} cannot be the beginning of a link",
            code="label.base",
            hint="Give the address of a resolver, such as https://id.gs1.org or http://127.0.0.1:8000.",
        )
    if identifier.key is None:
        raise InvalidInputError(
            "only GS1 identifiers have a link",
            code="label.private",
            hint="Give a GTIN, SSCC, GIAI, GRAI or another GS1 key.",
        )
    return base.rstrip("/") + identifier.uri.removeprefix(RESOLVER)


def _elements(code: str) -> Identifier:
    ais = read_value(code).ais
    if not ais:
        raise IdentifierError("This bar code holds no GS1 identifier.", code="gs1.unknown_key")
    return parse_identifier(link_of(ais))
